/** Who falls with whom, and who may stand up: pure, after OTP's supervisors. */
import type { AgentGroup, AgentStateName } from '../../model/model.ts'

/**
 * Whether who stands at `place` is stopped with one that was lost at `lostAt`. Who shares a place with it was not
 * started after it.
 */
export const fallsWith = (strategy: AgentGroup['strategy'], place: number, lostAt: number): boolean => {
  if (strategy === 'one_for_all') return true
  return strategy === 'rest_for_one' && place > lostAt
}

/** What of an agent matters for those that come after it. */
export interface Mate {
  readonly place: number
  readonly state: AgentStateName
  /** Neither a person nor the configuration wants it out of the way. */
  readonly wanted: boolean
}

/** Its cell has listed it, or would when there is work. What ended for good is nobody's obstacle. */
const stands = ({ state, wanted }: Mate): boolean =>
  !wanted ||
  state === 'idle' ||
  state === 'busy' ||
  state === 'suspect' ||
  state === 'paused' ||
  state === 'hibernating' ||
  state === 'stopped'

/**
 * The last place that may start now, Infinity for all of them. One after the other: a place when all before it stand.
 * With one for all nobody while one of them waits for its restart; with one for one nobody waits for another.
 */
export const frontOf = (strategy: AgentGroup['strategy'], mates: Iterable<Mate>): number => {
  if (strategy === 'one_for_one') return Infinity
  let front = Infinity
  for (const mate of mates) {
    if (stands(mate)) continue
    if (strategy === 'one_for_all' && (mate.state === 'backoff' || mate.state === 'quarantined')) return -1
    front = Math.min(front, mate.place)
  }
  return front
}

/**
 * Whether a type is ready for those that depend on it: all its agents are that are meant to be, but those in
 * quarantine, which have an incident of their own; and one at least.
 */
export const readiness = (
  agents: Iterable<Omit<Mate, 'place'>>,
): { readonly ready: number; readonly of: number; readonly isReady: boolean } => {
  let [ready, of, quarantined] = [0, 0, 0]
  for (const { state, wanted } of agents) {
    if (!wanted || state === 'stopped' || state === 'paused') continue
    of += 1
    if (state === 'idle' || state === 'busy' || state === 'suspect' || state === 'hibernating') ready += 1
    if (state === 'quarantined') quarantined += 1
  }
  return { ready, of, isReady: of === 0 || (ready > 0 && ready + quarantined === of) }
}
