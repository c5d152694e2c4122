/**
 * Agents of `vm` cells sleep as they are: the host gives the machine away, with all that waits in it, and the next host
 * goes on with it. It is given to one host once; what is lost on the way, or does not fit, begins anew, which is told.
 *
 *   idle ── its host is asked ──▶ dozing ── its machine came ──▶ hibernating, in a bed ── work, its timer ──▶ starting
 *    ▲                             │  └─ ordered otherwise meanwhile: given back to its host                      │
 *    └──── it waits for something ─┘                          seated with its machine, the bed is forgotten ◀─────┘
 *
 * While it dozes nobody can take it. Its bed is in the record only while it sleeps, and the commit that gives it a new
 * epoch forgets it: a snapshot that is older than its agent's last life is nobody's.
 */
import type { Sleeper } from '../../cell/cell.ts'
import { asFailure, passedMs, remainingMs } from '../../std/std.ts'
import type { Seat } from '../../wire/wire.ts'
import { refile, touch } from '../agents.ts'
import { kindOf } from '../housing.ts'
import type { Agent, Group, Live, LiveCell } from '../live.ts'
import { rise } from '../loss.ts'
import { challengeAgain, heard } from '../pulse.ts'
import { notify, say } from '../wiring.ts'
import { dropBed, forgetBed } from './bed.ts'
import type { Bed } from './dormitory.ts'
import { noteDozing } from './sleepers.ts'
import { planWakes } from './wake.ts'

/** A machine of the usual size is given in 10 ms; a host that is busy takes longer. */
const giveWithinMs = 5_000
/** A timer that comes sooner is not worth it: a host may have to be started for it. */
const leastTimerMs = 1_000
/** After there was no room for one. */
const noBedsMs = 60_000
/** The host lists it as soon as it has told that it woke. */
const askSoonMs = 5

const seatOf = (agent: Agent): Seat => ({
  agent: agent.id,
  epoch: agent.epoch,
  mode: agent.mode,
  config: agent.settings.config,
})

/** Seats of those that begin; who has a bed is seated from it, when the cell is ready. */
export const seatsNow = (agents: Iterable<Agent>): Seat[] =>
  [...agents].filter(({ bed }) => bed === null).map((agent) => seatOf(agent))

/** Its agents sleep as they are. */
export const keepsMachines = (live: Live, { settings }: Group): boolean =>
  live.options.beds !== undefined && kindOf(live, settings) === 'vm'

export const hasBeds = ({ dormitory, options }: Live): boolean => options.clock.monoMs() >= dormitory.noBedsUntilMs

const tellAnew = (live: Live, agent: Agent, why: string): void =>
  notify(live, 'agent.began-anew', 'warn', {
    subject: agent.id,
    message: `${agent.id} slept and could not be woken, so it began anew: ${why}`,
    facts: { why },
  })

// ── to bed ──

const arm = (live: Live, agent: Agent, bed: Bed): void => {
  if (bed.dueInMs === null) return
  const leftMs = remainingMs(live.options.clock.stamp(), bed.set, bed.dueInMs)
  bed.cancelDue = live.agenda.after(leftMs, () => {
    if (agent.bed !== bed || agent.state !== 'hibernating') return
    live.dormitory.types.get(agent.type)?.called.add(agent)
    planWakes(live)
  })
}

const keep = async (live: Live, agent: Agent, bed: Bed, snapshot: Uint8Array): Promise<void> => {
  try {
    bed.hash = await live.options.beds!.put({ agent: agent.id, snapshot })
    if (agent.bed !== bed || agent.state !== 'hibernating') return
    bed.snapshot = null
    touch(live, agent)
  } catch (thrown) {
    const why = asFailure(thrown).message
    live.dormitory.noBedsUntilMs = live.options.clock.monoMs() + noBedsMs
    notify(live, 'agent.no-bed', 'warn', {
      subject: agent.id,
      message: `no room for the machine of ${agent.id}: it goes on, and none is laid to rest for a minute: ${why}`,
      facts: { why, againInMs: noBedsMs },
    })
    if (live.phase === 'open' && agent.bed === bed && agent.state === 'hibernating') rise(live, [agent], 'start')
  }
}

const layInBed = (live: Live, agent: Agent, { snapshot, dueInMs }: Sleeper): void => {
  const bed: Bed = { set: live.options.clock.stamp(), dueInMs, hash: null, snapshot, cancelDue: null }
  agent.bed = bed
  arm(live, agent, bed)
  void keep(live, agent, bed, snapshot)
}

/** A person has ordered something else meanwhile: it goes on where it was. It is free when it has told that it woke. */
const giveBack = (live: Live, cell: LiveCell, agent: Agent, { snapshot }: Sleeper): void => {
  agent.mark = cell.mark += 1
  cell.cell!.wake!({ ...seatOf(agent), asleep: 0 }, snapshot)
}

/** It waits for something there: it is looked at again when it has been idle for as long once more. */
const staysAwake = (live: Live, agent: Agent): void => {
  noteDozing(live, agent, false)
  agent.idleMs = live.options.clock.monoMs()
  refile(live, agent)
}

/** Its host gave nothing that could be kept. */
const beginsAnew = (live: Live, cell: LiveCell, agent: Agent, why: string): void => {
  notify(live, 'agent.began-anew', 'warn', {
    subject: agent.id,
    message: `${agent.id} could not be kept as it was, so it begins anew when it wakes: ${why}`,
    facts: { why },
  })
  cell.cell!.send([{ jsonrpc: '2.0', method: 'unseat', params: { agents: [agent.id] } }])
}

/** Nobody has ordered it otherwise, and its type still sleeps. */
const maySleepStill = (live: Live, { state, type }: Agent): boolean =>
  state === 'idle' && live.dormitory.types.has(type)

/**
 * Has its host give the agent's machine away, and calls `lay` when it sleeps from now on. False when it stays awake, or
 * is lost with its cell.
 */
export const putToBed = async (live: Live, cell: LiveCell, agent: Agent, lay: () => void): Promise<boolean> => {
  const { epoch } = agent
  noteDozing(live, agent, true)
  refile(live, agent)
  const isStill = (): boolean =>
    live.phase === 'open' && agent.cell === cell && agent.epoch === epoch && agent.dozing && cell.phase === 'ready'
  const leastMs = Math.max(leastTimerMs, agent.settings.hibernate?.afterMs ?? 0)
  try {
    const sleeper = await cell.cell!.sleep!(agent.id, { withinMs: giveWithinMs, leastMs })
    // Its cell was lost, or a person has taken it out, in the same breath.
    if (!isStill()) return false
    heard(live, cell)
    if (!maySleepStill(live, agent)) {
      giveBack(live, cell, agent, sleeper)
      return false
    }
    layInBed(live, agent, sleeper)
  } catch (thrown) {
    const { code, message } = asFailure(thrown)
    // Of a lost cell the end is about to be told.
    if (!isStill() || code === 'cell-lost') return false
    if (code === 'conflict' || !maySleepStill(live, agent)) {
      staysAwake(live, agent)
      return false
    }
    beginsAnew(live, cell, agent, message)
  }
  lay()
  return true
}

// ── out of bed ──

/** Snapshots of those that are about to be seated; without one an agent begins anew. Never rejects. */
export const bringBeds = async (live: Live, agents: Iterable<Agent>): Promise<void> => {
  const bring = async (agent: Agent): Promise<void> => {
    const { bed } = agent
    if (bed === null || bed.snapshot !== null) return
    try {
      const snapshot = await live.options.beds!.get(agent.id, bed.hash ?? '')
      if (agent.bed === bed) bed.snapshot = snapshot
    } catch (thrown) {
      if (agent.bed !== bed) return
      forgetBed(live, agent)
      tellAnew(live, agent, asFailure(thrown).message)
    }
  }
  await Promise.all([...agents].map(bring))
}

/** Seats those that have a bed; a living cell is theirs. From now on their machines are the host's alone. */
export const wakeFromBeds = (live: Live, cell: LiveCell, agents: readonly Agent[]): void => {
  const now = live.options.clock.stamp()
  for (const agent of agents) {
    const { bed } = agent
    if (bed?.snapshot == null) continue
    agent.mark = cell.mark += 1
    agent.seatedMs = now.monoMs
    cell.cell!.wake!({ ...seatOf(agent), asleep: passedMs(now, bed.set) }, bed.snapshot)
    forgetBed(live, agent)
  }
}

/** The host has it again, or began it anew. */
export const wokeUp = (live: Live, cell: LiveCell, agent: Agent, anew: string | null): void => {
  if (anew !== null) tellAnew(live, agent, anew)
  if (agent.dozing) {
    noteDozing(live, agent, false)
    refile(live, agent)
  }
  if (agent.state === 'starting') challengeAgain(live, cell, askSoonMs)
}

/** What the last sitter laid to rest; files that are in no row are nobody's. */
export const reopenBeds = (live: Live): void => {
  const kept = new Set<string>()
  for (const agent of live.agents.values()) {
    const { bed } = agent
    if (bed === null) continue
    if (agent.state !== 'hibernating' || !keepsMachines(live, agent.group)) {
      dropBed(live, agent)
      continue
    }
    kept.add(agent.id)
    arm(live, agent, bed)
  }
  live.options.beds?.keep(kept).catch((thrown: unknown) => {
    say(live, 'warn', `snapshots of nobody stay where they lie: ${(thrown as Error).message}`)
  })
}
