import { expect, test } from 'vitest'
import { addSettlement, json, openHouse, token, type TestHouse } from './house.ts'

const auditOf = async (house: TestHouse): Promise<Record<string, unknown>[]> =>
  (await house.store.read.audit(1, 1_000)).map(({ entry }) => JSON.parse(entry) as Record<string, unknown>)
const tasksOf = async (house: TestHouse): Promise<number> =>
  (await house.store.read.tasks({}, { limit: 1_000, after: null })).items.length

test('a task is taken, audited with its actor in the same commit, and described', async () => {
  await using house = await openHouse()
  const answer = await house.post('/api/v1/tasks', { type: 'settle', payload: { row: 1 } })
  expect(answer.status).toBe(201)
  const { id } = await json(answer)
  expect(await json(await house.call(`/api/v1/tasks/${String(id)}`))).toMatchObject({
    id,
    type: 'settle',
    state: { state: 'ready' },
    history: [],
  })
  expect(await auditOf(house)).toMatchObject([{ actor: 'token:operator', action: 'task.submit', decision: 'done' }])
})

test('fifty posts at once with one Idempotency-Key make one task; another body is a conflict', async () => {
  await using house = await openHouse()
  const post = (payload: unknown): Promise<Response> =>
    house.post('/api/v1/tasks', { type: 'settle', payload }, { 'idempotency-key': 'once' })
  const answers = await Promise.all(Array.from({ length: 50 }, () => post(1).then(json)))
  expect(new Set(answers.map(({ id }) => id)).size).toBe(1)
  expect(await tasksOf(house)).toBe(1)
  expect((await post(2)).status).toBe(409)
  const again = await post(1)
  expect(again.headers.get('idempotency-replayed')).toBe('true')
  expect(again.status).toBe(201)
  expect(await json(again)).toEqual(answers[0])
  expect((await house.post('/api/v1/swarm/down', {}, { 'idempotency-key': 'once' })).status).toBe(409)
  expect(house.told).toEqual([])
})

test('a refused write is not remembered: the same key may try again', async () => {
  await using house = await openHouse()
  const first = await house.post('/api/v1/tasks', { type: 'nonsense', payload: 1 }, { 'idempotency-key': 'k' })
  expect(first.status).toBe(422)
  expect(await json(first)).toMatchObject({ code: 'unknown-task-type' })
  expect((await house.post('/api/v1/tasks', { type: 'settle', payload: 1 }, { 'idempotency-key': 'k' })).status).toBe(
    201,
  )
})

test.each([
  ['an id', { id: 'tsk_mine' }],
  ['a state', { state: 'succeeded' }],
  ['an attempt', { attempt: 'att_1' }],
  ['a fence', { fence: 9 }],
  ['an owner', { owner: 'me' }],
  ['a birthday', { createdAt: 1 }],
  ['a batch', { batch: 'bat_1' }],
  ['a constructor', { constructor: {} }],
  ['a float', { priority: 1.5 }],
  ['a far priority', { priority: 10 }],
  ['a number as type', { type: 1 }],
  ['an empty key', { key: '' }],
])('a task that brings %s is refused and nothing is taken', async (_name, extra) => {
  await using house = await openHouse()
  const answer = await house.post('/api/v1/tasks', { type: 'settle', payload: 1, ...extra })
  expect(answer.status).toBe(422)
  expect(await json(answer)).toMatchObject({ code: 'invalid' })
  expect(await tasksOf(house)).toBe(0)
})

const text = (house: TestHouse, body: string, headers: Record<string, string> = {}): Promise<Response> =>
  house.call('/api/v1/tasks', { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } })

test.each(['"__proto__"', '"\\u005f_proto__"', '"__pr\\u006fto__"', '"\\u005F\\u005Fproto\\u005f_"'])(
  'the key %s is dropped wherever it stands',
  async (key) => {
    await using house = await openHouse()
    const top = await text(house, `{"type":"settle",${key}:{"type":"x"},"payload":{"a":1,${key}:{"polluted":true}}}`)
    expect(top.status).toBe(201)
    const { id } = await json(top)
    expect(JSON.parse((await house.store.read.task(String(id)))!.payload)).toEqual({ a: 1 })
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  },
)

test('a deed asked twenty times at once with one key is done once, and all get its answer', async () => {
  await using house = await openHouse()
  const restarted = Promise.withResolvers<void>()
  house.script.restarting = restarted.promise
  const restart = (): Promise<Response> =>
    house.post('/api/v1/agents/settler/1/restart', {}, { 'idempotency-key': 'again' })
  const answers = Promise.all(Array.from({ length: 20 }, restart))
  await expect.poll(() => house.told.length).toBeGreaterThan(0)
  expect((await house.call('/livez')).status).toBe(200)
  expect((await house.post('/api/v1/agents/settler/2/restart', {}, { 'idempotency-key': 'again' })).status).toBe(409)
  restarted.resolve()
  expect(new Set((await answers).map(({ status }) => status))).toEqual(new Set([202]))
  expect(house.told).toHaveLength(1)
})

test.each([
  ['garbage', 'not json', 422],
  ['nothing', '', 422],
  ['a list', '[]', 422],
  ['null', 'null', 422],
  ['a text', '"x"', 422],
  ['deep nesting', `{"type":"settle","payload":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, 422],
  ['65 levels in an unclosed body', '['.repeat(65), 422],
  ['a number that would be rounded', '{"type":"settle","payload":{"id":9007199254740993}}', 422],
  ['a number beyond all bounds', '{"type":"settle","payload":1e999}', 422],
  ['more than 1 MiB', `{"type":"settle","payload":"${'x'.repeat(1_048_576)}"}`, 413],
  ['a payload over its own bound', `{"type":"settle","payload":"${'x'.repeat(300_000)}"}`, 413],
])('a body that is %s is refused', async (_name, body, status) => {
  await using house = await openHouse()
  const answer = await text(house, body)
  expect(answer.status).toBe(status)
  expect((await json(answer))['code']).toBe(status === 413 ? 'too-large' : 'invalid')
  expect(await tasksOf(house)).toBe(0)
  expect(house.faults).toEqual([])
})

test('depth within strings is no depth, and 64 levels pass', async () => {
  await using house = await openHouse()
  expect((await text(house, `{"type":"settle","payload":"${'['.repeat(200)}\\"${'{'.repeat(200)}"}`)).status).toBe(201)
  expect((await text(house, `{"type":"settle","payload":${'['.repeat(63)}${']'.repeat(63)}}`)).status).toBe(201)
})

test('an endless body is cut at the bound; a compressed one, another type and bad UTF-8 are refused', async () => {
  await using house = await openHouse()
  const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536).fill(32)) })
  const init = {
    method: 'POST',
    body: endless,
    duplex: 'half',
    headers: { 'content-type': 'application/json' },
  } as RequestInit
  const outcome = await house.call('/api/v1/tasks', init).then(
    (answer) => answer.status,
    () => 'cut',
  )
  expect([413, 'cut']).toContain(outcome)
  expect((await text(house, '{}', { 'content-encoding': 'gzip' })).status).toBe(400)
  expect((await text(house, '{"type":"settle"}', { 'content-type': 'text/plain' })).status).toBe(400)
  const bad = await house.call('/api/v1/tasks', {
    method: 'POST',
    body: new Uint8Array([0x22, 0xff, 0x22]),
    headers: { 'content-type': 'application/json' },
  })
  expect(bad.status).toBe(422)
  expect((await house.call('/livez')).status).toBe(200)
})

test('tasks are cancelled once, retried only where that means something, and dead letters redriven', async () => {
  await using house = await openHouse()
  const { id } = await json(await house.post('/api/v1/tasks', { type: 'settle', payload: 1 }))
  expect((await house.post(`/api/v1/tasks/${String(id)}/retry`, {})).status).toBe(409)
  expect((await house.post(`/api/v1/dead-letters/${String(id)}/redrive`, {})).status).toBe(404)
  await house.store.transact([
    {
      kind: 'task.move',
      with: { task: String(id), event: { event: 'give-up', reason: 'permanent' }, orNothing: false, wallMs: 1 },
    },
  ])
  expect((await json(await house.call('/api/v1/dead-letters')))['items']).toMatchObject([{ id }])
  expect(await json(await house.post(`/api/v1/dead-letters/${String(id)}/redrive`, {}))).toMatchObject({
    state: { state: 'ready' },
  })
  expect(await json(await house.post(`/api/v1/tasks/${String(id)}/cancel`, {}))).toMatchObject({
    state: { state: 'cancelled' },
  })
  expect((await house.post(`/api/v1/tasks/${String(id)}/cancel`, {})).status).toBe(409)
  expect((await house.post(`/api/v1/tasks/${String(id)}/cancel`, { force: true })).status).toBe(422)
  expect((await auditOf(house)).map(({ action }) => action)).toEqual(['task.submit', 'task.redrive', 'task.cancel'])
})

const batch = async (
  house: TestHouse,
  body: NonNullable<RequestInit['body']>,
  headers: Record<string, string> = {},
): Promise<Record<string, unknown>[]> => {
  const answer = await house.call('/api/v1/tasks:batch', {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/x-ndjson', ...headers },
    duplex: 'half',
  } as RequestInit)
  expect(answer.status).toBe(200)
  return (await answer.text())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}
const line = (payload: unknown, extra: object = {}): string =>
  `${JSON.stringify({ type: 'settle', payload, ...extra })}\n`

test('lines that end as on Windows are the same lines: the same keys, the same payloads', async () => {
  await using house = await openHouse()
  const body = [line({ text: 'a' }, { key: 'k' }), line({ text: 'b' })].join('\n')
  await batch(house, body)
  const again = await batch(house, body.replaceAll('\n', '\r\n'))
  expect(again.slice(0, 2).map(({ outcome }) => outcome)).toEqual(['exists', 'created'])
  expect(again.at(-1)).toMatchObject({ items: 2, refused: 0 })
})

test('a batch of lines answers each in order, takes the good ones, and ends with a count', async () => {
  await using house = await openHouse()
  const body = [
    line(1),
    'garbage\n',
    '\n',
    line(2, { key: 'k' }),
    line(3, { id: 'tsk_1' }),
    line(9, { key: 'k' }),
    line(2, { key: 'k' }),
    line('x').trimEnd(),
  ]
  const answers = await batch(house, body.join(''))
  expect(answers.map(({ outcome, code }) => outcome ?? code)).toEqual([
    'created',
    'invalid',
    'created',
    'invalid',
    'task-exists-with-different',
    'exists',
    'created',
    undefined,
  ])
  expect(answers.slice(0, 7).map(({ item }) => item)).toEqual([1, 2, 3, 4, 5, 6, 7])
  expect(answers.at(-1)).toEqual({ end: true, items: 7, created: 3, existed: 1, refused: 3 })
})

test('a batch sent twice under one key makes its tasks once', async () => {
  await using house = await openHouse()
  const body = Array.from({ length: 1_200 }, (_, index) => line(index)).join('')
  expect((await batch(house, body, { 'idempotency-key': 'file' })).at(-1)).toMatchObject({ created: 1_200, existed: 0 })
  expect((await batch(house, body, { 'idempotency-key': 'file' })).at(-1)).toMatchObject({ created: 0, existed: 1_200 })
})

test('a line over its bound is refused alone, however it is cut into chunks', async () => {
  await using house = await openHouse()
  const long = new TextEncoder().encode(`${line(1)}"${'x'.repeat(1_200_000)}"\n${line(2)}`)
  const chunks = Array.from({ length: Math.ceil(long.length / 50_000) }, (_, index) =>
    long.subarray(index * 50_000, (index + 1) * 50_000),
  )
  const answers = await batch(
    house,
    new ReadableStream({
      pull: (controller) => {
        const next = chunks.shift()
        if (next) controller.enqueue(next)
        else controller.close()
      },
    }),
  )
  expect(answers.map(({ outcome, code }) => outcome ?? code)).toEqual(['created', 'too-large', 'created', undefined])
})

test('deeds on agents name who asked, one or a whole type', async () => {
  await using house = await openHouse()
  expect((await house.post('/api/v1/agents/settler/5/release', {})).status).toBe(202)
  expect((await house.call('/api/v1/agents/notifier/restart', { method: 'POST' })).status).toBe(202)
  expect((await house.post('/api/v1/agents/nobody/restart', {})).status).toBe(404)
  expect(house.told).toEqual([
    { deed: 'release', with: { agents: ['settler/0005'], actor: 'token:operator' } },
    { deed: 'restart', with: { agents: ['notifier/0009', 'notifier/0010', 'notifier/0011'], actor: 'token:operator' } },
  ])
})

test('a payment file is passed on whole, its faults come back, and a misspelt dryRun pays nothing', async () => {
  await using house = await openHouse()
  const send = (query: string, body = 'reference,payee\n'): Promise<Response> =>
    house.call(`/api/v1/batches?${query}`, { method: 'POST', body, headers: { 'content-type': 'text/csv' } })
  expect((await send('name=a.csv&channel=northbank&dryRun=1')).status).toBe(200)
  expect((await send('name=a.csv')).status).toBe(201)
  for (const query of ['dryRun=yes', 'dryrun=true', 'dry-run=true', 'dryRun='])
    expect((await send(query)).status).toBe(422)
  const wrong = await send('name=w', 'wrong')
  expect(await json(wrong)).toMatchObject({
    code: 'file-invalid',
    facts: { faults: ['line 2: amount', 'line 3: payee'] },
  })
  expect(house.told).toMatchObject([
    { with: { name: 'a.csv', channel: 'northbank', dryRun: true, actor: 'token:operator' } },
    { with: { channel: null, dryRun: false } },
    { deed: 'batch' },
  ])
  expect((await house.post('/api/v1/batches', {})).status).toBe(400)
})

test('a person resolves a settlement with evidence; without it, or otherwise, nothing is passed on', async () => {
  await using house = await openHouse()
  const id = await addSettlement(house.store, 'row-1', true)
  for (const body of [
    {},
    { as: 'settled' },
    { as: 'settled', evidence: '' },
    { as: 'failed', evidence: 'x' },
    { as: 'settled', evidence: 'x', state: 'settled' },
  ]) {
    expect((await house.post(`/api/v1/settlements/${id}/resolve`, body)).status).toBe(422)
  }
  expect(house.told).toEqual([])
  expect(
    (await house.post(`/api/v1/settlements/${id}/resolve`, { as: 'absent', evidence: 'statement of 3 May' })).status,
  ).toBe(200)
  expect(house.told).toEqual([
    {
      deed: 'resolve',
      with: { settlement: id, order: 'resolve', as: 'absent', why: 'statement of 3 May', actor: 'token:operator' },
    },
  ])
})

test('a credential goes on sealed, and its name and text are checked', async () => {
  await using house = await openHouse()
  for (const body of [
    { name: '../x', sealed: 'AAAA' },
    { name: 'northbank', sealed: 'plain text!' },
    { name: 'northbank', value: 'secret' },
  ]) {
    expect((await house.post('/api/v1/credentials', body)).status).toBe(422)
  }
  const answer = await house.post('/api/v1/credentials', { name: 'northbank', sealed: 'sealed:v1:QUJD' })
  expect(await json(answer)).toEqual({ name: 'northbank', version: 2, fingerprint: 'ab12' })
  expect(await auditOf(house)).toMatchObject([
    { actor: 'token:operator', action: 'credential.set', object: 'northbank' },
  ])
  expect(JSON.stringify(await auditOf(house))).not.toContain('QUJD')
})

test('a credential is rotated, replaced and said to be revoked by its name, each with its audit entry before it', async () => {
  await using house = await openHouse()
  const at = '/api/v1/credentials/northbank'
  expect(await json(await house.call(at))).toMatchObject({
    name: 'northbank',
    phase: 'idle',
    versions: [{ version: 1 }],
  })
  expect((await house.post(`${at}/rotate`, {})).status).toBe(202)
  expect((await house.post(`${at}/compromised`, {})).status).toBe(202)
  expect((await house.post(`${at}/revoke`, { version: 3 })).status).toBe(200)
  expect(house.told.map(({ deed }) => deed)).toEqual(['vault.rotate', 'vault.compromised', 'vault.revoke'])
  expect(await auditOf(house)).toMatchObject([
    { action: 'credential.rotate', object: 'northbank', decision: 'allowed' },
    { action: 'credential.compromised', object: 'northbank' },
    { action: 'credential.revoke', object: 'northbank@3' },
  ])
  for (const [path, body, status] of [
    ['/api/v1/credentials/nobody/rotate', {}, 404],
    [`${at}/revoke`, {}, 422],
    [`${at}/revoke`, { version: 0 }, 422],
    [`${at}/rotate`, { now: true }, 422],
  ] as const)
    expect([path, (await house.post(path, body)).status]).toEqual([path, status])
})

test('down passes the patience on, once, and refuses what is no duration', async () => {
  await using house = await openHouse()
  for (const within of ['soon', '2d', 30, ''])
    expect((await house.post('/api/v1/swarm/down', { within })).status).toBe(422)
  expect((await house.post('/api/v1/swarm/down', { within: '5s' })).status).toBe(202)
  expect(
    (await house.call('/api/v1/swarm/down', { method: 'POST', headers: { authorization: `bearer ${token}` } })).status,
  ).toBe(202)
  expect(house.told.map((told) => told.with)).toEqual([
    { withinMs: 5_000, actor: 'token:operator' },
    { withinMs: 30_000, actor: 'token:operator' },
  ])
  expect(await auditOf(house)).toMatchObject([
    { action: 'swarm.down', facts: { withinMs: 5_000 } },
    { action: 'swarm.down' },
  ])
})

test('an export is complete over many pages and named in the audit before its first line', async () => {
  await using house = await openHouse()
  await batch(house, Array.from({ length: 2_300 }, (_, index) => line(index)).join(''))
  const answer = await house.call('/api/v1/export/tasks')
  const lines = (await answer.text())
    .trimEnd()
    .split('\n')
    .map((one) => (JSON.parse(one) as { id: string }).id)
  expect(lines).toHaveLength(2_300)
  expect(new Set(lines).size).toBe(2_300)
  expect((await auditOf(house)).at(-1)).toMatchObject({
    actor: 'token:operator',
    action: 'export.read',
    object: 'tasks',
  })
  for (const kind of ['attempts', 'settlements', 'transfers', 'audit'])
    expect((await house.call(`/api/v1/export/${kind}`)).status).toBe(200)
})
