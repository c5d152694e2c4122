/**
 * Waking agents because work waits. The room above says how many tasks wait for a type when nobody of it is free; as
 * many are woken, at the bucket's pace, into hosts that live already where there are any. A task is given out only when
 * somebody is ready for it: a wake that fails costs no attempt.
 */
import type { Agent, Live, LiveCell, Sleepers } from '../live.ts'
import { rise } from '../loss.ts'
import { notify } from '../wiring.ts'
import { dealt, filled, isHopeless, nextTokenMs, wakesWanted } from './decide.ts'
import { tellNews } from './news.ts'
import { countOf } from './sleepers.ts'

/** When nobody was there to be woken though somebody sleeps. */
const againMs = 100
/** When somebody's own time has come, and it cannot be woken yet: its last cell is still ending. */
const lateMs = 1_000
/** Tokens are waited for in handfuls: each wake of one alone would cost a commit. */
const handfulMs = 50

const isShared = (live: Live, { type }: Sleepers): boolean => live.types.get(type)?.run.module !== undefined

const takesIn = (cell: LiveCell | null): boolean =>
  cell === null || (cell.phase !== 'ending' && !cell.suspect && cell.recycling === null && !cell.gone)

/** Not into a group that is on trial or waits for a restart: what is woken there would wait with it. */
const mayWake = ({ state, mode, group, leaving, renewing }: Agent): boolean =>
  state === 'hibernating' &&
  mode !== 'parked' &&
  !leaving &&
  !renewing &&
  !group.quarantined &&
  group.due === null &&
  takesIn(group.cell)

/** Hosts that live are filled first, the fullest before the others, so that emptier ones can end. */
const pick = (live: Live, sleepers: Sleepers, count: number): Agent[] => {
  const picked = new Set<Agent>()
  const add = (agents: Iterable<Agent>): void => {
    for (const agent of agents) {
      if (picked.size >= count) return
      if (mayWake(agent)) picked.add(agent)
    }
  }
  add(sleepers.called)
  if (isShared(live, sleepers)) {
    const warm = [...live.cells.values()].filter(({ group }) => group.settings.name === sleepers.type)
    for (const { group } of warm.toSorted((a, b) => b.agents.size - a.agents.size)) add(group.agents)
    for (const { group } of sleepers.asleep) {
      if (picked.size >= count) break
      add(group.agents)
    }
  } else add(sleepers.asleep)
  return [...picked]
}

const lookOf = (live: Live, sleepers: Sleepers) => ({
  waiting: sleepers.waiting,
  free: live.free.get(sleepers.type)?.size ?? 0,
  onTheWay: countOf(sleepers, 'starting', 'backoff') + sleepers.taken,
  asleep: sleepers.asleep.size,
  awake: countOf(sleepers, 'starting', 'idle', 'busy', 'suspect', 'backoff'),
  mostAwake: live.types.get(sleepers.type)?.hibernate?.mostAwake ?? Infinity,
  quarantined: countOf(sleepers, 'quarantined'),
  working: countOf(sleepers, 'idle', 'busy'),
})

/** As many as tasks wait for, and those whose own time has come: they can take a task as well. */
const wantsOf = (live: Live, sleepers: Sleepers): number => {
  const look = lookOf(live, sleepers)
  const { asleep, awake, onTheWay, mostAwake } = look
  const own = [...sleepers.called].filter(mayWake).length
  const called = isHopeless(look) ? 0 : Math.max(0, Math.min(own, mostAwake - awake))
  const others = { asleep: asleep - called, awake: awake + called, onTheWay: onTheWay + called }
  return called + wakesWanted({ ...look, ...others })
}

/** Told once, until somebody of the type works again. */
const tellHopeless = (live: Live, sleepers: Sleepers): void => {
  const look = lookOf(live, sleepers)
  const hopeless = sleepers.waiting > 0 && isHopeless(look)
  if (hopeless && !sleepers.told) {
    notify(live, 'wake.given-up', 'error', {
      subject: sleepers.type,
      message: `${look.quarantined} agents of ${sleepers.type} could not be woken: no other is tried before one works`,
      facts: { type: sleepers.type, quarantined: look.quarantined, waiting: sleepers.waiting, asleep: look.asleep },
    })
  }
  sleepers.told = hopeless || (sleepers.told && look.working === 0)
}

/** Gives how many it were: those whose last process is still ending must wait for that. */
const wake = (live: Live, sleepers: Sleepers, count: number): number => {
  const agents = pick(live, sleepers, count)
  if (agents.length === 0) return 0
  const { waiting } = sleepers
  const why = waiting > 0 ? `${waiting} tasks wait` : 'what it waited for inside is due'
  tellNews(live, sleepers, 'agent.woken', { agents, why })
  rise(live, agents, 'start')
  return agents.length
}

/** Wakes what may be woken now of one kind; gives the ms until there is a token for the rest, or Infinity. */
const wakeSome = (live: Live, of: 'processes' | 'shared', types: readonly Sleepers[]): number => {
  const { dormitory } = live
  const { processesPerSecond, sharedPerSecond } = live.bounds.wakes
  const perSecond = of === 'shared' ? sharedPerSecond : processesPerSecond
  const wants = types.map((sleepers) => wantsOf(live, sleepers))
  const wanted = wants.reduce((sum, want) => sum + want, 0)
  if (wanted === 0) return Infinity
  const bucket = filled(dormitory[of], perSecond, live.options.clock.monoMs())
  const given = dealt(bucket.tokens, wants, dormitory.turn)
  dormitory.turn += 1
  let woken = 0
  for (const [index, sleepers] of types.entries()) woken += wake(live, sleepers, given[index]!)
  dormitory[of] = { ...bucket, tokens: bucket.tokens - woken }
  if (woken < given.reduce((sum, count) => sum + count, 0)) return againMs
  return woken < wanted ? Math.max(handfulMs, nextTokenMs(dormitory[of], perSecond)) : Infinity
}

/** Wakes as many as work waits for. Nobody while the host is short: it is looked at again when it is not. */
export const tendWakes = (live: Live): void => {
  const { dormitory } = live
  dormitory.cancelWake?.()
  dormitory.cancelWake = null
  const waiting = [...dormitory.types.values()].filter(
    ({ waiting, told, called }) => waiting > 0 || told || called.size > 0,
  )
  for (const sleepers of waiting) tellHopeless(live, sleepers)
  if (live.phase !== 'open' || live.admission.short !== null || waiting.length === 0) return
  const [shared = [], own = []] = [true, false].map((one) => waiting.filter((type) => isShared(live, type) === one))
  const soonMs = Math.min(wakeSome(live, 'shared', shared), wakeSome(live, 'processes', own))
  const isLate = waiting.some(({ called }) => called.size > 0)
  const nextMs = isLate ? Math.min(soonMs, lateMs) : soonMs
  if (nextMs < Infinity) dormitory.cancelWake = live.agenda.after(nextMs, () => tendWakes(live))
}

/** Once in this turn of the loop, however many agents move in it. */
export const planWakes = (live: Live): void => {
  const { dormitory } = live
  if (dormitory.planned) return
  dormitory.planned = true
  queueMicrotask(() => {
    dormitory.planned = false
    tendWakes(live)
  })
}

/** So many tasks wait for agents of this type, and nobody is free. */
export const want = (live: Live, type: string, waiting: number): void => {
  const sleepers = live.dormitory.types.get(type)
  if (sleepers === undefined) return
  sleepers.waiting = waiting
  if (waiting > 0) tendWakes(live)
}
