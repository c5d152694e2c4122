import { connect } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, expect, test } from 'vitest'
import { openUseAudit } from '../../src/gatelink/gatelink.ts'
import { verifyAudit } from '../../src/record/record.ts'
import { realClock } from '../../src/std/real/real.ts'
import { openSqliteStore, type Store } from '../../src/store/store.ts'
import type { Use } from '../../src/wire/wire.ts'
import { fetchBy, grantFor, newPlace, rulesFor, setSecret, startGate, startSitter, type Place } from './harness.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const openRecord = (place: Place): Store => {
  const store = openSqliteStore(join(place.directory, 'swarm.db'))
  closing.push(() => store.close())
  return store
}
const uses = async (store: Store) =>
  (await store.read.audit(1, 10_000)).map(({ entry }) => JSON.parse(entry) as UseEntry).filter(isUse)
interface UseEntry {
  readonly actor: string
  readonly action: string
  readonly object: string
  readonly decision: string
  readonly facts: { readonly journal: number; readonly host: string; readonly attempt: string | null }
}
const isUse = ({ action }: UseEntry): boolean => action === 'credential.use'

const auditInto = (store: Store) =>
  openUseAudit({
    store,
    clock: realClock(),
    attemptOf: (agent) => (agent === 'payer/0001' ? 'att_1.1' : null),
    onFault: () => {},
  })

/** A gate, an upstream, and a sitter that writes uses into a record. */
const world = async (more: Parameters<typeof rulesFor>[1] = {}, scope?: object) => {
  const upstream = await openUpstream()
  const place = newPlace()
  closing.push(() => place.remove(), upstream.close)
  const rules = rulesFor(upstream, more)
  const scoped =
    scope === undefined ? rules : { ...rules, credentials: { bank: { ...rules.credentials['bank']!, scope } } }
  const running = await startGate(place, scoped as typeof rules)
  closing.push(() => running.gate.stop())
  const store = openRecord(place)
  const written = Promise.withResolvers<void>()
  let awaited = Infinity
  const audit = auditInto(store)
  const sitter = startSitter(place, 1, 'sitter-1', undefined, async (gateId, told) => {
    await audit.take(gateId, told)
    if ((await uses(store)).length >= awaited) written.resolve()
  })
  closing.push(() => sitter.link.stop())
  await sitter.linked()
  await setSecret(sitter)
  return {
    upstream,
    place,
    sitter,
    store,
    running,
    /** Resolves when so many uses are audited. */
    audited: (count: number) => {
      awaited = count
      return Promise.race([
        written.promise,
        uses(store).then((all) => (all.length >= count ? undefined : written.promise)),
      ])
    },
  }
}
/** The door is announced without an answer, so it is tried until somebody listens. */
const untilOpen = async (door: string): Promise<void> => {
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(door, () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
    if (open) return
  }
}
const openCell = async (place: Place, sitter: Awaited<ReturnType<typeof world>>['sitter'], type = 'reader') => {
  const socketPath = join(place.directory, `${type}.sock`)
  sitter.link.openCell({ cell: `cel_${type}`, socketPath, type, agents: [`${type}/0001`], upstreams: ['bank'] })
  await untilOpen(socketPath)
  return socketPath
}

test('as many uses are audited as the upstream has seen calls, each with who, what, where, and in a chain that verifies', async () => {
  const { upstream, place, sitter, store, audited } = await world()
  const socket = await openCell(place, sitter)
  const grants = Array.from({ length: 30 }, () => grantFor())
  sitter.link.grant(grants)
  await Promise.all([
    ...grants.map(({ grant }) => sitter.callOf(grant)),
    ...Array.from({ length: 20 }, () => fetchBy(socket, { path: '/bank/v1/x' })),
  ])
  await audited(50)
  const all = await uses(store)
  expect(upstream.seen).toHaveLength(50)
  expect(all).toHaveLength(50)
  expect(new Set(all.map(({ facts }) => facts.journal)).size).toBe(50)
  expect(all.filter(({ actor }) => actor === 'agent:payer/0001')).toHaveLength(30)
  expect(all.find(({ actor }) => actor === 'agent:payer/0001')).toMatchObject({
    object: 'bank@1',
    decision: 'allowed',
    facts: { host: upstream.host, attempt: 'att_1.1', upstream: 'bank', method: 'POST' },
  })
  expect(all.filter(({ actor }) => actor === 'agent:reader/0001')).toHaveLength(20)
  expect(await verifyAudit(store.read)).toMatchObject({ ok: true })
})

test('uses that are told again, to a sitter that forgot and by a gate that forgot, are written once', async () => {
  const { store, sitter, audited } = await world()
  const grants = Array.from({ length: 10 }, () => grantFor())
  sitter.link.grant(grants)
  await audited(10)
  const told = sitter.uses.flat()
  const { gateId } = sitter.link
  const again = auditInto(store)
  await Promise.all([again.take(gateId!, told), again.take(gateId!, told)])
  await again.take(gateId!, [...told.slice(-2), { ...told.at(-1)!, journal: 1_000 }])
  expect((await uses(store)).map(({ facts }) => facts.journal)).toEqual([...told.map((use) => use.journal), 1_000])
  // The journal of another gate.db has numbers of its own.
  await again.take('gat_other', [{ ...told[0]!, journal: 1 }])
  expect(await uses(store)).toHaveLength(12)
})

test('uses wait in the journal for a sitter that cannot write, and are told by the next gate', async () => {
  const upstream = await openUpstream()
  const place = newPlace()
  closing.push(() => place.remove(), upstream.close)
  const first = await startGate(place, rulesFor(upstream))
  const deaf = startSitter(place, 1, 'deaf', undefined, () => Promise.reject(new Error('the disk is full')))
  await deaf.linked()
  await setSecret(deaf)
  const grant = grantFor()
  deaf.link.grant([grant])
  await deaf.callOf(grant.grant)
  await deaf.link.stop()
  await first.gate.stop()
  const second = await startGate(place, rulesFor(upstream))
  closing.push(() => second.gate.stop())
  const told = Promise.withResolvers<readonly Use[]>()
  const next = startSitter(place, 2, 'next', undefined, async (_, list) => told.resolve(list))
  closing.push(() => next.link.stop())
  expect(await told.promise).toMatchObject([{ credential: 'bank', version: 1, decision: 'allowed', journal: 1 }])
})

test('a use that cannot be written before it happens does not happen', async () => {
  const { upstream, place, sitter } = await world()
  const db = new DatabaseSync(join(place.data, 'gate', 'gate.db'))
  db.exec(`CREATE TRIGGER full BEFORE INSERT ON calls BEGIN SELECT RAISE(ABORT, 'no'); END`)
  db.close()
  const socket = await openCell(place, sitter)
  expect(await fetchBy(socket, { path: '/bank/v1/x' })).toMatchObject({ status: 503 })
  expect(upstream.seen).toEqual([])
})

test('a scope bounds hosts, methods, paths and agent types before the secret is opened, and each refusal is audited', async () => {
  const nothing = { account: null, hosts: null, methods: null, paths: null, agents: null }
  for (const [scope, why] of [
    [{ ...nothing, hosts: ['api.example.com'] }, 'the host'],
    [{ ...nothing, methods: ['POST'] }, 'the method GET'],
    [{ ...nothing, paths: ['/v1/accounts/**'] }, 'this path'],
    [{ ...nothing, agents: ['payer'] }, 'agents of type reader'],
  ] as const) {
    const { upstream, place, sitter, store, audited } = await world({}, scope)
    const socket = await openCell(place, sitter)
    const answer = await fetchBy(socket, { path: '/bank/v1/x' })
    expect(answer).toMatchObject({ status: 403 })
    expect(answer.body).toContain(why)
    await fetchBy(socket, { path: '/bank/v1/x' })
    expect(upstream.seen).toEqual([])
    await audited(1)
    // The second within ten seconds is not written again.
    expect(await uses(store)).toMatchObject([{ actor: 'agent:reader/0001', object: 'bank@1', decision: 'refused' }])
  }
  const { upstream, sitter, audited, store } = await world({}, { ...nothing, agents: ['reader'] })
  const grant = grantFor()
  sitter.link.grant([grant])
  expect((await sitter.callOf(grant.grant)).outcome).toMatchObject({ kind: 'not-sent', code: 'not-allowed' })
  const own = grantFor({}, { agent: null })
  sitter.link.grant([own])
  expect((await sitter.callOf(own.grant)).outcome).toMatchObject({ kind: 'answered' })
  await audited(2)
  expect((await uses(store)).map(({ actor, decision }) => [actor, decision])).toEqual([
    ['agent:payer/0001', 'refused'],
    ['sitter', 'allowed'],
  ])
  expect(upstream.seen).toHaveLength(1)
})

test('when 20,000 uses wait for the audit log nothing is used, and when they are written it goes on', async () => {
  const upstream = await openUpstream()
  const place = newPlace()
  closing.push(() => place.remove(), upstream.close)
  const first = await startGate(place, rulesFor(upstream))
  const setter = startSitter(place)
  await setter.linked()
  await setSecret(setter)
  await setter.link.stop()
  await first.gate.stop()
  const db = new DatabaseSync(join(place.data, 'gate', 'gate.db'))
  db.exec(`WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 20000)
    INSERT INTO calls (upstream, method, path, credential, version, epoch, begun_ms, waited_ms, ended, host, decision)
    SELECT 'bank', 'GET', '/v1/x', 'bank', 1, 1, 1, 0, 'answered', 'bank', 'allowed' FROM number`)
  db.close()
  const second = await startGate(place, rulesFor(upstream))
  closing.push(() => second.gate.stop())
  const deaf = startSitter(place, 2, 'deaf', undefined, () => new Promise(() => {}))
  await deaf.linked()
  const behind = grantFor()
  deaf.link.grant([behind])
  expect((await deaf.callOf(behind.grant)).outcome).toMatchObject({ kind: 'not-sent', code: 'audit-behind' })
  expect(upstream.seen).toEqual([])
  const door = join(place.directory, 'cell.sock')
  deaf.link.openCell({ cell: 'cel_1', socketPath: door, type: 'a', agents: ['a/0001'], upstreams: ['bank'] })
  await untilOpen(door)
  const own = await fetchBy(door, { path: '/bank/v1/x' })
  expect(JSON.parse(own.body)).toMatchObject({
    code: 'audit-behind',
    retryAfterMs: 5_000,
    waitsFor: 'call bank GET /v1/**',
  })
  expect(await deaf.link.vacancies(['call bank GET /v1/**'])).toEqual([0])
  void deaf.link.stop()
  let told = 0
  const all = Promise.withResolvers<void>()
  const next = startSitter(place, 3, 'next', undefined, async (_, uses) => {
    told += uses.length
    if (told === 20_000) all.resolve()
  })
  closing.push(() => next.link.stop())
  await all.promise
  const again = grantFor()
  next.link.grant([again])
  expect((await next.callOf(again.grant)).outcome).toMatchObject({ kind: 'answered' })
  expect((await next.link.vacancies(['call bank GET /v1/**']))[0]).toBeGreaterThan(0)
})
