/** Orders of people over HTTP, and the lists that tell what there is to give orders about. */
import { expect, test } from 'vitest'
import { addSettlement, json, openHouse, type TestHouse } from './house.ts'

const items = async (answer: Response): Promise<Record<string, unknown>[]> =>
  (await json(answer))['items'] as Record<string, unknown>[]

test.each(['start', 'stop', 'pause', 'resume', 'quarantine'])(
  '%s goes to one agent or to all of a type, with the reason and who said so',
  async (order) => {
    await using house = await openHouse()
    const one = await house.post(`/api/v1/agents/settler/7/${order}`, { reason: 'looking' })
    expect(one.status).toBe(202)
    expect(await json(one)).toEqual({ asked: order, agents: ['settler/0007'], left: [] })
    expect((await house.call(`/api/v1/agents/notifier/${order}`, { method: 'POST' })).status).toBe(202)
    expect(house.told).toEqual([
      { deed: order, with: { agents: ['settler/0007'], actor: 'token:operator', reason: 'looking' } },
      {
        deed: order,
        with: {
          agents: ['notifier/0009', 'notifier/0010', 'notifier/0011'],
          actor: 'token:operator',
          reason: 'no reason given',
        },
      },
    ])
    expect((await house.call(`/api/v1/agents/nobody/${order}`, { method: 'POST' })).status).toBe(404)
    expect((await house.post(`/api/v1/agents/settler/7/${order}`, { reason: '' })).status).toBe(422)
    expect((await house.post(`/api/v1/agents/settler/7/${order}`, { state: 'idle' })).status).toBe(422)
    expect(house.told).toHaveLength(2)
  },
)

test('an order with an Idempotency-Key is given once', async () => {
  await using house = await openHouse()
  for (let times = 0; times < 3; times += 1)
    await house.call('/api/v1/agents/settler/7/stop', { method: 'POST', headers: { 'idempotency-key': 'k' } })
  expect(house.told).toHaveLength(1)
})

test('a payment is held, released and cancelled by its id, with a reason', async () => {
  await using house = await openHouse()
  const id = await addSettlement(house.store, 'row-1')
  for (const order of ['hold', 'release', 'cancel']) {
    const answer = await house.post(`/api/v1/settlements/${id}/${order}`, { reason: 'wrong payee' })
    expect(await json(answer)).toMatchObject({ id, reference: 'row-1', amount: '12.34' })
    expect((await house.post(`/api/v1/settlements/${id}/${order}`, { amount: '1.00' })).status).toBe(422)
    expect((await house.post(`/api/v1/settlements/set_none/${order}`, {})).status).toBe(404)
  }
  expect(house.told.map(({ deed }) => deed)).toEqual(['hold', 'release', 'cancel'])
  expect(house.told[0]!.with).toEqual({ settlement: id, order: 'hold', why: 'wrong payee', actor: 'token:operator' })
})

test('a held payment waits in the inbox with its own way out', async () => {
  await using house = await openHouse()
  const id = await addSettlement(house.store, 'row-1')
  const move = { from: 'reserved', event: 'hold', reason: 'held by token:ada: x', nextMs: null, person: true } as const
  await house.store.transact([
    { kind: 'settlement.move', with: { settlement: id, ...move, tries: 0, providerReference: null, wallMs: 1 } },
  ])
  expect((await items(await house.call('/api/v1/inbox'))).slice(0, 1)).toMatchObject([
    { kind: 'held-settlement', id, wayOut: `sitter settlement release ${id}, or sitter settlement cancel ${id}` },
  ])
})

test('upstreams are shown as configured and as the gate saw them; without the gate nothing is shown as zero', async () => {
  await using house = await openHouse()
  const known = { name: 'northbank', url: 'http://127.0.0.1:9100', credential: 'northbank', calls: 4_121 }
  expect(await items(await house.call('/api/v1/upstreams'))).toMatchObject([known])
  expect(await json(await house.call('/api/v1/upstreams/northbank'))).toMatchObject({
    ...known,
    limits: [{ per: 'credential', usage: { used: 380, of: 380 } }],
    domains: [{ per: 'credential', owner: 'northbank', used: 380 }],
    waiting: [{ agent: 'settler/0007', waiting: 3 }],
  })
  expect((await house.call('/api/v1/upstreams/southbank')).status).toBe(404)
  house.rooms.gatelink.status = () => Promise.reject(new Error('down'))
  expect((await house.call('/api/v1/upstreams/northbank')).status).toBe(503)
})

test('channels are shown with how they pay, how an unknown is resolved, and what became of their payments', async () => {
  await using house = await openHouse()
  await addSettlement(house.store, 'a')
  await addSettlement(house.store, 'b', true)
  expect(await items(await house.call('/api/v1/channels'))).toEqual([
    {
      name: 'northbank',
      kind: 'http',
      upstream: 'northbank',
      payer: 'assets:northbank',
      pay: 'POST /v1/payouts',
      resolve: 'GET /v1/payouts?key={key}',
      tries: 5,
      settlements: { reserved: 1, unknown: 1 },
    },
  ])
})

const addAudit = async (house: TestHouse, count: number): Promise<void> => {
  const entries = Array.from({ length: count }, (_, index) => ({
    actor: index % 10 === 0 ? 'token:ada' : 'sitter',
    action: index % 2 === 0 ? 'settlement.opened' : 'settlementish',
    object: `set_${index}`,
    decision: 'done' as const,
    facts: { note: `row ${index}` },
  }))
  await house.store.transact([{ kind: 'audit.append', with: { wallMs: 1_000, entries } }])
}

test('audit entries are found by actor, action, object, time and text, over every page', async () => {
  await using house = await openHouse()
  await addAudit(house, 4_500)
  const found = async (query: string): Promise<number> => {
    let count = 0
    let cursor = ''
    for (;;) {
      const page = (await json(await house.call(`/api/v1/audit/entries?${query}&limit=1000${cursor}`))) as {
        items: unknown[]
        next: string | null
      }
      count += page.items.length
      if (page.next === null) return count
      cursor = `&cursor=${page.next}`
    }
  }
  expect(await found('actor=token:ada')).toBe(450)
  expect(await found('action=settlement')).toBe(2_250)
  expect(await found('action=settlement.opened&actor=sitter')).toBe(1_800)
  expect(await found('object=set_4499')).toBe(1)
  expect(await found('text=row 449')).toBe(11)
  expect(await found('sinceMs=1001')).toBe(0)
  expect(await found('x=1'.slice(3))).toBe(4_500)
  expect((await house.call('/api/v1/audit/entries?sinceMs=yesterday')).status).toBe(422)
})

test('an anchor that was kept finds a chain that is shorter or another than it was', async () => {
  await using house = await openHouse()
  await addAudit(house, 30)
  const kept = (await json(await house.call('/api/v1/audit/checkpoint'))) as { seq: number; hash: string }
  expect(kept).toMatchObject({ swarm: 'payouts', seq: 30 })
  await addAudit(house, 5)
  const verify = async (query: string): Promise<Record<string, unknown>> =>
    json(await house.call(`/api/v1/audit/verify?${query}`))
  expect(await verify(`seq=${kept.seq}&hash=${kept.hash}`)).toMatchObject({ ok: true, entries: 35 })
  expect(await verify(`seq=99&hash=${kept.hash}`)).toMatchObject({ ok: false, firstBad: 36 })
  expect(await verify(`seq=29&hash=${kept.hash}`)).toMatchObject({ ok: false, firstBad: 29 })
  expect(await verify(`seq=0&hash=${'0'.repeat(64)}`)).toMatchObject({ ok: true })
  for (const half of ['seq=30', `hash=${kept.hash}`, 'seq=x&hash=y'])
    expect((await house.call(`/api/v1/audit/verify?${half}`)).status).toBe(422)
})

test('an attempt is found by its id', async () => {
  await using house = await openHouse()
  expect((await house.call('/api/v1/attempts/att_none')).status).toBe(404)
})
