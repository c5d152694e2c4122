/**
 * What came of agents' own calls, as evidence about who made them, for rules of the sitter that count calls. Counted
 * while such a rule is there, told once a second while there is something to tell, and forgotten when nobody listens: a
 * sitter that begins needs outcomes of its own time.
 *
 * A call speaks against its agent when its upstream failed (5xx, no answer, not to be reached), refused its credential
 * or its quota, or refused what was asked for; so does one that the gate refused because it is not allowed. What a look
 * may find (404, 409, 410, 412), what waits for a limit (429), and what a mode, a freeze or a breaker held back says
 * nothing: else whoever was throttled for it would never be let up again.
 */
import { isFailure } from '../limit/limit.ts'
import type { AnswerClass } from '../model/model.ts'
import type { Cancel, Clock, Code } from '../std/std.ts'
import type { CallsHeard } from '../wire/wire.ts'

const found: ReadonlySet<number | null> = new Set([404, 409, 410, 412])
const notAllowed: ReadonlySet<Code> = new Set<Code>(['not-allowed', 'intent-required', 'too-large', 'invalid'])

/** Of an answer (`status` null: none came): true = failed, false = well, null = says nothing. */
export const answerFailed = (of: AnswerClass, status: number | null): boolean | null => {
  if (found.has(status)) return null
  if (of === 'credential' || of === 'funds' || of === 'permanent') return true
  return isFailure(of, status)
}
export const refusalFailed = (code: Code): boolean | null => (notAllowed.has(code) ? true : null)

const everyMs = 1_000
/** Agents of one telling; what others do in that second is not counted. */
const mostAgents = 20_000
/** Agents of a frame: of 230 bytes each at most, they stay below its bound. */
const atOnce = 2_000

export interface CallsCounted {
  /** Who must be told, by the configuration. */
  watch(isOn: boolean): void
  count(agent: string | null, failed: boolean | null): void
  stop(): void
}

export const openCallsCounted = (clock: Clock, tell: (agents: readonly CallsHeard[]) => void): CallsCounted => {
  const counted = new Map<string, { good: number; bad: number }>()
  let watched = false
  let timer: Cancel | undefined
  const flush = (): void => {
    timer = undefined
    const all = [...counted].map(([agent, { good, bad }]): CallsHeard => [agent, good, bad])
    counted.clear()
    for (let at = 0; at < all.length; at += atOnce) tell(all.slice(at, at + atOnce))
  }
  return {
    watch: (isOn) => {
      watched = isOn
      if (!isOn) counted.clear()
    },
    count: (agent, failed) => {
      if (!watched || agent === null || failed === null) return
      let sums = counted.get(agent)
      if (sums === undefined) {
        if (counted.size >= mostAgents) return
        counted.set(agent, (sums = { good: 0, bad: 0 }))
      }
      if (failed) sums.bad += 1
      else sums.good += 1
      timer ??= clock.timer(everyMs, flush)
    },
    stop: () => timer?.(),
  }
}
