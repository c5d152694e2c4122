/**
 * Why agents do not work, told once for all that share type and cause: a module that cannot be loaded is one trouble,
 * however many agents wait for it. Causes are what their agents say of themselves, without what is each one's own (the
 * id of its cell, how often it was tried).
 */
import type { AgentView, Trouble } from './port.ts'
import { formatAgents } from './range.ts'

type Troubled = Pick<AgentView, 'id' | 'type' | 'number' | 'state' | 'reason' | 'sinceMs'>

const longestCause = 300
const startFailed = '(start-failed)'

/** What a host prints last when it cannot load its module, and what its end is told with (src/cell/pool/host.ts). */
const notLoaded = /the agents cannot be loaded: (.+?)(?: \| |$)/

const causeOf = (reason: string): string => {
  const brief =
    notLoaded.exec(reason)?.[1] ??
    reason
      .replace(/^more than .*?; last: /, '')
      .replace(/^cell \S+ ended \(start-failed\): /, '')
      .replaceAll(/cell cel_[0-9a-f-]+/g, 'its cell')
  return brief.slice(0, longestCause)
}

/** Most agents first. */
export const troublesOf = (agents: Iterable<Troubled>): readonly Trouble[] => {
  const causes = new Map<string, string>()
  const groups = new Map<string, { cause: string; starts: boolean; agents: Troubled[] }>()
  for (const agent of agents) {
    const reason = agent.reason ?? 'no reason recorded'
    const starts = reason.includes(startFailed)
    if (agent.state !== 'quarantined' && !(starts && agent.state === 'backoff')) continue
    const cause = causes.get(reason) ?? causeOf(reason)
    causes.set(reason, cause)
    const key = JSON.stringify([agent.type, cause])
    const group = groups.get(key) ?? { cause, starts, agents: [] }
    groups.set(key, group)
    group.agents.push(agent)
  }
  return [...groups.values()]
    .map(({ cause, starts, agents: all }) => ({
      type: all[0]!.type,
      cause,
      starts,
      count: all.length,
      quarantined: all.filter(({ state }) => state === 'quarantined').length,
      agents: formatAgents(all),
      agent: all[0]!.id,
      sinceMs: all.reduce((least, { sinceMs }) => Math.min(least, sinceMs), Infinity),
    }))
    .toSorted((one, other) => other.count - one.count || (one.agent < other.agent ? -1 : 1))
}
