/**
 * What the loss of one agent means for the others of its group. The lost one goes by its own policy; those that the
 * strategy names are stopped, the last place first, each place gone before the next, and started again in order. They
 * are charged with nothing, and what they had in hand costs no attempt. When the group as a whole has lost too often it
 * is quarantined: one incident, and nobody outside it notices.
 */
import { remainingMs, sleep, type Stamp } from '../../std/std.ts'
import { dueWallMs, move, refile, touch } from '../agents.ts'
import { whyText } from '../death.ts'
import type { Agent, Live } from '../live.ts'
import { forget, rise } from '../loss.ts'
import { leaveCell, standDown } from '../operator.ts'
import type { GroupHeld } from '../port.ts'
import { challenge } from '../pulse.ts'
import { formatAgents } from '../range.ts'
import { afterLoss, asProbe, freshPolicy, type Decision, type Policy } from '../restart.ts'
import { readBand, saveBand } from '../saved.ts'
import { notify } from '../wiring.ts'
import { fallsWith } from './decide.ts'
import { matesOf, planLook } from './starts.ts'
import { placeIn, type Band } from './state.ts'

/** A process that is killed is gone in ms; an agent of a pool may take a second for its `stop`. */
const goneWithinMs = 5_000
const lookEveryMs = 50

const noteName = ({ group }: Band): string => `group:${group.name}`

const save = (live: Live, band: Band): void =>
  live.record.note(noteName(band), () => saveBand(band, live.options.clock.stamp()))

const policyOf = ({ group }: Band, { settings }: Agent): Policy => ({
  type: 'permanent',
  max: group.max,
  withinMs: group.withinMs,
  baseMs: settings.restart.baseMs,
  capMs: settings.restart.capMs,
  firstAtOnce: true,
})

/** Lost, and to come back: what ended for good is a child that its supervisor has forgotten. */
const comesBack = ({ state, ordered }: Agent): boolean =>
  ordered === null && (state === 'backoff' || state === 'quarantined')

/** These were lost by one event: a group counts it once, however many of its agents it took. */
export const fell = (live: Live, agents: readonly Agent[], cause: string): void => {
  if (live.order.bands.length === 0 || live.phase !== 'open') return
  const lost = new Map<Band, { first: Agent; place: number }>()
  for (const agent of agents) {
    const at = placeIn(live.order, agent)
    if (at === undefined || !comesBack(agent) || at.band.quarantined || at.band.falling) continue
    const before = lost.get(at.band)
    if (before === undefined || at.place < before.place) lost.set(at.band, { first: agent, place: at.place })
  }
  for (const [band, { first, place }] of lost) judge(live, band, { first, place, cause })
}

interface Loss {
  readonly first: Agent
  readonly place: number
  readonly cause: string
}

const judge = (live: Live, band: Band, loss: Loss): void => {
  const { first, place, cause } = loss
  const life = { readyMs: first.readyMs, progressed: first.progressed }
  const nowMs = live.options.clock.monoMs()
  const fact = { nowMs, life, counts: true }
  const decision = afterLoss(policyOf(band, first), band.policy, fact, live.options.random)
  band.policy = decision.state
  if (decision.action === 'quarantine') return void quarantine(live, band, { decision, loss })
  save(live, band)
  const victims = matesOf(live, band).filter(
    ([agent, at]) => fallsWith(band.group.strategy, at, place) && mayFall(agent),
  )
  if (victims.length === 0) return
  const names = formatAgents(victims.map(([agent]) => agent))
  notify(live, 'group.fell', 'warn', {
    subject: first.id,
    message: `${names} are stopped with ${first.id} and started again in order: group ${band.group.name}`,
    facts: { group: band.group.name, strategy: band.group.strategy, lost: first.id, agents: names, cause },
  })
  const why = `stopped with ${first.id}, which was lost: group ${band.group.name}`
  void stopInReverse(live, band, victims, (agent) => standAside(live, agent, why)).then(() => {
    const again = victims
      .map(([agent]) => agent)
      .filter(
        (agent) =>
          agent.state === 'stopped' &&
          agent.ordered === null &&
          !agent.leaving &&
          agent.settings.restart.type !== 'temporary' &&
          live.agents.get(agent.id) === agent,
      )
    if (live.phase === 'open') rise(live, again, 'start')
    planLook(live)
  })
}

/** What runs, or is about to. Whoever waits for its own restart has fallen already. */
const mayFall = ({ state, leaving }: Agent): boolean =>
  !leaving &&
  (state === 'starting' || state === 'idle' || state === 'busy' || state === 'suspect' || state === 'paused')

const standAside = (live: Live, agent: Agent, why: string): void => {
  if (!mayFall(agent)) return
  // It stays as a person ordered, without its process.
  if (agent.state === 'paused') return leaveCell(live, agent, why)
  standDown(live, agent, why)
}

/** Resolves when no process holds these any more, or is not known not to. */
const areGone = async (live: Live, left: ReadonlyMap<NonNullable<Agent['cell']>, readonly Agent[]>): Promise<void> => {
  const untilMs = live.options.clock.monoMs() + goneWithinMs
  await Promise.all(
    [...left].map(async ([cell, agents]) => {
      while (!cell.gone && live.phase === 'open' && live.options.clock.monoMs() < untilMs) {
        if (cell.phase === 'ready') {
          const listed = await challenge(live, cell, lookEveryMs * 10).catch(() => null)
          if (listed !== null && !agents.some(({ id }) => listed.includes(id))) return
        }
        await Promise.race([sleep(live.options.clock, lookEveryMs), cell.ended.promise])
      }
    }),
  )
}

/** Stops these place by place, the last first; nobody of them gets work from now on. */
const stopInReverse = async (
  live: Live,
  band: Band,
  victims: readonly (readonly [Agent, number])[],
  stop: (agent: Agent) => void,
): Promise<void> => {
  band.falling = true
  for (const [agent] of victims) {
    agent.renewing = true
    refile(live, agent)
  }
  try {
    const places = Map.groupBy(victims, ([, place]) => place)
    for (const place of [...places.keys()].toSorted((one, other) => other - one)) {
      const agents = places.get(place)!.map(([agent]) => agent)
      const cells = Map.groupBy(
        agents.filter(({ cell }) => cell !== null),
        (agent) => agent.cell!,
      )
      for (const agent of agents) stop(agent)
      await areGone(live, cells)
      if (live.phase !== 'open') return
    }
  } finally {
    band.falling = false
    band.front = null
    for (const [agent] of victims) {
      agent.renewing = false
      refile(live, agent)
    }
  }
}

type Quarantine = Extract<Decision, { action: 'quarantine' }>

const quarantine = async (
  live: Live,
  band: Band,
  { decision, loss }: { readonly decision: Quarantine; readonly loss: Loss },
): Promise<void> => {
  const { first, cause } = loss
  const { name, max, withinMs } = band.group
  const why = whyText[decision.why](policyOf(band, first))
  band.quarantined = true
  band.front = null
  waitBand(live, band, { set: live.options.clock.stamp(), delayMs: decision.delayMs }, decision.delayMs)
  const mates = matesOf(live, band).filter(([agent]) => mayFall(agent) || comesBack(agent))
  const names = formatAgents(mates.map(([agent]) => agent))
  const { losses, inARow, quarantines } = decision.state
  notify(live, 'group.quarantined', 'error', {
    subject: `group ${name}`,
    message: `group ${name} is quarantined: ${why}; ${names} are stopped`,
    facts: {
      group: name,
      cause,
      lost: first.id,
      why: decision.why,
      max,
      withinMs,
      lossesInWindow: losses.length,
      inARow,
      quarantines,
      agents: names,
      count: mates.length,
      nextProbeInMs: decision.delayMs,
    },
  })
  const reason = `group ${name} is quarantined: ${why}; last: ${cause}`
  await stopInReverse(live, band, mates, (agent) => holdBack(live, agent, reason))
}

/** Into quarantine with its group, from wherever it is. */
const holdBack = (live: Live, agent: Agent, reason: string): void => {
  if (agent.ordered === null && (mayFall(agent) || comesBack(agent))) {
    forget(live, agent)
    if (agent.state === 'quarantined') agent.reason = reason
    else move(live, agent, 'quarantine', reason)
    agent.hold = 'band'
    touch(live, agent)
  }
  leaveCell(live, agent, reason)
}

const waitBand = (live: Live, band: Band, due: NonNullable<Band['due']>, leftMs: number): void => {
  band.due = due
  band.cancelDue?.()
  band.cancelDue = live.agenda.after(leftMs, () => bandRises(live, band))
  save(live, band)
}

const heldBy = (live: Live, band: Band): Agent[] =>
  matesOf(live, band).flatMap(([agent]) => (agent.hold === 'band' ? [agent] : []))

export const groupsHeld = (live: Live): readonly GroupHeld[] =>
  live.order.bands.flatMap((band) => {
    if (!band.quarantined) return []
    const held = heldBy(live, band)
    const byType: Record<string, number> = {}
    for (const { type } of held) byType[type] = (byType[type] ?? 0) + 1
    return [
      { group: band.group.name, agents: formatAgents(held), count: held.length, byType, nextMs: dueWallMs(band.due) },
    ]
  })

/** All of it in order, on probation: lost once more before it has proven itself, it waits twice as long. */
const bandRises = (live: Live, band: Band): void => {
  if (live.phase !== 'open') return
  if (band.falling) return waitBand(live, band, band.due!, goneWithinMs)
  lift(live, band, asProbe(band.policy))
  const held = heldBy(live, band)
  notify(live, 'group.probed', 'info', {
    subject: `group ${band.group.name}`,
    message: `group ${band.group.name} is started again, to see whether it holds: ${formatAgents(held)}`,
    facts: { group: band.group.name, agents: formatAgents(held), count: held.length },
  })
  rise(live, held, 'due')
}

/** Groups in quarantine that nobody brings back, and what does. */
export const bandsLate = (
  live: Live,
  isOver: (due: NonNullable<Band['due']>) => boolean,
): { readonly who: string; readonly agents: readonly Agent[]; go(): void }[] =>
  live.order.bands
    .filter(({ quarantined, falling, due }) => quarantined && !falling && (due === null || isOver(due)))
    .map((band) => ({ who: noteName(band), agents: heldBy(live, band), go: () => bandRises(live, band) }))

const lift = (live: Live, band: Band, policy: Band['policy']): void => {
  band.cancelDue?.()
  band.cancelDue = null
  band.due = null
  band.quarantined = false
  band.policy = policy
  band.front = null
  save(live, band)
  // Whoever was begun anew meanwhile waits for its turn, and is held by nobody.
  planLook(live)
}

/**
 * A person's word for one of a quarantined group is meant for all of it, for none can be started without the others.
 * Gives these agents and those.
 */
export const withMates = (live: Live, agents: readonly Agent[]): Agent[] => {
  const all = new Set(agents)
  for (const band of live.order.bands) {
    if (!band.quarantined || !agents.some((agent) => placeIn(live.order, agent)?.band === band)) continue
    lift(live, band, freshPolicy)
    for (const agent of heldBy(live, band)) all.add(agent)
  }
  return [...all]
}

/**
 * Puts groups where the last sitter left them, before anybody is started. What waited with a group that is in no
 * quarantine any more is started in its turn.
 */
export const resumeBands = (live: Live, notes: ReadonlyMap<string, string>, now: Stamp): void => {
  for (const band of live.order.bands) {
    const text = notes.get(noteName(band))
    const saved = text === undefined ? undefined : readBand(text, now)
    if (saved === undefined) continue
    band.policy = saved.policy
    band.quarantined = saved.quarantined
    if (band.quarantined) {
      const due = saved.due ?? { set: now, delayMs: 0 }
      waitBand(live, band, due, remainingMs(now, due.set, due.delayMs))
    }
  }
  for (const agent of live.agents.values()) {
    if (agent.hold !== 'band') continue
    if (placeIn(live.order, agent)?.band.quarantined === true) agent.state = 'quarantined'
    else agent.hold = null
  }
  for (const name of notes.keys())
    if (name.startsWith('group:') && !live.order.bands.some((band) => noteName(band) === name))
      live.record.note(name, () => null)
}
