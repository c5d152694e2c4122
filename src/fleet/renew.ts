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
import { notify, say } from './wiring.ts'

/** A quarter of a type's cells begins anew at a time: three quarters of its agents go on working. */
const parts = 4
const lookEveryMs = 250
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
  return waiting
    .toSorted((a, b) => Number(a.cell?.phase === 'ready') - Number(b.cell?.phase === 'ready'))
    .slice(0, Math.max(1, Math.ceil(all.length / parts)))
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
    Object.assign(agent, { home: group, group, settings: wanted, mode, renewing: false, kills: [] })
    agent.policy = freshPolicy
  }
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

/** One part: drained, ended, started with what is wanted by then. Gives its new groups. */
const renew = async (live: Live, type: string, part: readonly Group[]): Promise<readonly Group[]> => {
  for (const agent of part.flatMap((group) => group.agents)) {
    agent.renewing = true
    refile(live, agent)
  }
  await new Promise<void>((resolve) => whenIdle(live, () => part.flatMap((group) => group.agents), resolve))
  const wanted = live.types.get(type)
  // The configuration may have changed meanwhile: who is right again, or not wanted, goes on as it is.
  if (wanted === undefined) return []
  const why = whyAnew(wanted)
  const groups = part.filter((group) => live.groups.includes(group) && why(group) !== null)
  const agents = groups.flatMap((group) => group.agents)
  // A home whose agents all live apart is stale with them, and empty.
  if (groups.length === 0) return []
  const cause = why(groups[0]!)!
  for (const agent of agents) takeOut(live, agent, cause)
  for (const group of groups) {
    group.agents.length = 0
    group.members.length = 0
  }
  await Promise.all(groups.map((group) => endGroup(live, group, cause)))
  const now = live.types.get(type)
  if (live.phase !== 'open' || now === undefined) return []
  return start(
    live,
    agents.filter((agent) => live.agents.get(agent.id) === agent),
    now,
  )
}

const works = ({ agents, cell }: Group): boolean =>
  agents.every(({ state }) => state === 'hibernating') ||
  (cell?.phase === 'ready' && agents.some(({ state }) => state === 'idle' || state === 'busy' || state === 'suspect'))

/** Resolves when the part works, or does not matter any more: other settings are wanted, or the end has come. */
const worksAgain = async (live: Live, type: string, part: readonly Group[]): Promise<void> => {
  const wanted = live.types.get(type)
  const lateMs = live.options.clock.monoMs() + lateStarts * (wanted?.startWithinMs ?? 0)
  let told = false
  const isWanted = (): boolean => live.types.get(type) === wanted && part.every((group) => group.anew === null)
  while (live.phase === 'open' && isWanted() && !part.every(works)) {
    if (!told && live.options.clock.monoMs() >= lateMs) {
      told = true
      const agents = part.filter((group) => !works(group)).flatMap((group) => group.agents)
      notify(live, 'config.waits', 'error', {
        subject: type,
        message: `${formatAgents(agents)} do not work since they began anew; the others of ${type} go on as they were`,
        facts: { type, agents: formatAgents(agents), count: agents.length },
      })
    }
    await sleep(live.options.clock, lookEveryMs)
  }
}

/** Renews the groups of a type until none is stale; one such turn at a time. */
export const renewType = async (live: Live, type: string): Promise<void> => {
  if (live.renewing.has(type)) return
  live.renewing.add(type)
  let count = 0
  try {
    for (let part = nextPart(live, type); part.length > 0 && live.phase === 'open'; part = nextPart(live, type)) {
      const groups = await renew(live, type, part)
      count += groups.reduce((sum, group) => sum + group.agents.length, 0)
      await worksAgain(live, type, groups)
    }
  } catch (thrown) {
    say(live, 'error', `agents of ${type} were not renewed: ${thrown instanceof Error ? thrown.message : 'unknown'}`)
  } finally {
    live.renewing.delete(type)
  }
  if (live.phase !== 'open' || count === 0) return
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
export const beginAnew = (live: Live, type: string, why: string): void => {
  live.codes.set(type, (live.codes.get(type) ?? 0) + 1)
  for (const group of live.groups) if (group.settings.name === type) group.anew = why
  void renewType(live, type)
}
