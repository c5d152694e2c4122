/**
 * What happens to the PostgreSQL engine when the way to the server or the server itself fails under load: nobody is
 * told "failed" of what was written, nothing acknowledged is missing, nothing is there twice.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { verifyAudit } from '../../src/record/record.ts'
import { realClock } from '../../src/std/real/real.ts'
import { openPostgresStore, type Command, type PostgresAsk, type Store } from '../../src/store/store.ts'
import { startProxy, startServer, type PostgresServer, type Proxy } from './server.ts'

let server: PostgresServer
let proxy: Proxy
let stores: Store[] = []

beforeAll(async () => {
  server = await startServer()
  const url = await server.database()
  await (await open(url)).close()
  server.copyFrom(url)
})
beforeEach(async () => {
  await server.start()
  proxy = await startProxy(server.port)
})
afterEach(async () => {
  proxy.silent = false
  proxy.cut()
  await Promise.all(stores.map((store) => store.close()))
  stores = []
  await proxy.close()
})
afterAll(() => server.stop())

const open = async (url: string, more: Partial<PostgresAsk> = {}): Promise<Store> => {
  const store = await openPostgresStore({ url, clock: realClock(), ...more })
  stores.push(store)
  return store
}

/** One payment's worth: a transfer, and the audit entry that names it. */
const deed = (name: string): readonly Command[] => [
  {
    kind: 'ledger.transfer',
    with: {
      wallMs: 1,
      transfer: {
        id: name,
        kind: 'single',
        pendingId: null,
        debit: 'a',
        credit: 'b',
        amountMinor: 1n,
        currency: 'XTS',
        settlement: null,
      },
    },
  },
  {
    kind: 'audit.append',
    with: { wallMs: 1, entries: [{ actor: 'sitter', action: name, object: 'x', decision: 'done', facts: {} }] },
  },
]

interface Load {
  readonly acknowledged: Set<string>
  readonly refused: { readonly name: string; readonly code: string | undefined }[]
  /** Resolves when the engine is over. */
  readonly ended: Promise<void>
  enough(): void
}

/** Ten writers, each with its next deed as soon as the last was answered, until the engine is over or it is enough. */
const loadOn = (store: Store, prefix: string): Load => {
  const acknowledged = new Set<string>()
  const refused: { name: string; code: string | undefined }[] = []
  let going = true
  const writer = async (index: number): Promise<void> => {
    for (let number = 0; going; number += 1) {
      const name = `${prefix}-${index}-${number}`
      try {
        const results = await store.transact(deed(name))
        if (results.every((one) => one.ok)) acknowledged.add(name)
      } catch (error) {
        refused.push({ name, code: (error as { code?: string }).code })
        going = false
      }
    }
  }
  const ended = Promise.all(Array.from({ length: 10 }, (_, index) => writer(index))).then(() => undefined)
  return { acknowledged, refused, ended, enough: () => (going = false) }
}

const written = async (store: Store): Promise<string[]> => {
  const names: string[] = []
  for (let after: string | null = null; ;) {
    const page: Awaited<ReturnType<Store['read']['transfers']>> = await store.read.transfers({ limit: 1_000, after })
    names.push(...page.items.map((one) => one.id))
    after = page.next
    if (after === null) return names
  }
}

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await wait(1)
}

/** All that was acknowledged is there once; the chain and the accounts agree with it. */
const judge = async (store: Store, acknowledged: Iterable<string>): Promise<string[]> => {
  const names = await written(store)
  expect(new Set(names).size).toBe(names.length)
  const there = new Set(names)
  expect([...acknowledged].filter((name) => !there.has(name))).toEqual([])
  expect(await verifyAudit(store.read)).toMatchObject({ ok: true, entries: names.length })
  const [debit] = (await store.read.accounts()).filter((one) => one.code === 'a')
  expect(debit?.debitsPosted ?? 0n).toBe(BigInt(names.length))
  return names
}

/** True when these bytes ask for a COMMIT. */
const asksCommit = (bytes: Buffer): boolean => bytes.includes('COMMIT\0')

test(
  'a hundred answers to a COMMIT are cut under load: each is unknown and never "failed", and all of it was written',
  { timeout: 180_000 },
  async () => {
    const url = await server.database(proxy.port)
    const acknowledged = new Set<string>()
    let unknown = 0
    for (let round = 0; round < 100; round += 1) {
      const store = await open(url)
      const lost: Error[] = []
      store.onLost((cause) => lost.push(cause))
      const load = loadOn(store, `r${round}`)
      let commits = 0
      proxy.onSend = (bytes) => asksCommit(bytes) && (commits += 1) > 3
      await load.ended
      proxy.onSend = () => false
      expect(new Set(load.refused.map((one) => one.code))).toEqual(new Set(['record-unknown']))
      expect(lost).toHaveLength(1)
      await expect(store.transact(deed('after'))).rejects.toMatchObject({ code: 'record-unknown' })
      for (const name of load.acknowledged) acknowledged.add(name)
      unknown += load.refused.length
      await store.close()
    }
    expect(unknown).toBeGreaterThanOrEqual(100)
    const next = await open(url)
    const names = await judge(next, acknowledged)
    // What was unknown was read again: it is there, or it is not; here the server had it all, and of each round some.
    expect(names.length).toBeGreaterThan(acknowledged.size)
    expect(names).not.toContain('after')
  },
)

test('a link cut before the COMMIT was sent has written nothing: the turn runs again, and its callers hear of nothing', async () => {
  const url = await server.database(proxy.port)
  const notices: string[] = []
  const store = await open(url, { onNotice: (message) => notices.push(message) })
  let cuts = 0
  const load = loadOn(store, 'x')
  for (let round = 0; round < 10; round += 1) {
    const before = load.acknowledged.size
    await until(() => load.acknowledged.size > before + 20)
    // The next bytes that are no COMMIT are the beginning of a turn.
    let cut = false
    proxy.onSend = (bytes) => {
      if (cut || asksCommit(bytes) || !bytes.includes('BEGIN\0')) return false
      cut = true
      cuts += 1
      return true
    }
    await until(() => cut)
  }
  proxy.onSend = () => false
  const before = load.acknowledged.size
  await until(() => load.acknowledged.size > before + 20)
  load.enough()
  await load.ended
  expect([cuts, load.refused]).toEqual([10, []])
  expect(notices.join('\n')).toMatch(/broke[^]*reached again/)
  expect(notices.join('\n')).not.toContain('canary')
  expect(await judge(store, load.acknowledged)).toHaveLength(load.acknowledged.size)
})

test('a server that is stopped at once and started again: the engine recovers or is over as unknown, and nothing is lost', async () => {
  const url = await server.database()
  const acknowledged = new Set<string>()
  const ends: string[] = []
  for (let round = 0; round < 10; round += 1) {
    const store = await open(url)
    const load = loadOn(store, `r${round}`)
    await until(() => load.acknowledged.size > 30)
    await server.crash()
    const before = load.acknowledged.size
    await server.start()
    await until(() => load.acknowledged.size > before + 20 || load.refused.length > 0)
    load.enough()
    await load.ended
    ends.push(load.refused.length === 0 ? 'recovered' : String(load.refused[0]!.code))
    for (const name of load.acknowledged) acknowledged.add(name)
    await store.close()
  }
  expect(ends.filter((end) => end !== 'recovered' && end !== 'record-unknown')).toEqual([])
  await judge(await open(url), acknowledged)
}, 120_000)

test('a silent way is given up after its time: reads and writes are told so, and the engine is over', async () => {
  const url = await server.database(proxy.port)
  const timing = { statementMs: 300, connectMs: 300, patienceMs: 1_000, lockMs: 300 }
  const store = await open(url, { timing })
  const lost: Error[] = []
  store.onLost((cause) => lost.push(cause))
  await store.transact(deed('before'))
  proxy.silent = true
  const [write, read] = await Promise.allSettled([store.transact(deed('during')), store.read.auditHead()])
  expect(write).toMatchObject({ status: 'rejected', reason: { code: 'record-unreachable' } })
  expect(read).toMatchObject({ status: 'rejected', reason: { code: 'record-unreachable' } })
  expect(lost).toHaveLength(1)
  proxy.silent = false
  proxy.cut()
  const next = await open(url)
  expect(await judge(next, ['before'])).toEqual(['before'])
})

test('a way that was silent for a short while: the old session is ended, the lock is ours again, and the turn runs once', async () => {
  const url = await server.database(proxy.port)
  const timing = { statementMs: 300, connectMs: 300, patienceMs: 20_000, lockMs: 5_000 }
  const store = await open(url, { timing })
  await store.transact(deed('before'))
  proxy.silent = true
  const made = proxy.made
  const during = store.transact(deed('during'))
  // The client has given its link up and tries another; the server has not noticed: the old session holds the lock.
  await until(() => proxy.made > made)
  proxy.silent = false
  await during
  expect(await judge(store, ['before', 'during'])).toEqual(['before', 'during'])
})
