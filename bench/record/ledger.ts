/**
 * Two-phase transfers: a pending one, then its post, each durable before it is answered; lists of 100, 10 callers at
 * once. A transfer counts when it is posted.
 */
import { answer, readAsk } from '../programs.ts'
import { openStore } from '../rooms.ts'
import type { AccountView } from '../../src/store/store.ts'

const { directory, options } = readAsk()
const count = Number(options['count'])
const { store } = await openStore(directory)
let next = 0
const amountOf = (index: number): bigint => BigInt(100 + (index % 900))
const transferFrom = (index: number) => ({
  debit: 'payer/bench',
  credit: `payee/${index % 100}`,
  amountMinor: amountOf(index),
  currency: 'XTS',
  settlement: null,
})
const commands = (from: number, kind: 'pending' | 'post') =>
  Array.from({ length: 100 }, (_, at) => {
    const index = from + at
    const own =
      kind === 'pending'
        ? { id: `pending-${index}`, pendingId: null }
        : { id: `post-${index}`, pendingId: `pending-${index}` }
    return {
      kind: 'ledger.transfer',
      with: { transfer: { ...transferFrom(index), ...own, kind }, wallMs: Date.now() },
    } as const
  })
const transfer = async (): Promise<void> => {
  while (next < count) {
    const from = next
    next += 100
    for (const kind of ['pending', 'post'] as const) {
      const results = await store.transact(commands(from, kind))
      const refused = results.find((one) => !one.ok)
      if (refused) throw new Error(`a transfer was refused: ${JSON.stringify(refused)}`)
    }
  }
}
const startMs = performance.now()
await Promise.all(Array.from({ length: 10 }, transfer))
const tookMs = performance.now() - startMs
const accounts = await store.read.accounts()
const sum = (of: (account: AccountView) => bigint): bigint => accounts.reduce((total, one) => total + of(one), 0n)
let expected = 0n
for (let index = 0; index < count; index += 1) expected += amountOf(index)
const books = {
  debits: sum((one) => one.debitsPosted),
  credits: sum((one) => one.creditsPosted),
  pending: sum((one) => one.debitsPending + one.creditsPending),
}
if (books.debits !== expected || books.credits !== expected || books.pending !== 0n)
  throw new Error(`the books do not hold what was transferred: ${Object.values(books).join(' ')}, not ${expected}`)
await store.close()
answer({ 'transfers/s': (count / tookMs) * 1_000 }, { transfers: count, posted: String(expected) })
