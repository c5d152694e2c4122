/**
 * The order of starts: who may not be started yet waits in `starting` without a seat, and says for whom. A type that
 * depends on others waits once, until they are ready by evidence; what becomes of them later is not its matter, for
 * liveness never looks at what an agent depends on. In a group each place waits for those before it, each time.
 */
import type { AgentType } from '../../model/model.ts'
import type { Agent, Live } from '../live.ts'
import type { WaitingType } from '../port.ts'
import { mayWork } from '../probes/decide.ts'
import { notify } from '../wiring.ts'
import { frontOf, readiness, type Mate } from './decide.ts'
import { placeIn, shutTypes, type Band, type Shut } from './state.ts'

/** While a type waits: for its deadline, and for what no event tells. */
const lookEveryMs = 1_000

const isWanted = ({ ordered, leaving }: Agent): boolean => ordered === null && !leaving

/** A program whose probes have not let it work yet is not ready, whatever its process is. */
const stateNow = ({ state, cell }: Agent): Agent['state'] =>
  state === 'idle' && !mayWork(cell?.probes ?? null) ? 'starting' : state

/** Agents of a group with their places, in no order. */
export const matesOf = (live: Live, band: Band): readonly (readonly [Agent, number])[] => {
  const mates: (readonly [Agent, number])[] = []
  const types = new Map<string, number>()
  band.group.places.forEach((text, place) => {
    const agent = live.agents.get(text)
    if (agent !== undefined) mates.push([agent, place])
    else if (!text.includes('/')) types.set(text, place)
  })
  if (types.size > 0)
    for (const agent of live.agents.values()) {
      const place = types.get(agent.type)
      if (place !== undefined && !live.order.byAgent.has(agent.id)) mates.push([agent, place])
    }
  return mates
}

const front = (live: Live, band: Band): number => {
  if (band.falling || band.quarantined || !live.order.begun) return -1
  return (band.front ??= frontOf(
    band.group.strategy,
    matesOf(live, band).map(([agent, place]): Mate => ({ place, state: stateNow(agent), wanted: isWanted(agent) })),
  ))
}

/** For whom the agent waits before it may be started, in people's words; null = for nobody. */
export const waitsFor = (live: Live, agent: Agent): string | null => {
  const { order, boot } = live
  if (boot.suspects.has(agent.id)) return 'is started last: the sitter died again and again just after it had begun'
  if (order.shut.size > 0) {
    const shut = order.shut.get(agent.type)
    if (shut !== undefined) return shut.why === '' ? 'waits for the types that it depends on' : shut.why
  }
  const at = placeIn(order, agent)
  if (at === undefined) return null
  const { band, place } = at
  if (place <= front(live, band)) return null
  const { name } = band.group
  if (band.quarantined) return `waits for its group ${name}, which is in quarantine`
  if (band.falling) return `waits until the others of its group ${name} are stopped`
  return `waits for its turn in its group ${name}: ${whoseTurn(live, band, place)}`
}

const whoseTurn = (live: Live, band: Band, place: number): string => {
  const waiting = matesOf(live, band).filter(
    ([agent, at]) =>
      isWanted(agent) &&
      (agent.state === 'starting' || agent.state === 'backoff' || agent.state === 'quarantined') &&
      (at < place || (band.group.strategy === 'one_for_all' && agent.state !== 'starting')),
  )
  const [first] = waiting.toSorted(([, one], [, other]) => one - other)
  if (first === undefined) return 'those before it are not ready yet'
  return `${first[0].id} is ${first[0].state}${waiting.length > 1 ? `, and ${waiting.length - 1} more` : ''}`
}

const whyShut = (live: Live, type: string): string | null => {
  const waits = (live.types.get(type)?.dependsOn ?? []).flatMap((other) => {
    const agents = [...live.agents.values()].filter((agent) => agent.type === other)
    const { ready, of, isReady } = readiness(
      agents.map((agent) => ({ state: stateNow(agent), wanted: isWanted(agent) })),
    )
    // A type that waits itself is not ready, even if it has nobody.
    if (isReady && !live.order.shut.has(other)) return []
    return [`${other} (${ready} of ${of} ready)`]
  })
  return waits.length === 0 ? null : `waits for ${waits.join(', ')}`
}

const tellLate = (live: Live, type: string, shut: Shut): void => {
  shut.late = true
  const waitedMs = Math.round(live.options.clock.monoMs() - shut.sinceMs)
  notify(live, 'start.waits', 'error', {
    subject: type,
    message: `${type} is not started for ${waitedMs} ms: it ${shut.why}; it starts by itself when that is ready`,
    facts: { type, why: shut.why, waitedMs, dependsOn: live.types.get(type)?.dependsOn ?? [] },
  })
}

const openType = (live: Live, type: string, shut: Shut): void => {
  live.order.shut.delete(type)
  const waitedMs = Math.round(live.options.clock.monoMs() - shut.sinceMs)
  notify(live, 'start.open', 'info', {
    subject: type,
    message: `${type} starts: all it depends on is ready, after ${waitedMs} ms`,
    facts: { type, waitedMs, dependsOn: live.types.get(type)?.dependsOn ?? [] },
  })
}

const look = (live: Live): void => {
  const { order } = live
  order.lookPlanned = false
  if (live.phase !== 'open') return
  const opened = new Set<string>()
  for (const [type, shut] of order.shut) {
    const why = whyShut(live, type)
    if (why === null) {
      openType(live, type, shut)
      opened.add(type)
      continue
    }
    shut.why = why
    if (!shut.late && live.options.clock.monoMs() >= shut.lateMs) tellLate(live, type, shut)
  }
  // A type without agents that was let go may be all that another one waits for.
  if (opened.size > 0) planLook(live)
  const groups = new Set(
    [...live.agents.values()].flatMap((agent) =>
      agent.state === 'starting' && agent.cell === null && (opened.has(agent.type) || placeIn(order, agent))
        ? [agent.group]
        : [],
    ),
  )
  for (const group of groups) live.deeds.provide(group)
  order.cancelLook?.()
  order.cancelLook = order.shut.size > 0 ? live.agenda.after(lookEveryMs, () => planLook(live)) : null
}

/** Something has changed that somebody may wait for; looked at once, after all that changes now. */
export const planLook = (live: Live): void => {
  if (live.order.lookPlanned) return
  live.order.lookPlanned = true
  live.agenda.after(0, () => look(live))
}

/** An agent has another state. */
export const noteState = (live: Live, agent: Agent): void => {
  const { order } = live
  const at = placeIn(order, agent)
  if (at !== undefined) at.band.front = null
  if (at !== undefined || order.shut.size > 0) planLook(live)
}

export const waitingTypes = (live: Live): readonly WaitingType[] =>
  [...live.order.shut].map(([type, { why, sinceWallMs, late }]) => ({ type, why, sinceMs: sinceWallMs, late }))

/** A person's word: these types wait no longer. */
export const excuse = (live: Live, types: ReadonlySet<string>): void => {
  const shut = [...types].filter((type) => live.order.shut.delete(type))
  for (const group of live.groups) if (shut.includes(group.settings.name)) live.deeds.provide(group)
}

/** Types that are new wait as at the beginning; those that run already do not, whatever they depend on now. */
export const takeTypes = (live: Live, types: Readonly<Record<string, AgentType>>, added: readonly string[]): void => {
  const { clock } = live.options
  for (const [type, shut] of shutTypes(types, { monoMs: clock.monoMs(), wallMs: clock.wallMs() }))
    if (added.includes(type)) live.order.shut.set(type, shut)
  for (const type of live.order.shut.keys())
    if ((types[type]?.dependsOn ?? []).length === 0) live.order.shut.delete(type)
  planLook(live)
}
