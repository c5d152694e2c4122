/**
 * What an agent is known to do with its life: whether it progresses, and whether that is of use. Only what we saw
 * ourselves counts: work whose end we took, questions that we answered. What an agent says of itself is no evidence.
 */
import type { Evidence } from '../model/model.ts'
import type { Agent, Live } from './live.ts'
import { hourMs, perHour } from './useful.ts'

/** Seen by us, of an agent that is there: work that it asked for and got, or finished. */
export const noteSeen = (live: Live, agent: Agent, what: string): void => {
  agent.seen = { wallMs: live.options.clock.wallMs(), what }
}

const isStill = (live: Live, { attempt, settings }: Agent): boolean =>
  attempt !== null &&
  !live.options.hooks.waitsOutside(attempt.id) &&
  live.options.clock.monoMs() - attempt.progressMs >= settings.stuckAfterMs / 2

/** With work in hand and nothing of it for half the time after which it counts as stuck: no. */
const progressOf = (live: Live, agent: Agent): Evidence => ({
  fact: 'progresses',
  source: agent.seen === null ? 'nothing that we took or answered yet' : agent.seen.what,
  atMs: agent.seen?.wallMs ?? null,
  value: isStill(live, agent) ? 'no' : agent.seen === null ? 'unknown' : 'yes',
})

/** Whether anybody gains by it, and what its calls have cost by the gate's sums. */
const useOf = (live: Live, agent: Agent): Evidence => {
  const { clock, costOf } = live.options
  const accepted = perHour(agent.useful, clock.monoMs())
  const hadTime = clock.wallMs() - agent.sinceMs >= hourMs && agent.attempt !== null
  return {
    fact: 'useful',
    source: 'accepted outcomes, committed',
    atMs: agent.finishedMs,
    value: accepted > 0 ? 'yes' : hadTime ? 'no' : 'unknown',
    detail: `${accepted} in the last hour of this sitter; cost ${costOf?.(agent.id) ?? 'unknown'}`,
  }
}

export const evidenceOfWork = (live: Live, agent: Agent): readonly Evidence[] => [
  progressOf(live, agent),
  useOf(live, agent),
]
