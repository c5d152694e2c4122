/** The check of the books says no when there is something wrong with them: over a record that somebody has changed. */
import { expect, test } from 'vitest'
import { openBooks } from '../../src/settle/books.ts'
import type { AccountView, Queries, TransferView } from '../../src/store/store.ts'
import { answered, ask, nextGrant, tell, world } from './world.ts'

type Books = Awaited<ReturnType<Queries['books']>>

const paid = async (): Promise<Queries> => {
  const at = world()
  const outcome = at.settle.request(ask('a'), 'settler/0001')
  await tell(at, await nextGrant(at, 1), answered(201, { id: 'p1' }))
  await outcome
  return at.store.read
}

const changed = (read: Queries, change: (books: Books) => Partial<Books>): Queries =>
  ({
    ...read,
    books: async (page: Parameters<Queries['books']>[0]) => {
      const books = await read.books(page)
      return { ...books, ...change(books) }
    },
    ledgerDisagreements: (most: number) => read.ledgerDisagreements(most),
  }) as Queries

const more = (account: AccountView): AccountView => ({ ...account, debitsPosted: account.debitsPosted + 1n })

test('Books that nobody has changed are right', async () => {
  const read = await paid()
  expect(await openBooks(changed(read, () => ({})))('all')).toMatchObject({ ok: true, faults: [], transfers: 3 })
})

test.each([
  ['an account has a cent more', ({ accounts }) => ({ accounts: [more(accounts[0]!), ...accounts.slice(1)] })],
  ['an account is gone', ({ accounts }) => ({ accounts: accounts.slice(1) })],
  ['a transfer is gone', ({ transfers }) => ({ transfers: transfers.slice(1) })],
  [
    'a transfer has another amount',
    ({ transfers }) => ({ transfers: transfers.map((one): TransferView => ({ ...one, amountMinor: 1n })) }),
  ],
] as readonly (readonly [string, (books: Books) => Partial<Books>])[])('Not when %s', async (_what, change) => {
  const read = await paid()
  for (const extent of ['new', 'all'] as const) {
    const books = await openBooks(changed(read, change))(extent)
    expect(books.ok).toBe(false)
    expect(books.faults.length).toBeGreaterThan(0)
  }
})
