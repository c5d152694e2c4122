/** What the governor holds: an agent that waits by itself, or a group that waits with its cell. */
import type { Clock } from '../../std/std.ts'
import type { Agenda } from '../agenda.ts'
import { groupPolicy } from '../death.ts'
import type { Agent, Group, Live } from '../live.ts'
import { waitsFor } from '../order/starts.ts'
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

/** Its time has come, and it has no seat yet. */
const isStarting = ({ state, cell }: Agent): boolean => state === 'starting' && cell === null

/**
 * It waits for its turn in the order of starts, and perhaps for one that is held itself: as long as it does it shows
 * nothing, and nobody may wait for it.
 */
const waitsForOthers = (live: Live, agent: Agent): boolean => isStarting(agent) && waitsFor(live, agent) !== null

export const ownPolicy = (agent: Agent): Policy => ({ ...agent.settings.restart, firstAtOnce: false })

/** It hardly came up: what ends it so ends whoever is started. */
export const youngMs = 2_000

/**
 * A cell of this type has come up since then, and was not young any more when we looked. One whose host stood by says
 * nothing: it was started before, perhaps before all went wrong.
 */
const comesUp = (live: Live, type: string, sinceMs: number): boolean => {
  const upMs = live.options.clock.monoMs() - youngMs
  return [...live.cells.values()].some(
    ({ group, phase, readyMs, stoodBy }) =>
      group.settings.name === type &&
      !stoodBy &&
      phase === 'ready' &&
      readyMs !== null &&
      readyMs >= sinceMs &&
      readyMs <= upMs,
  )
}

export const agentRestart = (live: Live, agent: Agent, policy: Policy, start: () => void): Restart => ({
  who: agent.id,
  agents: () => 1,
  start: () => {
    // A person may have decided otherwise meanwhile.
    if (live.phase !== 'open' || !(isStarting(agent) || (isWaiting(agent) && agent.hold === 'own'))) return
    start()
  },
  proof: () => {
    if (!isWanted(agent) || isWaiting(agent) || waitsForOthers(live, agent)) return 'gone'
    const { readyMs, progressed } = agent
    const nowMs = live.options.clock.monoMs()
    if (readyMs === null || nowMs - readyMs < leastProofMs) return 'pending'
    return isStable(policy, agent.policy, { readyMs, progressed }, nowMs) ? 'proven' : 'pending'
  },
})

export const groupRestart = (live: Live, group: Group, start: () => void): Restart => ({
  who: groupName(group),
  agents: () => group.agents.filter((agent) => isStarting(agent) || (isWaiting(agent) && agent.hold === 'cell')).length,
  start: () => {
    if (live.phase === 'open') start()
  },
  proof: () => {
    const { cell, agents, due } = group
    if (due !== null || !agents.some(isWanted)) return 'gone'
    // Nothing of it is on its way: who was to be started was stopped, or sleeps again.
    if (cell === null)
      return agents.some((agent) => isStarting(agent) && !waitsForOthers(live, agent)) ? 'pending' : 'gone'
    const { readyMs } = cell
    const nowMs = live.options.clock.monoMs()
    if (readyMs === null || nowMs - readyMs < leastProofMs) return 'pending'
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
    comesUp: (type, sinceMs) => comesUp(live(), type, sinceMs),
  })
}
