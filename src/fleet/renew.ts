/**
 * Other settings for agents that run already, where they hold from the start of a process, or other code, when a person
 * restarts a whole type: their groups begin anew, one part after the other, so that most of a type goes on working. The
 * next part begins when the one before works again: a program that does not start costs its own part and no more, until
 * a person goes back or on.
 *
 *   works ── drains (no new work) ── nothing in hand ──▶ its cell ends ── gone ──▶ starts with what is new ──▶ works
 */
import { restartsFor, type AgentType, type Setting } from '../model/model.ts'
import { sleep } from '../std/std.ts'
import { move, refile, touch, unseat } from './agents.ts'
import { dropBed } from './hibernate/bed.ts'
import { endGroup, whenIdle } from './leave.ts'
import type { Agent, Group, Live } from './live.ts'
import { rise } from './loss.ts'
import { groupOf } from './parts.ts'
import { formatAgents } from './range.ts'
import { freshPolicy } from './restart.ts'
import { modeNow } from './modes/agents.ts'
import { beginRolling, endRolling, holdRolling, keepRolling, mustWork, unwellOf } from './rolling/rolling.ts'
import { surgeOf, type Rolling, type Surge } from './rolling/state.ts'
import { standbyReady } from './standby.ts'
import { notify, say } from './wiring.ts'

const lookEveryMs = 250
/** A host that stands by is started in less than a second, when nothing else starts. */
const standbyWithinMs = 5_000
/** Told when a part is not back after this many times what a start may take. */
const lateStarts = 3

/**
 * For which settings a group must begin anew to be as it is wanted. Groups share their settings: one comparison for
 * each set of them, not one for each of thousands of groups.
 */
export const staleness = (wanted: AgentType): ((group: Group) => readonly Setting[]) => {
  const known = new Map<AgentType, readonly Setting[]>([[wanted, []]])
  return ({ settings }) => {
    const found = known.get(settings) ?? restartsFor(settings, wanted)
    known.set(settings, found)
    return found
  }
}

/** Why a group must begin anew; null when it need not. */
const whyAnew = (wanted: AgentType): ((group: Group) => string | null) => {
  const stale = staleness(wanted)
  return (group) => {
    const settings = stale(group)
    return settings.length > 0 ? `begins anew with other settings: ${settings.join(', ')}` : group.anew
  }
}

/** The groups that begin anew next; those that do not work now go first, they cost nothing. */
const nextPart = (live: Live, type: string): readonly Group[] => {
  const wanted = live.types.get(type)
  if (wanted === undefined) return []
  const all = live.groups.filter((group) => group.settings.name === type)
  const stale = staleness(wanted)
  const why = whyAnew(wanted)
  const waiting = all.filter((group) => why(group) !== null)
  // Another way to share cells is a change for all of them together.
  if (waiting.some((group) => stale(group).some((one) => one === 'perCell' || one === 'cell'))) return waiting
  const agents = all.reduce((sum, group) => sum + group.agents.length, 0)
  const most = surgeOf(live.rolling.get(type)?.surge ?? null, agents)
  const part: Group[] = []
  let away = 0
  for (const group of waiting.toSorted(
    (a, b) => Number(a.cell?.phase === 'ready') - Number(b.cell?.phase === 'ready'),
  )) {
    // A cell is replaced as a whole: one at least, whatever fewer were asked for.
    if (part.length > 0 && away + group.agents.length > most) break
    part.push(group)
    away += group.agents.length
  }
  return part
}
const takeOut = (live: Live, agent: Agent, cause: string): void => {
  // It begins anew when it is woken.
  if (agent.state === 'hibernating') return dropBed(live, agent)
  unseat(live, agent, { cause, collateral: true })
  // What a person ordered holds: it waits for no time.
  if (agent.ordered !== null) return touch(live, agent)
  agent.cancelDue?.()
  agent.cancelDue = null
  agent.hold = 'own'
  // Saved like this, a next sitter starts it at once.
  agent.due = { set: live.options.clock.stamp(), delayMs: 0 }
  if (agent.state === 'backoff' || agent.state === 'quarantined' || agent.state === 'stopped') return
  move(live, agent, 'lost', cause)
}

/** Puts agents into new groups by the settings that are wanted now, and starts them. */
const start = (live: Live, agents: readonly Agent[], wanted: AgentType): readonly Group[] => {
  const groups: Group[] = []
  for (const agent of agents.toSorted((a, b) => a.number - b.number)) {
    if (groups.at(-1) === undefined || groups.at(-1)!.agents.length >= Math.max(1, wanted.perCell)) {
      groups.push(groupOf(wanted, live.groups.length))
      live.groups.push(groups.at(-1)!)
    }
    const group = groups.at(-1)!
    group.agents.push(agent)
    group.members.push(agent)
    const mode = modeNow(live, wanted, agent.id)
    Object.assign(agent, { home: group, group, settings: wanted, mode, renewing: false, kills: [], diedOf: null })
    agent.policy = freshPolicy
  }
  live.governor.renewed(wanted.name)
  const free = agents.filter(({ ordered }) => ordered === null)
  rise(
    live,
    free.filter(({ state }) => state === 'stopped'),
    'start',
  )
  rise(
    live,
    free.filter(({ state }) => state === 'backoff' || state === 'quarantined'),
    'release',
  )
  // Somebody ordered its restart meanwhile.
  for (const group of groups) live.deeds.provide(group)
  return groups
}

interface Renewed {
  readonly groups: readonly Group[]
  /** Those that worked before. */
  readonly must: ReadonlySet<Agent>
}
const nothing: Renewed = { groups: [], must: new Set() }

/** A host that stands by is a replacement that is ready before the old one goes; without any nobody waits. */
const standbyFirst = async (live: Live, type: string): Promise<void> => {
  const untilMs = live.options.clock.monoMs() + standbyWithinMs
  while (live.phase === 'open' && !standbyReady(live, type) && live.options.clock.monoMs() < untilMs)
    await sleep(live.options.clock, lookEveryMs)
}

/** One part: drained, ended, started with what is wanted by then. Gives its new groups. */
const renew = async (live: Live, type: string, part: readonly Group[]): Promise<Renewed> => {
  if (live.rolling.get(type)?.surge) await standbyFirst(live, type)
  for (const agent of part.flatMap((group) => group.agents)) {
    agent.renewing = true
    refile(live, agent)
  }
  await new Promise<void>((resolve) => whenIdle(live, () => part.flatMap((group) => group.agents), resolve))
  const wanted = live.types.get(type)
  // The configuration may have changed meanwhile: who is right again, or not wanted, goes on as it is.
  if (wanted === undefined) return nothing
  const why = whyAnew(wanted)
  const groups = part.filter((group) => live.groups.includes(group) && why(group) !== null)
  const agents = groups.flatMap((group) => group.agents)
  // A home whose agents all live apart is stale with them, and empty.
  if (groups.length === 0) return nothing
  const must = mustWork(agents)
  const cause = why(groups[0]!)!
  for (const agent of agents) takeOut(live, agent, cause)
  for (const group of groups) {
    group.agents.length = 0
    group.members.length = 0
  }
  await Promise.all(groups.map((group) => endGroup(live, group, cause)))
  const now = live.types.get(type)
  if (live.phase !== 'open' || now === undefined) return nothing
  const still = agents.filter((agent) => live.agents.get(agent.id) === agent)
  return { groups: start(live, still, now), must }
}

const tellWaits = (live: Live, type: string, agents: readonly Agent[]): void =>
  notify(live, 'config.waits', 'error', {
    subject: type,
    message: `${formatAgents(agents)} do not work since they began anew; the others of ${type} go on as they were`,
    facts: { type, agents: formatAgents(agents), count: agents.length },
  })

/**
 * Resolves when the part works by evidence, or does not matter any more: other settings are wanted, or the end has
 * come. Until then nobody else begins anew; late, or with one in quarantine, it is told as held.
 */
const worksAgain = async (live: Live, rolling: Rolling, { groups, must }: Renewed): Promise<void> => {
  const { type } = rolling
  const wanted = live.types.get(type)
  const lateMs = live.options.clock.monoMs() + lateStarts * (wanted?.startWithinMs ?? 0)
  const isWanted = (): boolean => live.types.get(type) === wanted && groups.every((group) => group.anew === null)
  for (;;) {
    if (live.phase !== 'open' || !isWanted()) break
    const unwell = unwellOf(live, groups, must)
    if (unwell.length === 0) break
    const isLate = live.options.clock.monoMs() >= lateMs || unwell.some(({ state }) => state === 'quarantined')
    if (isLate && rolling.held === null) {
      holdRolling(live, rolling, `${formatAgents(unwell)} do not work since they began anew`)
      tellWaits(live, type, unwell)
    }
    await sleep(live.options.clock, lookEveryMs)
  }
  holdRolling(live, rolling, null)
}

/** Agents of a type that have still to begin anew. */
const left = (live: Live, type: string): number => {
  const wanted = live.types.get(type)
  if (wanted === undefined) return 0
  const why = whyAnew(wanted)
  return live.groups
    .filter((group) => group.settings.name === type && why(group) !== null)
    .reduce((sum, group) => sum + group.agents.length, 0)
}

/** Renews the groups of a type until none is stale; one such turn at a time. */
export const renewType = async (live: Live, type: string, ask?: Pick<Rolling, 'why' | 'surge'>): Promise<void> => {
  if (live.renewing.has(type) || left(live, type) === 0) return
  live.renewing.add(type)
  const rolling = beginRolling(live, type, ask ?? { why: 'other settings', surge: null })
  let count = 0
  try {
    for (let part = nextPart(live, type); part.length > 0 && live.phase === 'open'; part = nextPart(live, type)) {
      rolling.total = rolling.done + left(live, type)
      rolling.underWay = part.reduce((sum, group) => sum + group.agents.length, 0)
      keepRolling(live, type)
      const renewed = await renew(live, type, part)
      count += renewed.groups.reduce((sum, group) => sum + group.agents.length, 0)
      await worksAgain(live, rolling, renewed)
      rolling.done = count
    }
  } catch (thrown) {
    say(live, 'error', `agents of ${type} were not renewed: ${thrown instanceof Error ? thrown.message : 'unknown'}`)
  } finally {
    live.renewing.delete(type)
  }
  // A stop leaves what was under way for the next sitter to see through.
  if (live.phase !== 'open') return
  endRolling(live, type)
  if (count === 0) return
  notify(live, 'config.taken', 'info', {
    subject: type,
    message: `${count} agents of ${type} have begun anew`,
    facts: { type, count },
  })
}

/**
 * A person restarts a whole type: each of its hosts ends, and another loads the module as it is by then. Said again
 * while a part does not work, it begins with that part.
 */
export const beginAnew = (live: Live, type: string, why: string, surge: Surge | null = null): void => {
  live.codes.set(type, (live.codes.get(type) ?? 0) + 1)
  for (const group of live.groups) if (group.settings.name === type) group.anew = why
  // Under way already, it goes on at the pace of the last word.
  const rolling = live.rolling.get(type)
  if (rolling !== undefined) Object.assign(rolling, { why, surge })
  void renewType(live, type, { why, surge })
}
