/**
 * What calls write is the same rows, whether a thread writes them or the loop, and whether many are written in one
 * commit or each in one of its own.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, expect, test } from 'vitest'
import { realClock } from '../../src/std/real/real.ts'
import { packed, unpacked } from '../../src/store/gate/parcel.ts'
import { openGateBook, type CallEnd, type CallSpent, type GateBook, type NewCall } from '../../src/store/store.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const plain: NewCall = {
  grant: null,
  subject: null,
  agent: 'writer/0001',
  cell: null,
  upstream: 'llm',
  method: 'POST',
  path: '/v1',
  hash: null,
  credential: null,
  version: null,
  epoch: 1,
  begunMs: 1,
  waitedMs: 0,
  host: null,
  decision: null,
  reserved: null,
}
const full: NewCall = {
  grant: 'grn_1',
  subject: 'stl_1',
  agent: 'påyer/0001',
  cell: 'cel_1',
  upstream: 'bank',
  method: 'PUT',
  path: '/päth/東京/🦆/\u0000end',
  hash: 'h'.repeat(64),
  credential: 'bank',
  version: 9_007_199_254_740_991,
  epoch: 4_294_967_297,
  begunMs: 1_796_000_000_000.125,
  waitedMs: 1e-7,
  host: 'bank.example:443',
  decision: 'allowed',
  reserved: '123456789012345678901234567890.000000000001 USD',
  key: 'key-1',
  account: 'acme',
  members: ['bank', 'bank-2', ''],
}
const huge = 2n ** 200n + 1n
const spent = (more: Partial<CallSpent> = {}): CallSpent => ({
  agent: 'writer/0001',
  upstream: 'llm',
  currency: 'USD',
  atMs: 1_796_000_000_000.5,
  endedMs: 1_796_000_000_007,
  known: 10_000_000_000n,
  counted: 10_000_000_000n,
  places: [],
  ...more,
})
const place = { owner: 'writer/0001', windowMs: 86_400_000, endsMs: 172_800_000, warnAt: 8n, most: huge }
const end = (more: Partial<CallEnd> = {}): CallEnd => ({
  ended: 'answered',
  status: 200,
  outcome: null,
  sentMs: 1_796_000_000_001.75,
  tookMs: 0.1,
  cost: '0.01 USD',
  ...more,
})
const ends: readonly CallEnd[] = [
  end(),
  end({ spent: null }),
  end({ ended: 'lost', status: null, sentMs: null, tookMs: null, cost: 'unknown' }),
  end({ ended: 'not-sent', status: null, outcome: '{"ä":"🦆"}', cost: null }),
  end({ status: 503, spent: spent({ known: null, counted: 2n ** 90n, places: [{ budget: 'day', ...place }] }) }),
  end({ status: 401, spent: spent({ agent: null }) }),
  end({ status: 409 }),
  end({
    spent: spent({
      places: [
        { budget: 'day', ...place },
        { budget: '🦆', ...place, owner: '', most: 9n },
      ],
    }),
  }),
]
const keyed = (index: number): NewCall => ({
  ...full,
  grant: index % 2 === 0 ? null : `grn_${index}`,
  key: `key-${index % 3}`,
  account: ['acme', 'other'][index % 2]!,
  members: index % 4 === 0 ? full.members! : [],
})
/** More than are begun by one statement, and others between them. */
const calls: readonly NewCall[] = Array.from({ length: 60 }, (_, index) =>
  (index >= 20 && index < 27) || index === 50
    ? keyed(index)
    : index === 30
      ? full
      : index % 11 === 10
        ? { ...plain, credential: 'bank', version: 1, decision: 'allowed', begunMs: index }
        : { ...plain, agent: `writer/${index}`, begunMs: index + 0.5, path: `/${index}` },
)
const limit = {
  name: 'limit 🦆',
  aheadMs: 0.1,
  pauseMs: 1e300,
  strikes: 3,
  wallMs: 1_796_000_000_000,
  monoMs: 1e-9,
  bootId: 'b',
}

test('what goes to the thread arrives as it was', () => {
  const absent = { ...full, key: null, account: null }
  const batch = {
    writes: [
      { do: 'begin', call: full },
      { do: 'begin', call: { ...plain, key: null, account: null } },
      { do: 'begin', call: { ...absent, members: [] } },
      ...ends.flatMap((one, journal) => [
        { do: 'end', journal, end: one } as const,
        { do: 'refuse', call: full, end: one } as const,
      ]),
      { do: 'ack', journals: [] },
      { do: 'ack', journals: [1, 9_007_199_254_740_991] },
    ],
    limits: [limit, { ...limit, name: '' }],
  } as const
  const before = JSON.stringify(batch, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
  const { writes, limits } = unpacked(structuredClone(packed(batch)))
  expect(writes).toEqual(
    batch.writes.map((hot) => ('end' in hot && hot.end.spent === null ? { ...hot, end: end() } : hot)),
  )
  expect(limits).toEqual(batch.limits)
  expect(JSON.stringify(batch, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))).toBe(before)
})

const tables = ['calls', 'limits', 'budgets', 'costs', 'notes', 'sqlite_sequence']

const bookOf = async (inThread: boolean): Promise<{ book: GateBook; rows: () => Promise<object> }> => {
  const directory = mkdtempSync(join(tmpdir(), 'same-rows-'))
  const path = join(directory, 'gate.db')
  const book = openGateBook(path, () => 'gat_1')
  closing.push(
    () => rmSync(directory, { recursive: true, force: true }),
    () => book.close(),
  )
  if (inThread) await book.writeBeside(realClock())
  await book.addSecret({
    name: 'bank',
    version: 1,
    state: 'active',
    sealed: new Uint8Array(1),
    fingerprint: 'f',
    setMs: 1,
    usedMs: null,
    actor: 'me',
  })
  book.saveLimitsWith(() => [limit])
  const rows = async (): Promise<object> => {
    await book.settled()
    const db = new DatabaseSync(path, { readOnly: true })
    const all = tables.map((table) => [table, db.prepare(`SELECT * FROM ${table}`).all()])
    const used = book.secrets().map(({ usedMs }) => usedMs)
    db.close()
    return { ...Object.fromEntries(all), used }
  }
  return { book, rows }
}

/** All that is asked for, one after the other or at once; returns what was told, and the rows. */
const written = async (inThread: boolean, atOnce: boolean): Promise<{ told: readonly unknown[]; rows: object }> => {
  const { book, rows } = await bookOf(inThread)
  const asked = async (asks: readonly (() => Promise<unknown>)[]): Promise<readonly unknown[]> => {
    if (atOnce) return Promise.all(asks.map((ask) => ask()))
    const told: unknown[] = []
    for (const ask of asks) told.push(await ask())
    return told
  }
  const begun = await asked(
    calls.flatMap((call, index) => {
      const begin = () => book.begin(call)
      return index % 29 === 28 ? [begin, () => book.refuse({ ...call, grant: `grn_r${index}` }, ends[3]!)] : [begin]
    }),
  )
  const told = await asked(
    begun.flatMap((journal, index) => {
      const endIt = () => book.end(journal as number, ends[index % ends.length]!, index % 2 === 0)
      const beginAgain = () => book.begin(calls[index % calls.length]!)
      const ack = () => book.ack([journal as number])
      return typeof journal === 'string' || index % 13 === 12 ? [beginAgain] : [endIt, endIt, beginAgain, ack]
    }),
  )
  return { told: [...begun, ...told], rows: await rows() }
}

test('a thread or the loop, many in a commit or one: the same is told and written', async () => {
  const one = await written(false, false)
  expect(one.told).toContain('spent')
  expect(one.told).toContain('elsewhere')
  expect(one.told.filter((told) => typeof told === 'number').length).toBeGreaterThan(100)
  expect(await written(false, true)).toEqual(one)
  expect(await written(true, true)).toEqual(one)
  expect(await written(true, false)).toEqual(one)
})

test('the first key that there is ends with its call, in the commit that began it too', async () => {
  const { book, rows } = await bookOf(true)
  const journal = (await book.begin(plain)) as number
  await Promise.all([book.end(journal, end()), book.refuse(full, end())])
  expect(await rows()).toMatchObject({ calls: [{ key: null }, { grant_id: 'grn_1', key: null, bound: 'key-1' }] })
})
