/**
 * What is known about agents and cells, with source and age. Nothing is claimed: what was never observed is `unknown`.
 * Every agent shows how its state ends: a time, an event, or an owner.
 */
import { boundaryOf, type Cell } from '../cell/cell.ts'
import type { AgentStateName, Coverage, Evidence, Exit } from '../model/model.ts'
import { admissionView } from './admission/view.ts'
import { dueWallMs, nextMsOf } from './agents.ts'
import { evidenceOfWork } from './evidence.ts'
import type { HeldCause } from './governor/governor.ts'
import { groupName } from './governor/name.ts'
import { housingOf, kindOf, memoryOf } from './housing.ts'
import type { Agent, Live, LiveCell } from './live.ts'
import type { AgentView, CellStatus, FleetSummary } from './port.ts'
import { waitingTypes, waitsFor } from './order/starts.ts'
import { placeIn } from './order/state.ts'
import { groupsHeld } from './order/strategy.ts'
import { mayWork } from './probes/decide.ts'
import { standbyCounts } from './standby.ts'
import { troublesOf } from './troubles.ts'

/** The process table is not asked more often than this for one cell: a list of 5,000 agents reads 50 entries. */
const existsKeptMs = 1_000
/** An answer older than this many beats says nothing about now. */
const freshBeats = 3

const wallOf = (live: Live, monoMs: number): number =>
  Math.round(live.options.clock.wallMs() + monoMs - live.options.clock.monoMs())

const exists = (live: Live, cell: LiveCell): NonNullable<LiveCell['exists']> | null => {
  if (cell.cell === null || cell.cell.identity === null) return null
  const atMs = live.options.clock.monoMs()
  if (cell.exists !== null && atMs - cell.exists.atMs < existsKeptMs) return cell.exists
  const { pid, startTime } = cell.cell.identity
  cell.exists = { atMs, wallMs: live.options.clock.wallMs(), yes: live.options.proc.startTime(pid) === startTime }
  return cell.exists
}

const answerIsFresh = (live: Live, cell: LiveCell): boolean =>
  cell.answeredMs !== null &&
  live.options.clock.monoMs() - cell.answeredMs <= freshBeats * cell.group.settings.heartbeatMs

const responds = (live: Live, agent: Agent, cell: LiveCell): Evidence['value'] => {
  if (cell.suspect) return 'no'
  return agent.readyMs !== null && answerIsFresh(live, cell) ? 'yes' : 'unknown'
}

/** Agents of which one process is started for each task: the sitter itself knows whether one runs. */
const evidenceOfExec = (live: Live, agent: Agent, cell: Cell): Evidence[] => {
  const identity = cell.processOf?.(agent.id) ?? null
  const atMs = live.options.clock.wallMs()
  const responds: Evidence = {
    fact: 'responds',
    source: 'nobody to ask: one process a task',
    atMs: null,
    value: 'unknown',
  }
  if (identity === null)
    return [{ fact: 'exists', source: 'nothing runs: started per task', atMs, value: 'no' }, responds]
  const { pid, startTime } = identity
  const value = live.options.proc.startTime(pid) === startTime ? 'yes' : 'no'
  const source = `process table: pid ${pid} and its start time`
  return [{ fact: 'exists', source, atMs, value, detail: boundaryOf(housingOf(live, agent.settings)) }, responds]
}

/** Wall time of the timer for which it wakes by itself. */
const bedDueMs = ({ bed }: Agent): number | null =>
  bed === null || bed.dueInMs === null ? null : Math.round(bed.set.wallMs + bed.dueInMs)

/** Nothing of it runs, and that is as it should be: there is nobody who could be silent. */
const evidenceAsleep = (live: Live, agent: Agent): Evidence => {
  const { group, sinceMs, settings, bed } = agent
  const ending = group.cell !== null && group.agents.length === 1 ? exists(live, group.cell) : null
  const after = settings.hibernate === undefined ? '' : `, as it does ${settings.hibernate.afterMs} ms after its work`
  const dueMs = bedDueMs(agent)
  const timer = dueMs === null ? '' : `, or by its own timer at ${new Date(dueMs).toISOString()}`
  const kept = bed === null ? '' : '; its machine is kept, with all that waits in it'
  return {
    fact: 'exists',
    source: ending?.yes === true ? 'process table: its last process is being ended' : 'the fleet: no cell holds it',
    atMs: ending?.wallMs ?? live.options.clock.wallMs(),
    value: ending?.yes === true ? 'yes' : 'no',
    detail: `asleep since ${new Date(sinceMs).toISOString()}${after}; ${kept}; woken when work for it is due${timer}`,
  }
}

const evidenceOf = (live: Live, agent: Agent): Evidence[] => {
  const { cell } = agent
  const work = evidenceOfWork(live, agent)
  if (agent.state === 'hibernating') return [evidenceAsleep(live, agent), ...work]
  if (cell === null) {
    return [
      { fact: 'exists', source: 'no cell holds it', atMs: agent.sinceMs, value: 'no' },
      { fact: 'responds', source: 'nobody to ask', atMs: null, value: 'unknown' },
      ...work,
    ]
  }
  if (cell.cell !== null && cell.cell.identity === null) return [...evidenceOfExec(live, agent, cell.cell), ...work]
  const there = exists(live, cell)
  const source =
    cell.cell === null ? 'process table' : `process table: pid ${cell.cell.identity?.pid} and its start time`
  return [
    {
      fact: 'exists',
      source,
      atMs: there?.wallMs ?? null,
      value: there === null ? 'unknown' : there.yes ? 'yes' : 'no',
      ...(agent.settings.run.module === undefined ? { detail: boundaryOf(housingOf(live, agent.settings)) } : {}),
    },
    {
      fact: 'responds',
      source: 'challenge, answered by its cell with the agents that live there',
      atMs: cell.answeredWallMs,
      value: responds(live, agent, cell),
      ...(cell.suspect ? { detail: `silent for ${cell.silentBeats} beats` } : {}),
    },
    ...work,
  ]
}

const startText = ({ admission: { short } }: Live): string =>
  short === null ? 'its cell is started' : `its cell is started once the host is not short any more: ${short.why}`

/** How the state ends. */
export const exitOf = (live: Live, agent: Agent): Exit => {
  const { cell, settings } = agent
  if (agent.leaving) return { kind: 'event', what: 'it has nothing in hand any more, then it is gone' }
  switch (agent.state) {
    case 'starting': {
      const waits = cell === null ? waitsFor(live, agent) : null
      if (waits !== null) return { kind: 'event', what: `it ${waits}` }
      const held = cell === null ? heldOf(live, agent) : undefined
      if (held !== undefined) return heldExit(live, held)
      return cell?.phase === 'ready'
        ? {
            kind: 'time',
            what: 'its cell lists it, or it is lost',
            at: wallOf(live, agent.seatedMs + settings.startWithinMs),
          }
        : { kind: 'event', what: cell === null ? startText(live) : 'its cell is ready, or lost' }
    }
    case 'idle':
      return {
        kind: 'event',
        what: mayWork(cell?.probes ?? null) ? 'work' : `its probe passes (${cell?.probes?.why ?? 'not asked yet'})`,
      }
    case 'busy':
      return { kind: 'event', what: 'its attempt ends, or makes no progress for too long' }
    case 'suspect':
      // Judged already, and nobody's fault: its time is over, and what ends it is no time.
      if (cell?.excuse)
        return { kind: 'event', what: `its cell answers, or is to blame for its silence (now it is ${cell.excuse})` }
      return {
        kind: 'time',
        what: 'its cell answers, or is killed',
        at: wallOf(live, (cell?.heardMs ?? live.options.clock.monoMs()) + freshBeats * settings.heartbeatMs),
      }
    case 'backoff':
    case 'quarantined': {
      const held = heldOf(live, agent)
      const band = agent.hold === 'band' ? placeIn(live.order, agent)?.band : undefined
      const at = band === undefined ? nextMsOf(agent) : dueWallMs(band.due)
      if (agent.ordered !== null) return { kind: 'owner', who: 'operator', what: 'release' }
      if (held !== undefined) return heldExit(live, held)
      if (at !== null)
        return { kind: 'time', what: agent.state === 'backoff' ? 'restart' : 'probe, or release by a person', at }
      return { kind: 'event', what: 'the probe of its cell proves stable, or is lost; or release by a person' }
    }
    case 'stopping':
      return { kind: 'event', what: 'its cell ends' }
    case 'stopped':
      return { kind: 'owner', who: 'operator', what: 'start' }
    case 'paused':
      return { kind: 'owner', who: 'operator', what: 'resume' }
    case 'hibernating': {
      const at = bedDueMs(agent)
      return at === null
        ? { kind: 'event', what: 'work for its type, or a person starts it' }
        : { kind: 'time', what: 'its own timer, unless work for its type wakes it before', at }
    }
    case 'unknown':
      return { kind: 'owner', who: 'operator', what: 'restart' }
  }
}

const heldOf = (live: Live, agent: Agent): Pick<HeldCause, 'nextMs'> | undefined => {
  const ofGroup = agent.hold === 'cell' || agent.state === 'starting'
  return live.governor.holds(agent.id) ?? (ofGroup ? live.governor.holds(groupName(agent.group)) : undefined)
}

const heldExit = (live: Live, { nextMs }: Pick<HeldCause, 'nextMs'>): Exit => ({
  kind: 'time',
  what: 'many died of one cause: one of them is tried first',
  at: wallOf(live, nextMs),
})

const cellOf = (live: Live, agent: Agent): AgentView['cell'] => {
  const cell = agent.cell?.cell
  const identity = cell?.identity ?? cell?.processOf?.(agent.id) ?? null
  return cell && identity ? { id: cell.id, kind: kindOf(live, agent.group.settings), ...identity } : null
}

const apartOf = ({ group: { part } }: Agent): Pick<AgentView, 'apart'> =>
  part === null ? {} : { apart: { named: part.named, sinceMs: part.sinceMs, proofMs: part.proofMs } }

export const viewOf = (live: Live, agent: Agent): AgentView => ({
  id: agent.id,
  type: agent.type,
  number: agent.number,
  state: agent.state,
  mode: agent.mode,
  epoch: agent.epoch,
  sinceMs: agent.sinceMs,
  restarts: agent.restarts,
  reason: agent.state === 'starting' && agent.cell === null ? (waitsFor(live, agent) ?? agent.reason) : agent.reason,
  exit: exitOf(live, agent),
  attempt: agent.attempt?.id ?? null,
  cell: cellOf(live, agent),
  housing: housingOf(live, agent.settings),
  evidence: evidenceOf(live, agent),
  lastCells: agent.lastCells,
  ...apartOf(agent),
})

/** Cells whose process is known: not one that is still being spawned, nor the seat of an exec agent. */
export const cellStatusOf = (live: Live, cell: LiveCell): CellStatus | undefined => {
  const identity = cell.cell?.identity ?? null
  if (identity === null) return undefined
  const agents = [...cell.agents]
  return {
    id: cell.id,
    kind: kindOf(live, cell.group.settings),
    agentType: cell.group.settings.name,
    identity,
    agents: agents.length,
    busy: agents.filter((agent) => agent.attempt !== null || agent.taken).length,
    startedMs: cell.startedWallMs,
    answeredMs: cell.answeredWallMs,
    answeredAgents: cell.answeredAgents,
    residentBytes: memoryOf(live, cell.cell!, identity.pid),
  }
}

/**
 * Reporting = seen in an answer of its own cell that is not older than three beats. Who is out of its cell because a
 * person ordered so has nothing to report, and who sleeps is counted apart.
 */
const coverageOf = (live: Live): Coverage => {
  let reporting = 0
  let oldestMs: number | null = null
  for (const cell of live.cells.values()) {
    if (cell.answeredMs === null || cell.suspect || !answerIsFresh(live, cell)) continue
    const seen = [...cell.agents].filter((agent) => agent.readyMs !== null).length
    if (seen === 0) continue
    reporting += seen
    oldestMs = Math.max(oldestMs ?? 0, Math.round(live.options.clock.monoMs() - cell.answeredMs))
  }
  let meant = 0
  let asleep = 0
  for (const agent of live.agents.values()) {
    if (agent.state === 'hibernating') asleep += 1
    else if (agent.ordered === null || agent.cell !== null) meant += 1
  }
  return { reporting, of: meant, oldestMs, ...(live.dormitory.types.size > 0 && { asleep }) }
}

const troublesShown = 20
type Counts = Partial<Record<AgentStateName, number>>

export const summaryOf = (live: Live): FleetSummary => {
  const troubles = troublesOf(live.agents.values())
  const byState: Counts = {}
  const byType: Record<string, Counts> = {}
  const restartsByType: Record<string, number> = {}
  for (const { state, type, restarts } of live.agents.values()) {
    restartsByType[type] = (restartsByType[type] ?? 0) + restarts
    const counts = (byType[type] ??= {})
    counts[state] = (counts[state] ?? 0) + 1
    byState[state] = (byState[state] ?? 0) + 1
  }
  return {
    agents: live.agents.size,
    byState,
    byType,
    cells: [...live.cells.values()].filter(({ cell }) => cell === null || cell.identity !== null).length,
    standbys: standbyCounts(live),
    apart: [...live.apart.parts].reduce((sum, part) => sum + part.agents.length, 0),
    held: live.governor.list(),
    ...(live.order.shut.size > 0 && { waiting: waitingTypes(live) }),
    ...(live.order.bands.some(({ quarantined }) => quarantined) && { groupsHeld: groupsHeld(live) }),
    ...(live.rolling.size > 0 && { rolling: [...live.rolling.values()].map((one) => ({ ...one })) }),
    ...(live.boot.named !== null && { suspects: live.boot.named }),
    restarts: live.counts.restarts,
    cellsLost: live.counts.cellsLost,
    restartsByType,
    coverage: coverageOf(live),
    admission: admissionView(live),
    troubles: troubles.slice(0, troublesShown),
    quarantines: troubles.filter(({ quarantined }) => quarantined > 0).length,
  }
}
