/** The settle room over the real record, with a gate whose outcomes the test writes. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Channel } from '../../src/model/model.ts'
import type { SettleOutcome } from '../../src/settle/settle.ts'
import { Failure } from '../../src/std/std.ts'
import { channel } from './channel.ts'
import { ask, answered, lost, nextGrant, tell, world } from './world.ts'

test('before a grant is given, settlement, reservation, exact request and audit entry are in the record', async () => {
  const at = world()
  const outcome = at.settle.request(ask('a'), 'settler/0001')
  const grant = await nextGrant(at, 1)
  const settlement = (await at.store.read.settlementByReference('bank', 'a'))!
  expect(settlement).toMatchObject({ state: 'submitting', amountMinor: 1_234n, tries: 1, agent: 'settler/0001' })
  expect(await at.store.read.intentByGrant(grant.grant)).toMatchObject({
    kind: 'pay',
    hash: grant.hash,
    outcome: null,
    gateId: 'gat_1',
  })
  expect((await at.store.read.transfers({ limit: 9, after: null })).items.map((one) => one.kind)).toEqual(['pending'])
  expect(JSON.parse((await at.store.read.audit(1, 9))[0]!.entry)).toMatchObject({
    action: 'settlement.opened',
    actor: 'agent:settler/0001',
  })
  await tell(at, grant, answered(201, { id: 'p1' }))
  expect(await outcome).toMatchObject({ state: 'settled', providerReference: 'p1' })
  expect(await at.settle.ledgerCheck('all')).toMatchObject({
    ok: true,
    transfers: 3,
    byCurrency: [{ currency: 'XTS', pending: '0.00' }],
  })
})

test('a channel that pays elsewhere now is not asked about a payment that the other provider may have taken', async () => {
  const channels: Record<string, Channel> = { bank: channel }
  const at = world(undefined, channel, channels)
  void at.settle.request(ask('a'), 'settler/0001')
  await tell(at, await nextGrant(at, 1), lost(at))
  channels['bank'] = { ...channel, upstream: 'southbank' }
  for (let step = 0; step < 50; step += 1) await at.clock.move(100)
  expect(at.grants).toHaveLength(1)
  expect(await at.store.read.settlementByReference('bank', 'a')).toMatchObject({ state: 'unknown', person: true })
  // What was never sent goes by the new way.
  void at.settle.request(ask('b'), 'settler/0001')
  expect((await nextGrant(at, 2)).request.upstream).toBe('southbank')
})

test('an outcome told twice changes nothing the second time', async () => {
  const at = world()
  void at.settle.request(ask('a'), 'settler/0001')
  const grant = await nextGrant(at, 1)
  await tell(at, grant, answered(201))
  const head = await at.store.read.auditHead()
  await tell(at, grant, answered(422))
  expect(await at.store.read.auditHead()).toEqual(head)
  expect((await at.store.read.settlementByReference('bank', 'a'))!.state).toBe('settled')
})

test('the same reference asked a hundred times at once is one settlement and one grant', async () => {
  const at = world()
  const outcomes = Array.from({ length: 100 }, (_, index) =>
    at.settle.request(ask('a', { attempt: `att_${index}` }), 'settler/0001'),
  )
  const grant = await nextGrant(at, 1)
  await at.clock.move(10)
  await tell(at, grant, answered(200))
  expect(new Set((await Promise.all(outcomes)).map((one) => one.settlement)).size).toBe(1)
  expect(at.grants).toHaveLength(1)
  await expect(at.settle.request(ask('a', { amount: '12.35' }), 'settler/0002')).rejects.toMatchObject({
    code: 'settlement-exists-with-different',
  })
})

test('a lost answer is asked about, found, and never sent again', async () => {
  const at = world()
  const outcome = at.settle.request(ask('a'), 'settler/0001')
  const pay = await nextGrant(at, 1)
  await tell(at, pay, lost(at))
  expect((await at.store.read.settlementByReference('bank', 'a'))!.state).toBe('unknown')
  const query = await nextGrant(at, 2)
  expect(query.request).toMatchObject({ method: 'GET', body: null })
  await tell(
    at,
    query,
    answered(200, { items: [{ id: 'p9', status: 'settled', key: pay.request.headers['idempotency-key'] }] }),
  )
  expect(await outcome).toMatchObject({ state: 'settled', providerReference: 'p9' })
  expect(at.grants.filter((grant) => grant.request.method === 'POST')).toHaveLength(1)
})

test('what is absent long enough and twice is sent again with the same key', async () => {
  const at = world()
  const outcome = at.settle.request(ask('a'), 'settler/0001')
  const pay = await nextGrant(at, 1)
  await tell(at, pay, lost(at))
  const closedMs = at.clock.wallMs()
  const absentAtMs: number[] = []
  for (let count = 2; ; count += 1) {
    for (let step = 0; step < 2_000 && at.grants.length < count; step += 1) await at.clock.move(100)
    const grant = at.grants[count - 1]!
    if (grant.request.method === 'POST') break
    absentAtMs.push(at.clock.wallMs())
    await tell(at, grant, answered(404))
  }
  expect(absentAtMs.filter((ms) => ms >= closedMs + 60_000).length).toBe(2)
  const again = at.grants.at(-1)!
  expect(again.request.headers['idempotency-key']).toBe(pay.request.headers['idempotency-key'])
  await tell(at, again, answered(201))
  expect(await outcome).toMatchObject({ state: 'settled' })
  expect((await at.store.read.settlementByReference('bank', 'a'))!.tries).toBe(2)
})

test('a wall clock that is set forward makes no absence count earlier', async () => {
  const at = world()
  void at.settle.request(ask('a'), 'settler/0001')
  await tell(at, await nextGrant(at, 1), lost(at))
  const lostMs = at.clock.monoMs()
  at.clock.jumpWall(7_200_000)
  for (let count = 2; ; count += 1) {
    for (let step = 0; step < 2_000 && at.grants.length < count; step += 1) await at.clock.move(100)
    const grant = at.grants[count - 1]!
    if (grant.request.method === 'POST') break
    await tell(at, grant, answered(404))
  }
  expect(at.clock.monoMs() - lostMs).toBeGreaterThan(60_000)
})

test('a provider without a query leaves the unknown to a person, whose word with evidence ends it', async () => {
  const at = world(undefined, { ...channel, resolve: null })
  const outcome = at.settle.request(ask('a'), 'settler/0001')
  await tell(at, await nextGrant(at, 1), lost(at))
  const told = await outcome
  expect(told.state).toBe('unknown')
  expect(await at.settle.summary()).toMatchObject({ person: 1, idle: true, unknown: [{ reference: 'a', why: 'cut' }] })
  await expect(
    at.settle.decide('set_none', { order: 'resolve', as: 'settled', why: 'x' }, 'operator'),
  ).rejects.toBeInstanceOf(Failure)
  await at.settle.decide(told.settlement, { order: 'resolve', as: 'settled', why: 'bank statement 7' }, 'operator:ann')
  expect((await at.store.read.settlement(told.settlement))!.state).toBe('settled')
  expect((await at.settle.ledgerCheck('all')).ok).toBe(true)
  await expect(
    at.settle.decide(told.settlement, { order: 'resolve', as: 'absent', why: 'x' }, 'operator:ann'),
  ).rejects.toMatchObject({
    code: 'conflict',
  })
})

test('without a gate a settlement is reserved and goes out when the gate is linked', async () => {
  const at = world()
  at.gate.id = null
  void at.settle.request(ask('a'), 'settler/0001')
  await at.clock.move(5_000)
  expect((await at.store.read.settlementByReference('bank', 'a'))!.state).toBe('reserved')
  at.gate.id = 'gat_1'
  at.settle.linked('gat_1')
  expect((await nextGrant(at, 1)).request.method).toBe('POST')
})

test('after a crash the next sitter gives the same grant again; a gate with another journal makes it unknown instead', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'sitter-settle-')), 'swarm.db')
  const first = world(path)
  void first.settle.request(ask('a'), 'settler/0001')
  void first.settle.request(ask('b'), 'settler/0002')
  await nextGrant(first, 2)
  await first.store.close()

  const second = world(path)
  second.settle.linked('gat_1')
  await second.clock.move(100)
  expect(second.grants.map((grant) => grant.grant).toSorted()).toEqual(
    first.grants.map((grant) => grant.grant).toSorted(),
  )
  await tell(
    second,
    second.grants.find((grant) => grant.request.body?.includes('"a"'))!,
    answered(201),
  )
  await second.store.close()

  const third = world(path)
  third.gate.id = 'gat_2'
  third.settle.linked('gat_2')
  await third.clock.move(10)
  const found = await third.store.read.settlementsByReferences('bank', ['a', 'b'])
  expect(found.toSorted((one, other) => one.reference.localeCompare(other.reference)).map((one) => one.state)).toEqual([
    'settled',
    'unknown',
  ])
  expect((await nextGrant(third, 1)).request.method).toBe('GET')
})

test('a declined payout releases its reservation', async () => {
  const at = world()
  const outcome: Promise<SettleOutcome> = at.settle.request(ask('a'), 'settler/0001')
  await tell(at, await nextGrant(at, 1), answered(422, { code: 'payee-closed' }))
  expect(await outcome).toMatchObject({ state: 'rejected', reason: expect.stringContaining('payee-closed') })
  expect((await at.store.read.transfers({ limit: 9, after: null })).items.map((one) => one.kind)).toEqual([
    'pending',
    'void',
  ])
  expect(await at.settle.ledgerCheck('all')).toMatchObject({ ok: true })
})

test('202 is accepted, asked about, and settled only when the provider says so', async () => {
  const at = world()
  const outcome = at.settle.request(ask('a'), 'settler/0001')
  const pay = await nextGrant(at, 1)
  await tell(at, pay, answered(202, { id: 'p1', status: 'pending' }))
  const key = pay.request.headers['idempotency-key']
  await tell(at, await nextGrant(at, 2), answered(200, { items: [{ id: 'p1', status: 'pending', key }] }))
  expect((await at.store.read.settlementByReference('bank', 'a'))!.state).toBe('accepted')
  await tell(at, await nextGrant(at, 3), answered(200, { items: [{ id: 'p1', status: 'settled', key }] }))
  expect(await outcome).toMatchObject({ state: 'settled' })
})

test('a record that takes nothing for a while delays a payment and loses none', async () => {
  const at = world()
  at.gate.id = null
  void at.settle.request(ask('a'), 'settler/0001')
  await at.clock.move(10)
  const { transact } = at.store
  let refused = 0
  at.store.transact = () => {
    refused += 1
    return Promise.reject(new Failure('overloaded', 'not now'))
  }
  at.gate.id = 'gat_1'
  at.settle.linked('gat_1')
  await at.clock.move(3_500)
  expect(refused).toBeGreaterThanOrEqual(3)
  expect(at.grants).toHaveLength(0)
  at.store.transact = transact.bind(at.store)
  expect((await nextGrant(at, 1)).request.method).toBe('POST')
})

test('one payment that the record does not take just now keeps no other from being sent', async () => {
  const at = world()
  at.gate.id = null
  void at.settle.request(ask('a'), 'settler/0001')
  void at.settle.request(ask('b'), 'settler/0002')
  await at.clock.move(10)
  const transact = at.store.transact.bind(at.store)
  let refused = false
  at.store.transact = (commands) => {
    if (refused) return transact(commands)
    refused = true
    return Promise.reject(new Failure('overloaded', 'not now'))
  }
  at.gate.id = 'gat_1'
  at.settle.linked('gat_1')
  await nextGrant(at, 2)
  expect(new Set(at.grants.map((grant) => grant.subject)).size).toBe(2)
})

test('how a payment stands is told to its task and its agent, and not to others', async () => {
  const at = world()
  const outcome = at.settle.request(ask('a'), 'settler/0001')
  const grant = await nextGrant(at, 1)
  const asked = { attempt: 'att_a', reference: 'a' }
  expect(await at.settle.standing(asked, 'settler/0001')).toMatchObject({ state: 'submitting' })
  expect(await at.settle.standing(asked, 'settler/0002')).toBeNull()
  expect(await at.settle.standing({ ...asked, reference: 'b' }, 'settler/0001')).toBeNull()
  await expect(at.settle.standing({ ...asked, channel: 'x' }, 'settler/0001')).rejects.toMatchObject({
    code: 'unknown-channel',
  })
  await tell(at, grant, answered(201, { id: 'p1' }))
  expect(await at.settle.standing(asked, 'settler/0001')).toEqual(await outcome)
  expect(at.grants).toHaveLength(1)
})
