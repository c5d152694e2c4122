/**
 * Checks of the books, one after the other: two that fold on at once would count what is new twice. What was folded
 * once is kept, so that a display folds only what is new.
 */
import type { Store } from '../store/store.ts'
import { checkBooks, Fold, foldOn } from './ledger.ts'
import type { LedgerCheck } from './port.ts'

const disagreementsShown = 20

export const openBooks = (read: Store['read']): ((extent: 'new' | 'all') => Promise<LedgerCheck>) => {
  let kept = new Fold()
  let checking: Promise<unknown> = Promise.resolve()

  const check = async (extent: 'new' | 'all'): Promise<LedgerCheck> => {
    const fold = extent === 'all' ? new Fold() : kept
    const accounts = await foldOn(fold, read)
    if (extent === 'all') kept = fold
    const books = checkBooks(fold, accounts)
    if (extent === 'new') return books
    const disagreements = await read.ledgerDisagreements(disagreementsShown)
    const faults = [
      ...books.faults,
      ...disagreements.map(
        (one) => `settlement ${one.settlement} is ${one.state} but has the transfers ${one.transfers || 'none'}`,
      ),
    ]
    return { ...books, faults, ok: faults.length === 0 }
  }
  return (extent) => {
    const done = checking.then(() => check(extent))
    checking = done.catch(() => undefined)
    return done
  }
}
