/** After a thaw: what the gate held back goes on at once, though it would have been looked at again only later. */
import type { Clock } from '../std/std.ts'
import type { Store } from '../store/store.ts'
import { frozenWhy } from './channels/http.ts'

const pageSize = 500

/** Makes due whatever waits for the thaw. What was moved meanwhile is left alone. */
export const wakeFrozen = async ({ store, clock }: { readonly store: Store; readonly clock: Clock }): Promise<void> => {
  for (let after: string | null = null; ;) {
    const { items, next } = await store.read.settlements({ person: true }, { limit: pageSize, after })
    const wallMs = clock.wallMs()
    const held = items.filter(({ reason }) => reason === frozenWhy)
    await Promise.all(
      held.map(({ id, state, reason, absences }) =>
        store.transact([
          {
            kind: 'settlement.wait',
            with: { settlement: id, from: state, reason, nextMs: wallMs, person: true, absences, wallMs },
          },
        ]),
      ),
    )
    if (next === null) return
    after = next
  }
}
