/**
 * What an attempt does outside of the sitter, by the gate's word: a call that was answered is progress that we saw, and
 * while one is in hand its agent waits for others, as it does for a payment.
 */
import { noteCall } from './evidence.ts'
import type { Agent, Attempt, Live } from './live.ts'
import type { Fleet } from './port.ts'

/** The gate says it again each 5 s while it lasts: one telling may be lost, and a gate that died says nothing. */
const believedMs = 11_000

/** Progress that we saw ourselves, now. */
export const getsOn = (live: Live, attempt: Attempt): void => {
  attempt.progressMs = live.options.clock.monoMs()
  attempt.seenMs = attempt.progressMs
}

const answered = (live: Live, agent: Agent): void => {
  noteCall(live, agent)
  if (agent.attempt === null) return
  getsOn(live, agent.attempt)
  agent.attempt.outsideUntilMs = agent.attempt.progressMs
}

export const callsSeen = (live: Live, calls: Parameters<Fleet['seen']>[0]): void => {
  for (const id of calls.answered) {
    const agent = live.agents.get(id)
    if (agent !== undefined && agent.cell !== null) answered(live, agent)
  }
  const untilMs = live.options.clock.monoMs() + believedMs
  for (const id of calls.inHand) {
    const attempt = live.agents.get(id)?.attempt
    if (attempt) attempt.outsideUntilMs = untilMs
  }
}
