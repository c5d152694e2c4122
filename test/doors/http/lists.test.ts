import { expect, test } from 'vitest'
import type { AgentMap, SwarmView } from '../../../src/doors/api.ts'
import { addEvents, addSettlement, agentOf, json, openHouse } from './house.ts'

interface Listed {
  items: { id: string; seq: number }[]
  next: string | null
}
const listed = async (answer: Response): Promise<Listed> => {
  expect(answer.status).toBe(200)
  return (await answer.json()) as Listed
}

test('the swarm at a glance says what the rooms say, and how old its sums are', async () => {
  await using house = await openHouse()
  const view = (await (await house.call('/api/v1/swarm')).json()) as SwarmView
  expect(view).toMatchObject({
    name: 'payouts',
    epoch: 1,
    fleet: {
      agents: 33,
      byState: { quarantined: 1, starting: 3 },
      coverage: { reporting: 33, of: 33, oldestMs: 4_100 },
    },
    work: { idle: true },
    ledger: { ok: true },
    gate: { gateId: 'gat_1', inFlight: 12 },
    idle: true,
    person: 2,
    notBuilt: ['message bus'],
    durations: { settle: null },
    agentsThatSucceeded: 0,
  })
  expect(view.nowMs - view.figuresMs).toBeLessThan(5_000)
})

test('a gate that is away is unknown in the view, and 503 where only it could answer', async () => {
  await using house = await openHouse()
  house.script.gateId = null
  expect(await json(await house.call('/api/v1/swarm'))).toMatchObject({ gate: { unknown: 'no link to the gate' } })
  for (const path of ['/api/v1/credentials', '/api/v1/upstreams']) {
    const answer = await house.call(path)
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(await json(answer)).toMatchObject({ code: 'gate-lost' })
  }
  const ready = await house.call('/readyz')
  expect(ready.status).toBe(503)
  expect(await json(ready)).toMatchObject({ ready: false })
  expect((await house.call('/livez')).status).toBe(200)
})

test('A gate that cannot write its journal sends nothing, so the swarm is not ready', async () => {
  await using house = await openHouse()
  expect((await house.call('/readyz')).status).toBe(200)
  house.script.gateRefuses = true
  const ready = await house.call('/readyz')
  expect(ready.status).toBe(503)
  const detail = 'linked to gat_1, which cannot write its journal, so it sends nothing'
  expect(await json(ready)).toMatchObject({ checks: [{}, { name: 'gate', ok: false, detail }, {}] })
})

test('agents come in pages by type and number, each exactly once, and filters hold', async () => {
  await using house = await openHouse()
  const seen: string[] = []
  let cursor = ''
  do {
    const page: Listed = await listed(await house.call(`/api/v1/agents?limit=7${cursor}`))
    seen.push(...page.items.map((item) => item.id))
    cursor = page.next === null ? '' : `&cursor=${page.next}`
  } while (cursor !== '')
  expect(seen).toHaveLength(33)
  expect(new Set(seen).size).toBe(33)
  expect(seen[0]).toBe('notifier/0009')
  expect(seen.at(-1)).toBe('settler/0030')
  expect((await listed(await house.call('/api/v1/agents?state=quarantined'))).items.map(({ id }) => id)).toEqual([
    'settler/0005',
  ])
  expect((await listed(await house.call('/api/v1/agents/notifier'))).items).toHaveLength(3)
})

test('an agent is described with its evidence and its time line; 42 and 0042 are one', async () => {
  await using house = await openHouse()
  await house.store.transact([
    {
      kind: 'events.add',
      with: {
        wallMs: 5,
        events: [
          { kind: 'agent.quarantined', level: 'warn', subject: 'settler/0005', message: 'six restarts', facts: {} },
          { kind: 'agent.started', level: 'info', subject: 'settler/0006', message: 'another', facts: {} },
        ],
      },
    },
  ])
  const short = await json(await house.call('/api/v1/agents/settler/5'))
  expect(short).toEqual(await json(await house.call('/api/v1/agents/settler/0005')))
  expect(short).toMatchObject({
    id: 'settler/0005',
    state: 'quarantined',
    timeLine: [{ kind: 'agent.quarantined' }],
    attempts: [],
  })
  expect(short['evidence']).toContainEqual({ fact: 'progresses', source: 'frames', atMs: null, value: 'unknown' })
  expect((await house.call('/api/v1/agents/settler/999')).status).toBe(404)
})

test('an agent is described with the limits over upstreams that its calls may meet; without the gate they are unknown', async () => {
  await using house = await openHouse()
  const limits = async () => (await json(await house.call('/api/v1/agents/settler/5')))['limits']
  const settlers = house.rooms.config.agents['settler']!
  const now = (upstreams: readonly string[]): void => {
    Object.assign(house.rooms.config.agents, { settler: { ...settlers, upstreams } })
  }
  now(['northbank'])
  const own = { name: 'agents.settler', per: 'agent', owner: 'settler/0005', rate: '5/1s', used: 380, of: 380 }
  expect(await limits()).toMatchObject([own, { name: 'here', upstreams: ['openai', 'northbank'] }])
  // Who may call nobody meets none.
  now([])
  expect(await limits()).toEqual([])
  house.script.gateId = null
  expect(await limits()).toBe('unknown')
})

test('the map has one letter an agent, decodable by its own table, with gaps in the numbers kept', async () => {
  await using house = await openHouse()
  house.script.agents = [
    agentOf('settler', 7, 'busy'),
    agentOf('settler', 2, 'idle'),
    agentOf('settler', 1, 'quarantined'),
  ]
  const map = (await (await house.call('/api/v1/agents/map')).json()) as AgentMap
  expect(map.types).toEqual([
    {
      type: 'settler',
      ranges: [
        [1, 2],
        [7, 7],
      ],
      states: expect.any(String),
    },
  ])
  expect([...map.types[0]!.states].map((letter) => map.letters[letter])).toEqual(['quarantined', 'idle', 'busy'])
  expect(map.byState).toEqual({ quarantined: 1, idle: 1, busy: 1 })
})

test.each([
  '/api/v1/agents?limit=0',
  '/api/v1/agents?limit=1001',
  '/api/v1/agents?limit=-1',
  '/api/v1/agents?limit=1e3',
  '/api/v1/agents?limit=',
  '/api/v1/agents?cursor=x',
  '/api/v1/agents?cursor=',
  '/api/v1/agents?cursor=c2V0dGxlci8wMDAx.AAAAAAAAAAAAAAAAAAAAAA',
  '/api/v1/agents?stat=busy',
  '/api/v1/agents?state=happy',
  '/api/v1/agents?type=nobody',
  '/api/v1/agents?mode=fast',
  '/api/v1/agents?limit=1&limit=2',
  '/api/v1/agents?__proto__=1',
  '/api/v1/tasks?state=done',
  '/api/v1/settlements?state=x',
  '/api/v1/settlements?person=maybe',
  '/api/v1/events?after=1',
  '/api/v1/events?newestFirst=perhaps',
  '/api/v1/audit/entries?cursor=1',
  `/api/v1/tasks?type=${'x'.repeat(3_000)}`,
])('a bad question is refused, not guessed at: %s', async (path) => {
  await using house = await openHouse()
  const answer = await house.call(path)
  expect(answer.status).toBe(422)
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(await json(answer)).toMatchObject({ code: 'invalid', status: 422 })
})

test('a cursor is good for its own list and filters only', async () => {
  await using house = await openHouse()
  const { next } = await listed(await house.call('/api/v1/agents?limit=2&state=busy'))
  expect(next).not.toBeNull()
  expect((await house.call(`/api/v1/agents?limit=9&state=busy&cursor=${next}`)).status).toBe(200)
  expect((await house.call(`/api/v1/agents?limit=2&cursor=${next}`)).status).toBe(422)
  expect((await house.call(`/api/v1/agents/settler?state=busy&cursor=${next}`)).status).toBe(422)
})

test('amounts are text in major units, in lists, in one, and in the ledger', async () => {
  await using house = await openHouse()
  const id = await addSettlement(house.store, 'row-1')
  expect((await json(await house.call('/api/v1/settlements')))['items']).toMatchObject([
    { id, amount: '12.34', currency: 'XTS' },
  ])
  const one = await json(await house.call(`/api/v1/settlements/${id}`))
  expect(one).toMatchObject({ amount: '12.34', state: 'reserved', intents: [], transfers: [] })
  expect(one).not.toHaveProperty('amountMinor')
  const transfer = {
    id: 'trf_1',
    kind: 'single',
    pendingId: null,
    debit: 'a',
    credit: 'b',
    amountMinor: 905n,
    currency: 'XTS',
    settlement: id,
  } as const
  await house.store.transact([{ kind: 'ledger.transfer', with: { transfer, wallMs: 5 } }])
  expect((await json(await house.call('/api/v1/ledger/transfers')))['items']).toMatchObject([
    { amount: '9.05', debit: 'a' },
  ])
  expect((await json(await house.call('/api/v1/ledger/accounts')))['items']).toContainEqual(
    expect.objectContaining({ code: 'a', debitsPosted: '9.05' }),
  )
  expect(await json(await house.call('/api/v1/ledger/check'))).toMatchObject({ ok: true })
})

test('the inbox pages through unknown payments, dead letters and quarantined agents, each with a way out', async () => {
  await using house = await openHouse()
  const unknown = [await addSettlement(house.store, 'row-1', true), await addSettlement(house.store, 'row-2', true)]
  house.script.agents.push(agentOf('settler', 31, 'quarantined'))
  const items: Record<string, unknown>[] = []
  for (let cursor = ''; ;) {
    const page = (await json(await house.call(`/api/v1/inbox?limit=1${cursor}`))) as unknown as {
      items: Record<string, unknown>[]
      next: string | null
    }
    expect(page.items.length).toBeLessThanOrEqual(1)
    items.push(...page.items)
    if (page.next === null) break
    cursor = `&cursor=${page.next}`
  }
  // Two agents of one type and cause are one row.
  expect(items.map(({ id, count }) => [id, count])).toEqual([
    ...unknown.map((id) => [id, 1]),
    ['settler', 2],
    ['northbank', 1],
  ])
  for (const item of items) expect(item['wayOut']).toContain(`sitter`)
  expect(await json(await house.call('/api/v1/inbox'))).toMatchObject({ next: null, items: { length: 4 } })
})

test('the inbox by cause counts what is one thing to understand', async () => {
  await using house = await openHouse()
  await addSettlement(house.store, 'row-1', true)
  await addSettlement(house.store, 'row-2', true)
  house.script.agents.push(agentOf('settler', 31, 'quarantined'))
  const { items, more } = (await json(await house.call('/api/v1/inbox?by=cause'))) as unknown as {
    items: { kind: string; count: number; ids: string[] }[]
    more: boolean
  }
  expect(items.map(({ kind, count, ids }) => [kind, count, ids.length])).toEqual([
    ['unknown-settlement', 2, 2],
    ['quarantined', 2, 1],
    ['credential', 1, 1],
  ])
  expect(more).toBe(false)
  expect((await house.call('/api/v1/inbox?by=day')).status).toBe(422)
})

test('events list oldest or newest first, and by subject', async () => {
  await using house = await openHouse()
  await addEvents(house.store, 5)
  const newest = await listed(await house.call('/api/v1/events?newestFirst=true&limit=2'))
  const older = await listed(await house.call(`/api/v1/events?newestFirst=true&limit=2&cursor=${newest.next}`))
  expect([...newest.items, ...older.items].map(({ seq }) => seq)).toEqual([5, 4, 3, 2])
  expect((await listed(await house.call('/api/v1/events?limit=1'))).items[0]!.seq).toBe(1)
  expect((await listed(await house.call('/api/v1/events?subject=nobody'))).items).toEqual([])
  const { kind, wallMs } = newest.items[0] as unknown as { kind: string; wallMs: number }
  const kinds = [kind, kind.split('.')[0]!, 'nothing.like-it']
  const counts = await Promise.all(
    kinds.map(async (one) => (await listed(await house.call(`/api/v1/events?kind=${one}`))).items.length),
  )
  expect(counts).toEqual([5, 5, 0])
  expect((await listed(await house.call(`/api/v1/events?sinceMs=${wallMs + 1}`))).items).toEqual([])
  for (const wrong of ['kind=%25', 'kind=Cell_', 'sinceMs=yesterday'])
    expect((await house.call(`/api/v1/events?${wrong}`)).status).toBe(422)
})

test('the audit pages from its first entry, and its proof is recomputed on each question', async () => {
  await using house = await openHouse()
  const entry = { actor: 'sitter', action: 'test', object: 'x', decision: 'done', facts: {} } as const
  await house.store.transact([{ kind: 'audit.append', with: { wallMs: 1, entries: [entry, entry, entry] } }])
  const first = await listed(await house.call('/api/v1/audit/entries?limit=2'))
  const rest = await listed(await house.call(`/api/v1/audit/entries?limit=2&cursor=${first.next}`))
  expect([...first.items, ...rest.items].map(({ seq }) => seq)).toEqual([1, 2, 3])
  expect(await json(await house.call('/api/v1/audit/verify'))).toMatchObject({ ok: true, entries: 3, firstBad: null })
})

test('what this version does not have is 404 by name, not an empty success', async () => {
  await using house = await openHouse()
  for (const path of [
    '/mcp',
    '/api/v1/schedules',
    '/api/v1/config/versions/7',
    '/api/v1/workflows',
    '/api/v1/export/runs',
    '/api/v1/tasks/tsk_x',
    '/api/v1/dead-letters/tsk_x',
    '/api/v1/settlements/set_x',
    '/api/v1/batches/bat_x',
    '/../../etc/passwd',
    '/assets/../../etc/passwd',
    '/assets/%2e%2e%2fpackage.json',
    '//evil.test/',
    '/api/v1/agents/settler/0x1',
  ]) {
    const answer = await house.call(path)
    expect(answer.status, path).toBe(404)
    expect(await json(answer)).toMatchObject({ code: 'not-found' })
  }
})

test('a fault in a room is told as a fault, with a request id and without its message', async () => {
  await using house = await openHouse()
  house.script.challenge = async () => {
    throw new TypeError('secret path /srv/x of process.env.TOKEN')
  }
  const answer = await house.call('/api/v1/cells/cel_0/challenge', { method: 'POST' })
  const text = await answer.text()
  expect(answer.status).toBe(500)
  expect(text).not.toMatch(/secret|TypeError|\bat \b|\/srv/)
  expect(JSON.parse(text)).toMatchObject({ code: 'bug', facts: { request: answer.headers.get('x-request-id') } })
  await expect
    .poll(async () => (await house.store.read.events({ limit: 10, after: null })).items.map(({ kind }) => kind))
    .toContain('door.fault')
})

test('a cell is asked at the moment of the question', async () => {
  await using house = await openHouse()
  expect(await json(await house.call('/api/v1/cells'))).toMatchObject({
    items: [{ id: 'cel_0', agents: 33, answeredMs: null }],
  })
  const answer = await house.post('/api/v1/cells/cel_0/challenge', {})
  expect(await json(answer)).toMatchObject({ cell: 'cel_0', agents: ['settler/0001 in cel_0'] })
  expect((await house.post('/api/v1/cells/cel_9/challenge', {})).status).toBe(404)
})
