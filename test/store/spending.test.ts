/** What gate.db keeps of what was spent: exact sums, once for each call. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { openGateBook, type CallSpent, type CostSum, type GateBook, type NewCall } from '../../src/store/store.ts'

const hourMs = 3_600_000
const nowMs = Date.parse('2026-03-04T10:30:00Z')

let closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.toReversed()) close()
  closing = []
})

const open = (): GateBook => {
  const directory = mkdtempSync(join(tmpdir(), 'book-'))
  const book = openGateBook(join(directory, 'gate.db'), () => 'gat_1')
  closing.push(
    () => rmSync(directory, { recursive: true, force: true }),
    () => void book.close(),
  )
  return book
}

const callOf = (agent: string | null, upstream: string, begunMs: number, reserved: string | null): NewCall => ({
  grant: null,
  subject: null,
  agent,
  cell: null,
  upstream,
  method: 'POST',
  path: '/v1',
  hash: null,
  credential: null,
  version: null,
  epoch: 1,
  begunMs,
  waitedMs: 0,
  host: null,
  decision: null,
  reserved,
})
const ended = { ended: 'answered', status: 200, outcome: null, sentMs: 1, tookMs: 1 } as const
const spentOf = (more: Partial<CallSpent>): CallSpent => ({
  agent: 'writer/0001',
  upstream: 'llm',
  currency: 'USD',
  atMs: nowMs,
  endedMs: nowMs,
  known: 1n,
  counted: 1n,
  places: [],
  ...more,
})
const end = async (book: GateBook, spent: CallSpent, cost = 'unknown'): Promise<void> => {
  const journal = await book.begin(callOf(spent.agent, spent.upstream, spent.atMs, '0.50 USD'))
  await book.end(journal as number, { ...ended, cost, spent })
}

test('Sums are exact, by agent, type and upstream, whatever is added up', async () => {
  const one = fc.record({
    agent: fc.constantFrom('writer/0001', 'writer/0002', 'reader/0001', null),
    upstream: fc.constantFrom('llm', 'maps'),
    known: fc.option(fc.bigInt(0n, 30_000_000_000_000n)),
    counted: fc.bigInt(0n, 30_000_000_000_000n),
    atMs: fc.integer({ min: nowMs - 20 * hourMs, max: nowMs }),
  })
  // One book with many: opening one costs more than all of its calls.
  const calls = fc.sample(one, 300)
  const book = open()
  await Promise.all(calls.map((call) => end(book, spentOf(call))))
  const ownerOf = {
    agent: ({ agent }: (typeof calls)[number]) => agent ?? '',
    type: ({ agent }: (typeof calls)[number]) => agent?.split('/')[0] ?? '',
    upstream: ({ upstream }: (typeof calls)[number]) => upstream,
  }
  for (const by of ['agent', 'type', 'upstream'] as const) {
    const expected = new Map<string, CostSum>()
    for (const call of calls) {
      const sum = expected.get(ownerOf[by](call)) ?? { currency: 'USD', known: 0n, counted: 0n, calls: 0, unknown: 0 }
      expected.set(ownerOf[by](call), {
        currency: 'USD',
        known: sum.known + (call.known ?? 0n),
        counted: sum.counted + call.counted,
        calls: sum.calls + 1,
        unknown: sum.unknown + (call.known === null ? 1 : 0),
      })
    }
    const { items, totals } = book.costs({ by, sinceMs: nowMs - 20 * hourMs, nowMs, limit: 100, offset: 0 })
    expect(new Map(items.map(({ owner, ...sum }) => [owner, sum]))).toEqual(expected)
    const dearest = items.map(({ counted }) => counted)
    expect(dearest).toEqual(dearest.toSorted((left, right) => Number(right - left)))
    const sum = calls.reduce((total, { counted }) => total + counted, 0n)
    expect(totals).toMatchObject([{ currency: 'USD', counted: sum, calls: 300 }])
  }
})

test('Hours are counted from the hour on, days beyond two of them; pages follow each other', async () => {
  const book = open()
  await end(book, spentOf({ atMs: nowMs - hourMs, counted: 5n }))
  await end(book, spentOf({ atMs: nowMs - 5 * hourMs, counted: 7n, agent: 'reader/0001' }))
  await end(book, spentOf({ atMs: nowMs - 80 * hourMs, counted: 11n }))
  const ask = { by: 'agent', nowMs, limit: 1, offset: 0 } as const
  expect(book.costs({ ...ask, sinceMs: nowMs - hourMs })).toMatchObject({
    fromMs: Date.parse('2026-03-04T09:00:00Z'),
    items: [{ owner: 'writer/0001', counted: 5n }],
    more: false,
  })
  const days = book.costs({ ...ask, sinceMs: nowMs - 100 * hourMs })
  expect(days).toMatchObject({ items: [{ owner: 'writer/0001', counted: 16n, calls: 2 }], more: true })
  expect(book.costs({ ...ask, sinceMs: nowMs - 100 * hourMs, offset: 1 })).toMatchObject({
    items: [{ owner: 'reader/0001', counted: 7n }],
    more: false,
  })
  expect(book.costs({ ...ask, sinceMs: nowMs - hourMs, nowMs: nowMs + 100 * hourMs }).totals).toHaveLength(1)
  book.forgetSpent(nowMs + 1_000 * 24 * hourMs)
  expect(book.costs({ ...ask, sinceMs: nowMs - 100 * hourMs, nowMs: nowMs + 100 * hourMs }).totals).toEqual([])
  expect(book.costs({ ...ask, sinceMs: 0 }).totals).toMatchObject([{ counted: 23n, calls: 3 }])
})

test('Of one agent and a time, calls tell what they cost; unknown ones count as they had reserved', async () => {
  const book = open()
  await end(book, spentOf({ known: 2n }), '0.000000000002 USD')
  await end(book, spentOf({ known: null }))
  await end(book, spentOf({ agent: 'writer/0002' }), '1.00 USD')
  await end(book, spentOf({ atMs: nowMs + 10 }), '1.00 USD')
  expect(book.costOf('writer/0001', nowMs, nowMs + 10)).toEqual([
    { currency: 'USD', known: 2n, counted: 500_000_000_002n, calls: 2, unknown: 1 },
  ])
})

test('A second end of one call counts nothing; a mark is noted by the call that reaches it, and by no other', async () => {
  const book = open()
  const place = {
    budget: 'hourly',
    owner: 'writer/0001',
    windowMs: nowMs,
    endsMs: nowMs + hourMs,
    warnAt: 8n,
    most: 10n,
  }
  const journal = (await book.begin(callOf('writer/0001', 'llm', nowMs, null))) as number
  const spent = spentOf({ counted: 7n, places: [place] })
  await book.end(journal, { ...ended, cost: 'unknown', spent })
  await book.end(journal, { ...ended, cost: 'unknown', spent })
  expect(book.spentSums()).toEqual([{ budget: 'hourly', owner: 'writer/0001', windowMs: nowMs, spent: 7n }])
  for (const counted of [1n, 1n, 5n, 5n]) await end(book, spentOf({ counted, places: [place] }))
  const notes = await book.notes(0)
  expect(notes.map(({ kind }) => kind)).toEqual(['budget.warned', 'budget.spent'])
  // A call of a window that is over counts no more, and the next window begins with nothing.
  const next = { ...place, windowMs: nowMs + hourMs, endsMs: nowMs + 2 * hourMs }
  await end(book, spentOf({ counted: 3n, places: [next] }))
  await end(book, spentOf({ counted: 9n, places: [place] }))
  expect(book.spentSums()).toEqual([{ budget: 'hourly', owner: 'writer/0001', windowMs: nowMs + hourMs, spent: 3n }])
  book.forgetSpent(nowMs + 100 * 24 * hourMs)
  expect(book.spentSums()).toEqual([])
})

test('What was added up for a commit that did not come about is in no later one', async () => {
  const book = open()
  const journal = (await book.begin(callOf('writer/0001', 'llm', nowMs, '0.50 USD'))) as number
  const told = { ...ended, cost: 'unknown', spent: spentOf({ known: 5n, counted: 5n }) }
  const together = await Promise.allSettled([book.end(journal, told), book.setMeta({ broken: {} as string })])
  expect(together.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  // A commit that ends no call writes none of it either.
  await book.setMeta({ fine: 'yes' })
  await book.end(journal, told)
  const ask = { by: 'agent', sinceMs: 0, nowMs, limit: 10, offset: 0 } as const
  expect(book.costs(ask).items).toMatchObject([{ known: 5n, counted: 5n, calls: 1 }])
})
