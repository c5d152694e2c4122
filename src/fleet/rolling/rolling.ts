/**
 * Rolling restarts as people see them: begun by an order or by a configuration, told, counted, kept in the record. What
 * acts is renew.ts; here stands whether a part may be called well, so that the next one may go.
 */
import { sleep } from '../../std/std.ts'
import type { Agent, Group, Live } from '../live.ts'
import { freshPolicy, stableAfterMs } from '../restart.ts'
import { mayWork } from '../probes/decide.ts'
import { readObject } from '../saved.ts'
import { notify } from '../wiring.ts'
import { groupPolicy } from '../death.ts'
import type { Rolling, Surge } from './state.ts'

const prefix = 'rolling:'
/** A part that is up for this long without having done any work counts as well, whatever its backoff would be. */
const longestProofMs = 10_000
const lookEveryMs = 250

export const keepRolling = (live: Live, type: string): void =>
  live.record.note(prefix + type, () => {
    const rolling = live.rolling.get(type)
    return rolling === undefined ? null : JSON.stringify(rolling)
  })

export const beginRolling = (live: Live, type: string, ask: { why: string; surge: Surge | null }): Rolling => {
  const rolling: Rolling = {
    type,
    ...ask,
    sinceMs: live.options.clock.wallMs(),
    total: 0,
    done: 0,
    underWay: 0,
    held: null,
  }
  live.rolling.set(type, rolling)
  keepRolling(live, type)
  return rolling
}

export const holdRolling = (live: Live, rolling: Rolling, held: string | null): void => {
  if (rolling.held === held) return
  rolling.held = held
  keepRolling(live, rolling.type)
}

export const endRolling = (live: Live, type: string): void => {
  if (live.rolling.delete(type)) keepRolling(live, type)
}

/** Whoever worked before must work again; who was in quarantine before proves nothing by being there still. */
export const mustWork = (agents: readonly Agent[]): ReadonlySet<Agent> =>
  new Set(agents.filter(({ state }) => state !== 'backoff' && state !== 'quarantined' && state !== 'stopped'))

const isMeant = (live: Live, agent: Agent): boolean =>
  agent.ordered === null && !agent.leaving && live.agents.get(agent.id) === agent

/** By evidence: listed by a cell that answers, and either work done since or a while without a loss. */
const isWell = (live: Live, agent: Agent): boolean => {
  if (!isMeant(live, agent) || agent.state === 'hibernating') return true
  if (agent.state !== 'idle' && agent.state !== 'busy') return false
  if (!mayWork(agent.cell?.probes ?? null)) return false
  const { readyMs, progressed, group } = agent
  const proofMs = Math.min(longestProofMs, stableAfterMs(groupPolicy(group), freshPolicy))
  return progressed || (readyMs !== null && live.options.clock.monoMs() - readyMs >= proofMs)
}

/** Who of them is not well; with nobody to go by, the cells speak for themselves. */
export const unwellOf = (live: Live, part: readonly Group[], must: ReadonlySet<Agent>): readonly Agent[] => {
  const named = [...must].filter((agent) => !isWell(live, agent))
  if (must.size > 0) return named
  const works = ({ cell, agents }: Group): boolean =>
    !agents.some((agent) => isMeant(live, agent)) ||
    agents.every(({ state }) => state === 'hibernating') ||
    (cell?.phase === 'ready' && agents.some(({ state }) => state === 'idle' || state === 'busy'))
  return part.filter((group) => !works(group)).flatMap(({ agents }) => agents)
}

/**
 * What the last sitter had under way: its end was the restart of everybody, with the code and the settings as they are
 * now. So nothing is left to do but to see that they work.
 */
export const resumeRolling = async (live: Live, notes: ReadonlyMap<string, string>): Promise<void> => {
  for (const [name, text] of notes) {
    if (!name.startsWith(prefix)) continue
    const type = name.slice(prefix.length)
    const value = readObject(text)
    const why = value?.['why']
    if (!live.types.has(type) || typeof why !== 'string') {
      live.record.note(name, () => null)
      continue
    }
    const rolling = beginRolling(live, type, { why, surge: null })
    const agents = [...live.agents.values()].filter((agent) => agent.type === type)
    rolling.total = agents.length
    rolling.underWay = agents.length
    notify(live, 'rolling.resumed', 'info', {
      subject: type,
      message: `all ${agents.length} agents of ${type} began anew with the sitter, in the midst of a rolling restart`,
      facts: { type, why, done: value?.['done'] ?? null, total: value?.['total'] ?? null },
    })
    void seeThrough(live, rolling, mustWork(agents))
  }
}

const seeThrough = async (live: Live, rolling: Rolling, must: ReadonlySet<Agent>): Promise<void> => {
  const { type } = rolling
  while (live.phase === 'open' && live.rolling.get(type) === rolling && unwellOf(live, [], must).length > 0)
    await sleep(live.options.clock, lookEveryMs)
  if (live.phase === 'open' && live.rolling.get(type) === rolling) endRolling(live, type)
}
