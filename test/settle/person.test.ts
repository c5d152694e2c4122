/** A person's word on one payment, over the real record: what waits can be held, released and cancelled, what is out cannot. */
import { expect, test } from 'vitest'
import { slot, submit, task } from '../conformance/samples.ts'
import { ask, answered, lost, nextGrant, tell, world, type World } from './world.ts'

/** A payment that waits: the gate is away, so nothing was sent. */
const waiting = async (reference: string): Promise<{ at: World; id: string; outcome: Promise<unknown> }> => {
  const at = world()
  at.gate.id = null
  const outcome = at.settle.request(ask(reference), 'settler/0001')
  for (let tries = 0; tries < 50; tries += 1) {
    const there = await at.store.read.settlementByReference('bank', reference)
    if (there !== undefined) return { at, id: there.id, outcome }
    await at.clock.move(0)
  }
  throw new Error('nothing was opened')
}
const link = (at: World): void => {
  at.gate.id = 'gat_1'
  at.settle.linked('gat_1')
}

test('a held payment is not sent when its time comes, its agent is told so, and a release sends it once', async () => {
  const { at, id, outcome } = await waiting('h')
  await at.settle.decide(id, { order: 'hold', why: 'wrong payee?' }, 'token:ann')
  expect(await outcome).toMatchObject({ state: 'unknown', reason: 'held by token:ann: wrong payee?' })
  link(at)
  for (let step = 0; step < 50; step += 1) await at.clock.move(1_000)
  expect(at.grants).toEqual([])
  expect(await at.store.read.settlement(id)).toMatchObject({ state: 'held', person: true, nextMs: null })
  expect(await at.settle.ledgerCheck('all')).toMatchObject({ ok: true, byCurrency: [{ pending: '12.34' }] })
  await at.settle.decide(id, { order: 'release', why: 'checked' }, 'token:ann')
  const grant = await nextGrant(at, 1)
  await tell(at, grant, answered(201))
  expect(await at.store.read.settlement(id)).toMatchObject({ state: 'settled', tries: 1 })
  expect(await at.settle.ledgerCheck('all')).toMatchObject({ ok: true, byCurrency: [{ pending: '0.00' }] })
})

test.each(['reserved', 'held'])(
  'a %s payment can be cancelled: its reservation is voided and nothing is ever sent',
  async (state) => {
    const { at, id, outcome } = await waiting('c')
    if (state === 'held') await at.settle.decide(id, { order: 'hold', why: 'x' }, 'token:ann')
    await at.settle.decide(id, { order: 'cancel', why: 'not ours' }, 'token:ann')
    if (state === 'reserved') expect(await outcome).toMatchObject({ state: 'cancelled' })
    link(at)
    for (let step = 0; step < 50; step += 1) await at.clock.move(1_000)
    expect(at.grants).toEqual([])
    expect((await at.store.read.transfers({ limit: 9, after: null })).items.map((one) => one.kind)).toEqual([
      'pending',
      'void',
    ])
    expect(await at.settle.ledgerCheck('all')).toMatchObject({ ok: true, byCurrency: [{ pending: '0.00' }] })
    const last = (await at.store.read.audit(1, 99)).at(-1)!
    expect(JSON.parse(last.entry)).toMatchObject({ actor: 'token:ann', action: 'settlement.cancelled', object: id })
    // The same reference is this payment for ever: it is not paid under a second one.
    expect(await at.settle.request(ask('c', { attempt: 'att_again' }), 'settler/0002')).toMatchObject({
      settlement: id,
      state: 'cancelled',
    })
  },
)

test('what may be at the provider is neither held nor cancelled, and what is not held not released', async () => {
  const at = world()
  void at.settle.request(ask('a'), 'settler/0001')
  const grant = await nextGrant(at, 1)
  const { id } = (await at.store.read.settlementByReference('bank', 'a'))!
  const refusals = async (): Promise<void> => {
    for (const order of ['hold', 'release', 'cancel'] as const)
      await expect(at.settle.decide(id, { order, why: 'x' }, 'token:ann')).rejects.toMatchObject({
        code: 'conflict',
        message: expect.stringMatching(/ is (submitting|unknown|settled): /) as string,
      })
  }
  await refusals()
  await tell(at, grant, lost(at))
  expect(await at.store.read.settlement(id)).toMatchObject({ state: 'unknown' })
  await refusals()
  await nextGrant(at, 2)
  await tell(at, at.grants[1]!, answered(200, { items: [{ id: 'p1', status: 'settled' }] }))
  await refusals()
})

test('nobody declares a payment absent while the provider is being asked about it', async () => {
  const at = world()
  void at.settle.request(ask('q'), 'settler/0001')
  await tell(at, await nextGrant(at, 1), lost(at))
  const { id } = (await at.store.read.settlementByReference('bank', 'q'))!
  const query = await nextGrant(at, 2)
  expect(query.request.method).toBe('GET')
  const absent = { order: 'resolve', as: 'absent', why: 'the bank says so' } as const
  await expect(at.settle.decide(id, absent, 'token:ann')).rejects.toMatchObject({ code: 'conflict' })
  expect(await at.store.read.settlement(id)).toMatchObject({ state: 'unknown' })
  // Also when the request is written after the person's door has looked: the record refuses it in the same commit.
  expect(
    (await at.store.transact([{ kind: 'intents.none', with: { settlement: id, kinds: ['query'] } }]))[0],
  ).toMatchObject({ ok: false, refusal: 'conflict' })
  await tell(at, query, answered(200, { items: [{ reference: 'q', key: 'x', state: 'settled' }] }))
  for (let step = 0; step < 20; step += 1) await at.clock.move(1_000)
  expect(at.grants.filter(({ request }) => request.method === 'POST')).toHaveLength(1)
})

test('an attempt that has ended begins no payment: nothing is reserved and nothing is granted', async () => {
  const at = world()
  await at.store.transact([{ kind: 'host.open', with: { owner: 'here', bootId: 'b', wallMs: 1 } }])
  await at.store.transact([
    submit([task('t')], { claim: [slot(1)] }),
    { kind: 'task.move', with: { task: 'tsk_t', event: { event: 'cancel' }, orNothing: false, wallMs: 2 } },
  ])
  const late = at.settle.request(ask('late', { attempt: 'att_t.1' }), 'settler/0001')
  await expect(late).rejects.toMatchObject({ code: 'stale' })
  expect(await at.store.read.settlementByReference('bank', 'late')).toBeUndefined()
  expect([at.grants, (await at.store.read.transfers({ limit: 9, after: null })).items]).toEqual([[], []])
})
