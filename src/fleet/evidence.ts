/**
 * What an agent is known to do with its life: whether it progresses, and whether that is of use. Only what we saw
 * ourselves counts: work whose end we took, questions that we answered, calls that the gate saw answered. What an agent
 * says of itself is no evidence: of that alone it is unknown.
 */
import type { Evidence } from '../model/model.ts'
import type { Agent, Attempt, Live } from './live.ts'
import { hourMs, perHour } from './useful.ts'

/** Seen by us, of an agent that is there: work that it asked for and got, or finished. */
export const noteSeen = (live: Live, agent: Agent, what: string): void => {
  agent.seen = { wallMs: live.options.clock.wallMs(), what }
  agent.workedMs = agent.seen.wallMs
}

/** A call is progress; whether anything came of it is not known: a runaway lives by calls. */
export const noteCall = (live: Live, agent: Agent): void => {
  agent.seen = { wallMs: live.options.clock.wallMs(), what: 'a call through the gate, answered' }
}

/** A payment that is not decided, or a call that the gate has in hand. */
export const waitsOutside = (live: Live, { id, outsideUntilMs }: Attempt): boolean =>
  live.options.hooks.waitsOutside(id) || live.options.clock.monoMs() < outsideUntilMs

/** What its work in hand says: nothing seen of it for half the time after which it counts as stuck is no progress. */
const ofAttempt = (live: Live, { attempt, settings }: Agent): Pick<Evidence, 'value' | 'detail'> | undefined => {
  if (attempt === null) return undefined
  const nowMs = live.options.clock.monoMs()
  const isOld = (ms: number): boolean => nowMs - ms >= settings.stuckAfterMs / 2
  if (!isOld(attempt.seenMs)) return undefined
  if (waitsOutside(live, attempt)) return { value: 'unknown', detail: 'waits for a call or a payment' }
  return isOld(attempt.progressMs)
    ? { value: 'no' }
    : { value: 'unknown', detail: 'says that it gets on; nothing else is known of it' }
}

const progressOf = (live: Live, agent: Agent): Evidence => ({
  fact: 'progresses',
  source: agent.seen === null ? 'nothing that we took or answered yet' : agent.seen.what,
  atMs: agent.seen?.wallMs ?? null,
  value: agent.seen === null ? 'unknown' : 'yes',
  ...ofAttempt(live, agent),
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
