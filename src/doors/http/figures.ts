/**
 * The swarm at a glance. Figures that cost a pass over the record (work, settle, ledger, durations) are kept for
 * twenty times as long as they took, 10 s at most, so that any number of watchers costs a twentieth of the sitter;
 * `figuresMs` tells their age.
 */
import type { ModeSetting } from '../../fleet/fleet.ts'
import type { GateStatus } from '../../wire/wire.ts'
import { sleep } from '../../std/std.ts'
import type { StalledWork, SwarmView } from '../api.ts'
import type { Rooms } from './rooms.ts'

type Slow = Pick<SwarmView, 'work' | 'settle' | 'ledger' | 'durations' | 'agentsThatSucceeded' | 'figuresMs'>

const keepTimes = 20
/** But never longer than this: who waits for the end of the work must not wait for figures of before. */
const longestKeptMs = 10_000
/** The gate answers from memory; one that does not answer in this time is unknown, and says so. */
const gateWithinMs = 2_000

const durationsOf = async (rooms: Rooms): Promise<Slow['durations']> => {
  const types = Object.keys(rooms.config.tasks)
  return Object.fromEntries(
    await Promise.all(types.map(async (type) => [type, await rooms.store.read.taskDurations(type)] as const)),
  )
}

const slowOf = async (rooms: Rooms): Promise<Slow> => ({
  work: await rooms.work.summary(),
  settle: await rooms.settle.summary(),
  ledger: await rooms.settle.ledgerCheck('new'),
  durations: await durationsOf(rooms),
  agentsThatSucceeded: await rooms.store.read.agentsThatSucceeded(),
  figuresMs: rooms.clock.wallMs(),
})

/** The gate's own word, or why there is none. Never rejects. */
export const gateStatus = async (rooms: Rooms): Promise<GateStatus | { readonly unknown: string }> => {
  if (rooms.gatelink.gateId === null) return { unknown: 'no link to the gate' }
  const patience = new AbortController()
  const late = sleep(rooms.clock, gateWithinMs, patience.signal).then(() => ({
    unknown: `the gate did not answer within ${gateWithinMs / 1_000} s`,
  }))
  try {
    return await Promise.race([rooms.gatelink.status(), late])
  } catch (error) {
    return { unknown: error instanceof Error ? error.message : 'the gate did not answer' }
  } finally {
    patience.abort()
  }
}

/** Frozen when the file says so or the gate does; whose word it was, where the file tells. */
const freezeView = ({ freeze }: Rooms, gate: SwarmView['gate']): SwarmView['freeze'] => {
  const file = freeze.file()
  const gateSays = 'unknown' in gate ? ('unknown' as const) : gate.frozen
  if (file === 'absent') return { frozen: gateSays, gate: gateSays, by: null }
  return { frozen: true, gate: gateSays, by: file === 'unreadable' ? null : file }
}

const modesShown = 20

/** Set by a person, and without an end: somebody has to remember them. */
export const personsModes = (settings: readonly ModeSetting[]): readonly ModeSetting[] =>
  settings.filter(({ source, exit }) => source === 'person' && exit.kind === 'owner')

/**
 * What waits for a person, as in the inbox: settlements, dead letters, quarantined agents by type and cause, modes, and
 * credentials as far as the gate answers.
 */
const personCount = (
  { work, fleet, settle, gate }: Pick<SwarmView, 'work' | 'fleet' | 'settle' | 'gate'>,
  modes: readonly ModeSetting[],
): number => {
  const credentials = 'unknown' in gate ? 0 : gate.credentialsWaiting
  const dead = Object.values(work.byType).reduce((sum, states) => sum + (states['dead'] ?? 0), 0)
  return settle.person + dead + fleet.quarantines + credentials + personsModes(modes).length
}

/** In these an agent takes no work until somebody, or a time, lets it. */
const out: ReadonlySet<string> = new Set(['quarantined', 'stopped', 'paused'])

/** Work that is ready and that nobody can take. */
export const stalledWork = (
  tasks: Rooms['config']['tasks'],
  { work, fleet }: Pick<SwarmView, 'work' | 'fleet'>,
): readonly StalledWork[] =>
  Object.entries(work.byType).flatMap(([type, counts]) => {
    const ready = counts['ready'] ?? 0
    const agentType = Object.hasOwn(tasks, type) ? tasks[type]!.agent : undefined
    if (ready === 0 || agentType === undefined) return []
    const known = Object.entries(fleet.byType[agentType] ?? {}).filter(([, count]) => count > 0)
    const isOut = known.length > 0 && known.every(([state]) => out.has(state))
    return isOut ? [{ type, agentType, ready, states: Object.fromEntries(known) }] : []
  })

export type Figures = (rooms: Rooms) => Promise<SwarmView>

/** One per door. */
export const figuresMaker = (): Figures => {
  let kept: { readonly slow: Slow; readonly untilMono: number } | undefined
  return async (rooms) => {
    const gate = await gateStatus(rooms)
    const startMono = rooms.clock.monoMs()
    if (kept === undefined || startMono >= kept.untilMono) {
      const slow = await slowOf(rooms)
      const endMono = rooms.clock.monoMs()
      kept = { slow, untilMono: endMono + Math.min(longestKeptMs, (endMono - startMono) * keepTimes) }
    }
    const fleet = rooms.fleet.summary()
    const modes = rooms.modes.list()
    const { work, settle } = kept.slow
    const stalled = stalledWork(rooms.config.tasks, { work, fleet })
    return {
      name: rooms.name,
      version: rooms.version,
      nodeVersion: process.version,
      owner: rooms.owner,
      epoch: rooms.epoch,
      pid: rooms.pid,
      startedMs: rooms.startedMs,
      nowMs: rooms.clock.wallMs(),
      fleet,
      gate,
      freeze: freezeView(rooms, gate),
      ...kept.slow,
      idle: work.idle && settle.idle,
      modes: { count: modes.length, items: modes.slice(0, modesShown) },
      person: personCount({ work, fleet, settle, gate }, modes),
      ...(stalled.length > 0 && { stalled }),
      notBuilt: rooms.notBuilt,
    }
  }
}
