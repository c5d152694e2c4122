/**
 * What waits for an order that is over (a freeze, a mode) goes on at once, though it would be looked at again only
 * later.
 */
import type { Clock } from '../std/std.ts'
import type { CallOutcome } from '../gatelink/gatelink.ts'
import type { IntentView, SettlementFilter, Store } from '../store/store.ts'
import { frozenWhy } from './channels/http.ts'
import { isKept } from './kept.ts'

const pageSize = 500

interface Waking {
  readonly store: Store
  readonly clock: Clock
}

/** Makes due whatever waits for this reason. What was moved meanwhile is left alone. */
const wake = async (
  { store, clock }: Waking,
  filter: SettlementFilter,
  isMeant: (reason: string | null) => boolean,
): Promise<void> => {
  for (let after: string | null = null; ;) {
    const { items, next } = await store.read.settlements(filter, { limit: pageSize, after })
    const wallMs = clock.wallMs()
    await Promise.all(
      items
        .filter(({ reason }) => isMeant(reason))
        .map(({ id, state, reason, person, absences }) =>
          store.transact([
            {
              kind: 'settlement.wait',
              with: { settlement: id, from: state, reason, nextMs: wallMs, person, absences, wallMs },
            },
          ]),
        ),
    )
    if (next === null) return
    after = next
  }
}

/**
 * A refusal of the freeze that a thaw has overtaken: when the thaw looked for what waits, this request was still on its
 * way to be refused, so nobody would wake it. It is tried again at once.
 */
export const afterThaw = (outcome: CallOutcome, { writtenMs }: IntentView, thawedMs: number): CallOutcome =>
  outcome.kind === 'not-sent' && outcome.code === 'frozen' && writtenMs <= thawedMs
    ? { ...outcome, retryAfterMs: 0 }
    : outcome

export const wakeFrozen = (waking: Waking): Promise<void> =>
  wake(waking, { person: true }, (reason) => reason === frozenWhy)

/** Held ones are not among them: what shadow recorded waits for a person. */
export const wakeKept = async (waking: Waking): Promise<void> => {
  for (const state of ['reserved', 'unknown', 'accepted'] as const) await wake(waking, { state }, isKept)
}
