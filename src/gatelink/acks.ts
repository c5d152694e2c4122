/**
 * Calls in, acknowledgements out. A call is acknowledged when the sitter has committed it; until then a repetition of
 * it is not taken in a second time, and a commit that failed is tried again.
 */
import { sleep, type Clock } from '../std/std.ts'
import type { Call } from '../wire/wire.ts'
import type { GateLinkEvents } from './port.ts'

export interface Acks {
  take(gateId: string, call: Call): void
  /** The link is down: what was to be acknowledged will be told again. */
  lost(): void
  /** Resolves when the calls in hand are committed (or have had 5 s for it) and their acknowledgements were sent. */
  settle(): Promise<void>
}

/** Acknowledgements of this long go in one frame. */
const gatherMs = 1
const firstAgainMs = 100
const longestAgainMs = 10_000
const settleMs = 5_000

export const openAcks = (options: {
  readonly clock: Clock
  readonly events: Pick<GateLinkEvents, 'call'>
  /** The journal that the link leads to now; numbers of another one mean nothing there. */
  readonly current: () => string | null
  readonly send: (journals: readonly number[]) => void
}): Acks => {
  const { clock, events, current, send } = options
  const inHand = new Map<string, Promise<void>>()
  let done: number[] = []
  let gathering = false
  const stopping = new AbortController()

  const flush = (): void => {
    gathering = false
    const journals = done
    done = []
    if (journals.length > 0) send(journals)
  }
  const acknowledge = (gateId: string, journal: number): void => {
    if (current() !== gateId) return
    done.push(journal)
    if (gathering) return
    gathering = true
    clock.timer(gatherMs, flush)
  }
  const commit = async (gateId: string, call: Call): Promise<void> => {
    for (let againMs = firstAgainMs; ; againMs = Math.min(longestAgainMs, againMs * 2)) {
      try {
        await events.call(call)
        // 0 = the gate could not write this refusal; there is nothing to acknowledge.
        if (call.journal > 0) acknowledge(gateId, call.journal)
        return
      } catch {
        // Not committed, so not acknowledged: whoever could not commit has said why. The next gate link would bring
        // it again too.
        if (stopping.signal.aborted) return
        await sleep(clock, againMs, stopping.signal)
      }
    }
  }
  return {
    take: (gateId, call) => {
      const name = `${gateId} ${call.journal === 0 ? call.grant : call.journal}`
      if (inHand.has(name)) return
      inHand.set(
        name,
        commit(gateId, call).finally(() => inHand.delete(name)),
      )
    },
    lost: () => {
      done = []
    },
    settle: async () => {
      stopping.abort()
      const enough = new AbortController()
      await Promise.race([Promise.all(inHand.values()), sleep(clock, settleMs, enough.signal)])
      enough.abort()
      flush()
    },
  }
}
