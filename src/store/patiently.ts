/** A full disk is outlasted by what must not be lost: the sitter's own bookkeeping, and payments that wait to begin. */
import { asFailure } from '../std/std.ts'
import type { Command, ResultsOf } from './commands/commands.ts'
import type { Store } from './port.ts'

/**
 * Does a deed that writes, again when the record takes writes for as long as it was refused with `disk-full` (nothing
 * of it was written). @throws what the deed throws, `disk-full` apart.
 */
export const outlast = async <Value>(store: Pick<Store, 'writable'>, deed: () => Promise<Value>): Promise<Value> => {
  for (;;) {
    try {
      return await deed()
    } catch (error) {
      if (asFailure(error).code !== 'disk-full') throw error
      await store.writable()
    }
  }
}

/** As `transact`, for writes that nobody outside would give again. */
export const patiently = <const List extends readonly Command[]>(
  store: Pick<Store, 'transact' | 'writable'>,
  commands: List,
): Promise<ResultsOf<List>> => outlast(store, () => store.transact(commands))
