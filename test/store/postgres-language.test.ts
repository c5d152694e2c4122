/**
 * A server whose messages are in another language than English: what its errors mean goes by their codes, whatever word
 * it has for their severity.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { realClock } from '../../src/std/real/real.ts'
import { openPostgresStore, type Store } from '../../src/store/store.ts'
import { owner, slot, submit, task } from '../conformance/samples.ts'
import { inAnotherLanguage, startProxy, startServer, type PostgresServer, type Proxy, stopMs } from './server.ts'

let server: PostgresServer
let proxy: Proxy
let url: string
let store: Store
let epoch: number
/** Errors that were told in the other language. */
let translated: number

beforeAll(async () => {
  server = await startServer()
})
beforeEach(async () => {
  proxy = await startProxy(server.port)
  translated = 0
  proxy.onAnswer = (bytes) => {
    const told = inAnotherLanguage(bytes)
    if (!told.equals(bytes)) translated += 1
    return told
  }
  url = await server.database(proxy.port)
  store = await openPostgresStore({ url, clock: realClock() })
  const [opened] = await store.transact([{ kind: 'host.open', with: { owner, bootId: 'boot', wallMs: 1 } }])
  if (!opened.ok) throw new Error(opened.detail)
  epoch = opened.value.epoch
})
afterEach(async () => {
  proxy.cut()
  await store.close()
  await proxy.close()
})
afterAll(() => server.stop(), stopMs)

const gathered = (name: string, number: number, payload = '{}'): Promise<readonly { readonly ok: boolean }[]> =>
  store.transact([submit([task(name, { payload })], { claim: [slot(number)], epoch })])

/** Ends the session of this application as soon as it waits for a lock. */
const endWaiting = async (application: string): Promise<void> => {
  for (;;) {
    const ended = await server.ask(
      url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = '${application}' AND wait_event_type = 'Lock' AND datname = current_database()`,
    )
    if (ended.length > 0) return
    await wait(5)
  }
}

/** Nobody else reads or writes tasks while `deed` is under way. */
const withTasksLocked = async (deed: () => Promise<void>): Promise<void> => {
  const { Client } = await import('pg')
  const client = new Client({ connectionString: url.replace(String(proxy.port), String(server.port)) })
  await client.connect()
  await client.query('BEGIN; LOCK TABLE swarmsitter.tasks IN ACCESS EXCLUSIVE MODE')
  try {
    await deed()
  } finally {
    await client.end()
  }
}

test('a refusal in another language is a refusal: the other lists that go together are written', async () => {
  const told = await Promise.allSettled([gathered('a', 1), gathered('b', 2, '"\0"'), gathered('c', 3)])
  expect(translated).toBeGreaterThan(0)
  expect(told.map((one) => one.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(await store.read.taskCounts()).toEqual([{ type: 'settle', state: 'running', count: 2 }])
})

test('a session that is ended in another language under a turn with its commit leaves it unknown', async () => {
  let writing: Promise<unknown>
  await withTasksLocked(async () => {
    writing = gathered('a', 1).catch((error: unknown) => error)
    await endWaiting('swarmsitter writer')
    expect(await writing).toMatchObject({ code: 'record-unknown' })
  })
  expect(translated).toBeGreaterThan(0)
})

test('a session that is ended in another language under a read is a lost link: the read is asked again', async () => {
  await gathered('a', 1)
  let reading: ReturnType<Store['read']['task']>
  await withTasksLocked(async () => {
    reading = store.read.task('tsk_a')
    reading.catch(() => undefined)
    await endWaiting('swarmsitter reads')
  })
  expect(await reading!).toMatchObject({ id: 'tsk_a' })
  expect(translated).toBeGreaterThan(0)
})
