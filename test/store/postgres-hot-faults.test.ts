/**
 * What the faults of the way and of the server do to turns that are sent whole, with their COMMIT (tasks that are
 * submitted and end): their outcome is unknown whenever the link breaks under them, and nothing is lost or told wrong.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { verifyAudit } from '../../src/record/record.ts'
import { realClock } from '../../src/std/real/real.ts'
import { openPostgresStore, type Command, type Store } from '../../src/store/store.ts'
import { owner, slot, submit, succeed, task } from '../conformance/samples.ts'
import { startProxy, startServer, type PostgresServer, type Proxy, stopMs } from './server.ts'

let server: PostgresServer
let proxy: Proxy
let stores: Store[] = []

beforeAll(async () => {
  server = await startServer()
  const url = await server.database()
  await (await open(url)).store.close()
  stores = []
  server.copyFrom(url)
})
beforeEach(async () => {
  await server.start()
  proxy = await startProxy(server.port)
})
afterEach(async () => {
  proxy.cut()
  await Promise.all(stores.map((store) => store.close()))
  stores = []
  await proxy.close()
})
afterAll(() => server.stop(), stopMs)

const open = async (url: string): Promise<{ store: Store; epoch: number }> => {
  const store = await openPostgresStore({ url, clock: realClock() })
  stores.push(store)
  const [opened] = await store.transact([{ kind: 'host.open', with: { owner, bootId: 'boot', wallMs: 1 } }])
  if (!opened.ok) throw new Error(opened.detail)
  return { store, epoch: opened.value.epoch }
}

interface Load {
  readonly submitted: Set<string>
  readonly ended: Set<string>
  readonly codes: Set<string | undefined>
  readonly over: Promise<void>
  enough(): void
}

/** Ten lanes, each submits a task with a slot, ends it, and goes on, until it is enough or refused. */
const loadOn = ({ store, epoch }: { store: Store; epoch: number }, prefix: string): Load => {
  const submitted = new Set<string>()
  const ended = new Set<string>()
  const codes = new Set<string | undefined>()
  let going = true
  const lane = async (index: number): Promise<void> => {
    for (let number = 0; going; number += 1) {
      const name = `${prefix}-${index}-${number}`
      try {
        const [begun] = await store.transact([submit([task(name)], { claim: [slot(index)], epoch })])
        if (!begun.ok || begun.value.claimed.length !== 1) throw new Error('the task was not given out')
        submitted.add(name)
        const [done] = await store.transact([succeed(name)])
        if (!done.ok || done.value[0]?.outcome !== 'done') throw new Error('the end was not taken')
        ended.add(name)
      } catch (error) {
        codes.add((error as { code?: string }).code ?? (error as Error).message)
        going = false
      }
    }
  }
  const over = Promise.all(Array.from({ length: 10 }, (_, index) => lane(index))).then(() => undefined)
  return { submitted, ended, codes, over, enough: () => (going = false) }
}

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await wait(1)
}

/** All that was acknowledged is there; what counts say is what the rows say. */
const judge = async (store: Store, loads: readonly Load[]): Promise<void> => {
  const states = new Map<string, string>()
  for (let after: string | null = null; ;) {
    const page: Awaited<ReturnType<Store['read']['tasks']>> = await store.read.tasks({}, { limit: 1_000, after })
    for (const { id, state } of page.items) {
      expect(states.has(id), id).toBe(false)
      states.set(id, state.state)
    }
    after = page.next
    if (after === null) break
  }
  for (const { submitted, ended } of loads) {
    expect([...submitted].filter((name) => !states.has(`tsk_${name}`))).toEqual([])
    expect([...ended].filter((name) => states.get(`tsk_${name}`) !== 'succeeded')).toEqual([])
  }
  const rows = Map.groupBy(states.values(), (state) => state)
  const told = (await store.read.taskCounts()).map(({ state, count }) => [state, count])
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries([...rows].map(([state, all]) => [state, all.length])))
}

/** True when these bytes hold a Bind of the guard, with which each turn begins: the owner's name is in it. */
const asksTurn = (bytes: Buffer): boolean => bytes.includes('w0\0')

test('answers are cut under turns that are sent whole: each is unknown, never "failed", and nothing acknowledged is lost', async () => {
  const url = await server.database(proxy.port)
  const loads: Load[] = []
  for (let round = 0; round < 10; round += 1) {
    const opened = await open(url)
    const lost: Error[] = []
    opened.store.onLost((cause) => lost.push(cause))
    const load = loadOn(opened, `r${round}`)
    await until(() => load.ended.size > 20)
    proxy.onSend = asksTurn
    await load.over
    proxy.onSend = () => false
    expect([...load.codes]).toEqual(['record-unknown'])
    expect(lost).toHaveLength(1)
    loads.push(load)
    await opened.store.close()
  }
  await judge((await open(url)).store, loads)
})

test('a server that is stopped at once under turns that are sent whole: over as unknown or gone on, and nothing is lost', async () => {
  const url = await server.database()
  const loads: Load[] = []
  for (let round = 0; round < 5; round += 1) {
    const opened = await open(url)
    const load = loadOn(opened, `r${round}`)
    await until(() => load.ended.size > 30)
    await server.crash()
    const before = load.ended.size
    await server.start()
    await until(() => load.ended.size > before + 20 || load.codes.size > 0)
    load.enough()
    await load.over
    expect([...load.codes].filter((code) => code !== 'record-unknown')).toEqual([])
    loads.push(load)
    await opened.store.close()
  }
  await judge((await open(url)).store, loads)
}, 120_000)

test('a sitter that another one has overtaken writes nothing more, with a turn that is sent whole either', async () => {
  const url = await server.database()
  const opened = await open(url)
  const lost: Error[] = []
  opened.store.onLost((cause) => lost.push(cause))
  await opened.store.transact([submit([task('mine')], { claim: [slot(1)], epoch: opened.epoch })])
  await server.ask(url, 'UPDATE swarmsitter.hosts SET epoch = 7')
  const told = await Promise.allSettled([
    opened.store.transact([succeed('mine')]),
    opened.store.transact([submit([task('late')], { claim: [slot(2)], epoch: opened.epoch })]),
    opened.store.transact([submit([task('later')])]),
  ])
  expect(told.map((one) => one.status === 'rejected' && (one.reason as { code: string }).code)).toEqual([
    'stale',
    'stale',
    'stale',
  ])
  expect(lost).toHaveLength(1)
  expect(await server.ask(url, 'SELECT id, state FROM swarmsitter.tasks')).toEqual([
    { id: 'tsk_mine', state: 'running' },
  ])
})

test('a text that the server cannot keep harms its own list only, among lists that go together', async () => {
  const { store, epoch } = await open(await server.database())
  const [good, bad, better] = await Promise.allSettled([
    store.transact([submit([task('a')], { claim: [slot(1)], epoch })]),
    store.transact([submit([task('b', { payload: '"\0"' })], { claim: [slot(2)], epoch })]),
    store.transact([submit([task('c')], { claim: [slot(3)], epoch })]),
  ])
  expect([good.status, bad.status, better.status]).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(await store.read.taskCounts()).toEqual([{ type: 'settle', state: 'running', count: 2 }])
})

/** An entry of the audit, which goes the general way when it comes alone. */
const entry = (facts: Readonly<Record<string, unknown>> = {}): Command => ({
  kind: 'audit.append',
  with: { wallMs: 1, entries: [{ actor: 'sitter', action: 'said', object: 'x', decision: 'done', facts }] },
})

test("a turn behind one that was sent whole runs again when the link breaks before its COMMIT: its entry is nobody else's", async () => {
  const url = await server.database(proxy.port)
  const { store, epoch } = await open(url)
  const { Client } = await import('pg')
  const outside = new Client({ connectionString: url.replace(String(proxy.port), String(server.port)) })
  await outside.connect()
  try {
    // Holds back who writes an entry, and nobody who only looks at the last one.
    await outside.query('BEGIN; LOCK TABLE swarmsitter.audit IN SHARE MODE')
    const whole = store.transact([submit([task('a')], { claim: [slot(1)], epoch })])
    const general = store.transact([entry()])
    await whole
    proxy.cut()
    await outside.query('ROLLBACK')
    expect(await general).toEqual([{ ok: true, value: { lastSeq: 1 } }])
  } finally {
    await outside.end()
  }
  expect(await verifyAudit(store.read)).toMatchObject({ ok: true, entries: 1 })
})

test('a list that cannot be made into a statement harms itself only, among lists that go together', async () => {
  const { store, epoch } = await open(await server.database())
  const [good, bad, better] = await Promise.allSettled([
    store.transact([submit([task('a')], { claim: [slot(1)], epoch }), entry()]),
    store.transact([submit([task('b')], { claim: [slot(2)], epoch }), entry({ amount: 1n })]),
    store.transact([submit([task('c')], { claim: [slot(3)], epoch }), entry()]),
  ])
  expect([good.status, bad.status, better.status]).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(await store.read.taskCounts()).toEqual([{ type: 'settle', state: 'running', count: 2 }])
  expect(await verifyAudit(store.read)).toMatchObject({ ok: true, entries: 2 })
})
