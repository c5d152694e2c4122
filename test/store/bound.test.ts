/** gate.db binds a key to the account by which it may have had its effect, in the commit that begins the call. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { realClock } from '../../src/std/real/real.ts'
import { openGateBook, type CallEnd, type GateBook, type NewCall } from '../../src/store/store.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const openAt = (path: string): GateBook => openGateBook(path, () => 'gat_1')
const newPath = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'bound-'))
  closing.push(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'gate.db')
}

const callBy = (account: 'A' | 'B' | null, more: Partial<NewCall> = {}): NewCall => ({
  grant: null,
  subject: null,
  agent: 'payer/0001',
  cell: null,
  upstream: 'bank',
  method: 'POST',
  path: '/v1/orders',
  hash: null,
  credential: account === 'B' ? 'spare' : 'bank',
  version: 1,
  epoch: 1,
  begunMs: 1,
  waitedMs: 0,
  host: null,
  decision: 'allowed',
  reserved: null,
  key: 'k1',
  account,
  members: [account === 'B' ? 'spare' : 'bank'],
  ...more,
})
const endOf = (ended: CallEnd['ended'], status: number | null): CallEnd => ({
  ended,
  status,
  outcome: null,
  sentMs: 1,
  tookMs: 1,
  cost: null,
})

for (const beside of [false, true])
  test(`two calls of one key that race by two accounts: one begins (${beside ? 'thread' : 'loop'})`, async () => {
    const book = openAt(newPath())
    closing.push(() => book.close())
    if (beside) await book.writeBeside(realClock())
    expect(await Promise.all([book.begin(callBy('A')), book.begin(callBy('B')), book.begin(callBy('A'))])).toEqual([
      1,
      'elsewhere',
      2,
    ])
    expect(await book.begin(callBy('B', { key: 'k2' }))).toBe(3)
    await book.end(1, endOf('answered', 401))
    // The other one is under way.
    expect(await book.begin(callBy('B'))).toBe('elsewhere')
    await book.end(2, endOf('not-sent', null))
    expect(await book.begin(callBy('B'))).toBe(4)
    expect(await book.begin(callBy('A'))).toBe('elsewhere')
  })

test('every end but 401 and not-sent binds for ever, over a restart, and the choice within the pool is free again', async () => {
  const path = newPath()
  const first = openAt(path)
  const ends = [200, 201, 400, 403, 404, 409, 422, 429, 500, 503].map((status) => endOf('answered', status))
  for (const [index, end] of [...ends, endOf('lost', null)].entries()) {
    const journal = await first.begin(callBy('A', { key: `k${index}` }))
    await first.end(Number(journal), end)
  }
  expect(first.openCredentialByKey('k0')).toBe(undefined)
  expect(first.openCredentialByKey('k8')).toBe('bank')
  await first.close()
  const next = openAt(path)
  closing.push(() => next.close())
  for (let index = 0; index <= ends.length; index += 1) {
    expect(next.boundBy(`k${index}`)).toEqual([{ account: 'A', credential: 'bank' }])
    expect(await next.begin(callBy('B', { key: `k${index}` }))).toBe('elsewhere')
  }
})

test('a credential that names no account binds nothing, and is bound by what went by another one', async () => {
  const book = openAt(newPath())
  closing.push(() => book.close())
  await book.begin(callBy(null, { key: 'free' }))
  expect(book.boundBy('free')).toEqual([])
  await book.begin(callBy('B'))
  expect(await book.begin(callBy(null))).toBe('elsewhere')
  // An account that was only renamed has the same secrets.
  expect(await book.begin(callBy('A', { members: ['spare'] }))).toBe(2 + 1)
  // What is refused was never sent, and is written whatever is bound.
  expect(await book.refuse(callBy('A'), endOf('not-sent', null))).toBe(4)
})
