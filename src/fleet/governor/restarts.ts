/** What the governor holds: an agent that waits by itself, or a group that waits with its cell. */
import type { Clock } from '../../std/std.ts'
import type { Agenda } from '../agenda.ts'
import { groupPolicy } from '../death.ts'
import type { Agent, Group, Live } from '../live.ts'
import { isStable, type Policy } from '../restart.ts'
import { notify } from '../wiring.ts'
import { Governor, type HeldCause, type Restart } from './governor.ts'
import { planKeep } from './kept.ts'
import { groupName } from './name.ts'

/** Finished work proves nothing in its first moments: what kills everybody may come with the second task. */
const leastProofMs = 1_000

/** Neither a person nor the configuration wants it out of the way. */
const isWanted = ({ ordered, leaving, state }: Agent): boolean =>
  ordered === null && !leaving && state !== 'stopped' && state !== 'stopping'

const isWaiting = ({ state }: Agent): boolean => state === 'backoff' || state === 'quarantined'

export const agentRestart = (live: Live, agent: Agent, policy: Policy, start: () => void): Restart => ({
  who: agent.id,
  agents: () => 1,
  start: () => {
    // A person may have decided otherwise meanwhile.
    if (isWaiting(agent) && agent.hold === 'own' && live.phase === 'open') start()
  },
  proof: () => {
    if (!isWanted(agent) || isWaiting(agent)) return 'gone'
    const { readyMs, progressed } = agent
    const nowMs = live.options.clock.monoMs()
    if (readyMs === null || nowMs - readyMs < leastProofMs) return 'pending'
    return isStable(policy, agent.policy, { readyMs, progressed }, nowMs) ? 'proven' : 'pending'
  },
})

export const groupRestart = (live: Live, group: Group, start: () => void): Restart => ({
  who: groupName(group),
  agents: () => group.agents.filter((agent) => isWaiting(agent) && agent.hold === 'cell').length,
  start: () => {
    if (live.phase === 'open') start()
  },
  proof: () => {
    const { cell, agents, due } = group
    if (due !== null || !agents.some(isWanted)) return 'gone'
    const readyMs = cell?.readyMs ?? null
    const nowMs = live.options.clock.monoMs()
    if (cell === null || readyMs === null || nowMs - readyMs < leastProofMs) return 'pending'
    const life = { readyMs, progressed: cell.progressed }
    return isStable(groupPolicy(group), group.policy, life, nowMs) ? 'proven' : 'pending'
  },
})

const factsOf = ({ cause, waiting, failures, trying }: HeldCause): Readonly<Record<string, unknown>> => ({
  cause,
  waiting,
  failures,
  trying: trying.slice(0, 20),
})

/** Tells people when restarts are held, tried and let go. */
export const openGovernor = (clock: Clock, agenda: Agenda, live: () => Live): Governor => {
  const tell = (kind: string, level: 'info' | 'error', message: string, cause: HeldCause): void =>
    notify(live(), kind, level, { subject: 'fleet', message, facts: factsOf(cause) })
  return new Governor(clock, agenda, {
    held: (cause) =>
      tell(
        'restarts.held',
        'error',
        `restarts are held: many died of one cause within a minute: ${cause.cause}`,
        cause,
      ),
    tried: (cause) => {
      const what = cause.trying.length === 1 ? `${cause.trying[0]} goes first` : `${cause.trying.length} go next`
      tell('restarts.tried', 'info', `${what}, ${cause.waiting} agents wait: ${cause.cause}`, cause)
    },
    released: (cause) => tell('restarts.released', 'info', `restarts are free again: ${cause.cause}`, cause),
    changed: () => planKeep(live()),
  })
}
