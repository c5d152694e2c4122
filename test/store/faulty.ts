/**
 * A PostgreSQL of its own behind a way that can fail, the engine under load on it, and the judge of what is written.
 * Whoever imports it has the server for the time of its file.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { verifyAudit } from '../../src/record/record.ts'
import { realClock } from '../../src/std/real/real.ts'
import { openPostgresStore, type Command, type PostgresAsk, type Store } from '../../src/store/store.ts'
import { startProxy, startServer, type PostgresServer, type Proxy, stopMs } from './server.ts'

export let server: PostgresServer
export let proxy: Proxy
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
afterAll(() => server.stop(), stopMs)

export const open = async (url: string, more: Partial<PostgresAsk> = {}): Promise<Store> => {
  const store = await openPostgresStore({ url, clock: realClock(), ...more })
  stores.push(store)
  return store
}

/** One payment's worth: a transfer, and the audit entry that names it. */
export const deed = (name: string): readonly Command[] => [
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
export const loadOn = (store: Store, prefix: string): Load => {
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

export const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await wait(1)
}

/** All that was acknowledged is there once; the chain and the accounts agree with it. */
export const judge = async (store: Store, acknowledged: Iterable<string>): Promise<string[]> => {
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
export const asksCommit = (bytes: Buffer): boolean => bytes.includes('COMMIT\0')

/** Cuts the answer to a COMMIT under load, in each round anew. */
export const cutAnswers = async (rounds: number): Promise<void> => {
  const url = await server.database(proxy.port)
  const acknowledged = new Set<string>()
  let unknown = 0
  for (let round = 0; round < rounds; round += 1) {
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
  expect(unknown).toBeGreaterThanOrEqual(rounds)
  const next = await open(url)
  const names = await judge(next, acknowledged)
  // What was unknown was read again: it is there, or it is not; here the server had it all, and of each round some.
  expect(names.length).toBeGreaterThan(acknowledged.size)
  expect(names).not.toContain('after')
}
