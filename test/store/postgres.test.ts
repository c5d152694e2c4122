/** The PostgreSQL engine: the conformance suite on a real server, and what only a server can show. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { realClock } from '../../src/std/real/real.ts'
import { openPostgresStore, type Command, type PostgresAsk, type Store } from '../../src/store/store.ts'
import { ground } from '../../src/store/postgres/migrations/0001-ground.ts'
import { work } from '../../src/store/postgres/migrations/0002-work.ts'
import { access } from '../../src/store/postgres/migrations/0003-access.ts'
import { storeSuite } from '../conformance/store.ts'
import { openEmptied, type Emptied } from './emptied.ts'
import { startServer, type PostgresServer, stopMs } from './server.ts'
import { judgeVersion3, rowsOfVersion3 } from './version-3.ts'

let server: PostgresServer
let emptied: Emptied
let stores: Store[] = []

beforeAll(async () => {
  server = await startServer()
  const url = await server.database()
  await (await open(url)).close()
  emptied = await openEmptied(server, url)
}, stopMs)
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()))
  stores = []
  emptied.giveBackAll()
})
afterAll(() => server.stop(), stopMs)

const open = async (url: string, more: Partial<PostgresAsk> = {}): Promise<Store> => {
  const store = await openPostgresStore({ url, clock: realClock(), ...more })
  stores.push(store)
  return store
}

storeSuite({
  name: 'postgres',
  runs: 10,
  open: async () => {
    const url = await emptied.take()
    return { store: await open(url), reopen: () => open(url) }
  },
})

const audit = (action: string): Command => ({
  kind: 'audit.append',
  with: { wallMs: 1, entries: [{ actor: 'sitter', action, object: 'x', decision: 'done', facts: {} }] },
})

const impatient = { timing: { lockMs: 300, patienceMs: 1_000, connectMs: 500, statementMs: 1_000 } }

test('audit entries and ledger transfers refuse to be changed or deleted by SQL', async () => {
  const url = await server.database()
  const store = await open(url)
  await store.transact([audit('kept')])
  for (const sql of [
    "UPDATE swarmsitter.audit SET entry = '{}'",
    'DELETE FROM swarmsitter.audit',
    'TRUNCATE swarmsitter.audit',
    'DELETE FROM swarmsitter.transfers',
    'TRUNCATE swarmsitter.transfers',
  ])
    await expect(server.ask(url, sql), sql).rejects.toThrow('append-only')
  expect((await store.read.auditHead()).seq).toBe(1)
})

test('a record of a newer version is refused with both numbers', async () => {
  const url = await server.database()
  await (await open(url)).close()
  await server.ask(url, 'INSERT INTO swarmsitter.schema_version (number) VALUES (99)')
  await expect(open(url)).rejects.toMatchObject({
    code: 'record-newer',
    message: expect.stringMatching(/version 99.*knows/),
  })
})

test('a second sitter is refused while the first lives, and taken once it has ended', async () => {
  const url = await server.database()
  const first = await open(url)
  await expect(open(url, impatient)).rejects.toMatchObject({ code: 'already-running' })
  await first.transact([audit('still mine')])
  await first.close()
  const second = await open(url, impatient)
  expect((await second.read.auditHead()).seq).toBe(1)
})

test('a sitter that another one has overtaken writes nothing more', async () => {
  const url = await server.database()
  const store = await open(url)
  const lost: Error[] = []
  store.onLost((cause) => lost.push(cause))
  await store.transact([{ kind: 'host.open', with: { owner: 'here', bootId: 'b', wallMs: 1 } }])
  await server.ask(url, 'UPDATE swarmsitter.hosts SET epoch = 7')
  await expect(store.transact([audit('late')])).rejects.toMatchObject({ code: 'stale' })
  expect(lost).toHaveLength(1)
  expect(await server.ask(url, 'SELECT * FROM swarmsitter.audit')).toEqual([])
})

test('an audit entry that somebody else put in stops the engine instead of being followed', async () => {
  const url = await server.database()
  const store = await open(url)
  await store.transact([audit('mine')])
  await server.ask(url, "INSERT INTO swarmsitter.audit VALUES (2, '{}', 'x', 'y')")
  await expect(store.transact([audit('next')])).rejects.toMatchObject({ code: 'stale' })
})

test('a statement that throws harms its own list only', async () => {
  const store = await open(await server.database())
  const broken: Command = {
    kind: 'ledger.transfer',
    with: {
      wallMs: 1,
      transfer: {
        id: 'x',
        kind: 'single',
        pendingId: null,
        debit: 'same',
        credit: 'same',
        amountMinor: 1n,
        currency: 'XTS',
        settlement: null,
      },
    },
  }
  const [good, bad, better] = await Promise.allSettled([
    store.transact([audit('a')]),
    store.transact([audit('lost'), broken]),
    store.transact([audit('b')]),
  ])
  expect([good.status, bad.status, better.status]).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  const rows = await store.read.audit(1, 9)
  expect(rows.map((row) => (JSON.parse(row.entry) as { action: string }).action)).toEqual(['a', 'b'])
})

test('a server without room refuses by name, writes nothing of it, and is written to again by itself', async () => {
  const url = await server.database()
  const store = await open(url)
  await store.transact([audit('before')])
  const told: boolean[] = []
  store.onFull((sinceMs) => told.push(sinceMs !== null))
  await server.ask(
    url,
    `CREATE FUNCTION swarmsitter.no_room() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
     CREATE TRIGGER no_room BEFORE INSERT ON swarmsitter.audit FOR EACH ROW EXECUTE FUNCTION swarmsitter.no_room()`,
  )
  await expect(store.transact([audit('lost')])).rejects.toMatchObject({ code: 'disk-full', kind: 'transient' })
  await expect(store.transact([audit('lost too')])).rejects.toMatchObject({ code: 'disk-full' })
  expect(store.fullSinceMs).not.toBeNull()
  // What is there is read as before.
  expect((await store.read.auditHead()).seq).toBe(1)
  await server.ask(url, 'DROP TRIGGER no_room ON swarmsitter.audit')
  await store.writable()
  await store.transact([audit('after')])
  expect(told).toEqual([true, false])
  const actions = (await store.read.audit(0, 9)).map((row) => (JSON.parse(row.entry) as { action: string }).action)
  expect(actions[0]).toBe('before')
  expect(actions.at(-1)).toBe('after')
  expect(actions).not.toContain('lost')
  // That it was full, and for how long, is in the record.
  expect(actions).toHaveLength(4)
})

test('amounts beyond what a number holds come back to the last unit', async () => {
  const store = await open(await server.database())
  const amountMinor = 9_007_199_254_740_993n
  const transfer = {
    kind: 'single',
    pendingId: null,
    debit: 'a',
    credit: 'b',
    currency: 'XTS',
    settlement: null,
  } as const
  await store.transact(
    Array.from({ length: 2_000 }, (_, index) => ({
      kind: 'ledger.transfer',
      with: { wallMs: 1, transfer: { ...transfer, id: `t${index}`, amountMinor } },
    })),
  )
  const { transfers, accounts } = await store.read.books({ limit: 3, after: null })
  expect(transfers.map((one) => one.amountMinor)).toEqual([amountMinor, amountMinor, amountMinor])
  expect(accounts.find((one) => one.code === 'a')?.debitsPosted).toBe(amountMinor * 2_000n)
})

test('nothing outside of its own schema is touched, and no message shows the password', async () => {
  const url = await server.database()
  await server.ask(url, "CREATE TABLE public.tasks (id TEXT); INSERT INTO public.tasks VALUES ('theirs')")
  await open(url)
  expect(await server.ask(url, 'SELECT * FROM public.tasks')).toEqual([{ id: 'theirs' }])
  const wrong = url.replace('canary-secret', 'canary-wrong')
  const refused = await open(wrong, impatient).catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'record-unreachable' })
  expect(JSON.stringify(refused) + String(refused)).not.toContain('canary')
})

test('a record of version 3 comes over whole: attempts, lives, dead letters and counts', async () => {
  const url = await server.database()
  await server.ask(
    url,
    `DROP SCHEMA swarmsitter CASCADE; CREATE SCHEMA swarmsitter; SET search_path = swarmsitter;
     CREATE TABLE schema_version (number INTEGER PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT now());
     INSERT INTO schema_version (number) VALUES (1), (2), (3);
     ${ground}${work}${access}${rowsOfVersion3}`,
  )
  await judgeVersion3(await open(url))
  const [last] = await server.ask<{ number: number }>(
    url,
    'SELECT MAX(number) AS number FROM swarmsitter.schema_version',
  )
  expect(last?.number).toBe(9)
})
