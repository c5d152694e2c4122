/** Lines of the list of hostile inputs that no room's own test keeps; table.test.ts says where the others are. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import { readRows } from '../../src/settle/rows.ts'
import { bounds, checkSettle, lineReader } from '../../src/wire/wire.ts'
import { openHouse, token } from '../doors/http/house.ts'
import { answered, ask, nextGrant, tell, world } from '../settle/world.ts'

const sources = join(import.meta.dirname, '..', '..', 'src')
const files = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
const linesWith = (pattern: RegExp): string[] =>
  files.flatMap((name) =>
    readFileSync(join(sources, name), 'utf8')
      .split('\n')
      .filter((line) => pattern.test(line))
      .map((line) => `${name}: ${line.trim()}`),
  )

test('B1: no pattern of a user is ever compiled: each RegExp is made of our own text', () => {
  // Of constants and numbers of ours, to look for something in what the kernel says or a terminal must not see; another
  // place must be looked at first.
  const files = new Set(linesWith(/new RegExp\(|[^.\w]RegExp\(/).map((line) => line.split(':')[0]))
  expect(files).toEqual(new Set(['cell/limits/open.ts', 'doors/cli/text.ts', 'std/pressure.ts']))
})

test('B1: routes of a config and event filters are matched in no time, whatever they are', async () => {
  const evil = `${'a'.repeat(28)}!`
  const startedMs = performance.now()
  expect(() =>
    parseConfig({ name: 's', agents: {}, upstreams: { u: { allow: [`GET /(a+)+$/${evil}`] } } }, '/s'),
  ).toThrow()
  await using house = await openHouse()
  for (const filter of ['(a+)+$', evil, '('.repeat(500)])
    expect((await house.call(`/api/v1/events?subject=${encodeURIComponent(filter)}`)).status).toBe(200)
  expect(performance.now() - startedMs).toBeLessThan(2_000)
})

test.each([';reboot', '$(id)', '`id`', 'a\nb', '-rf', '../up', 'a b', '', '__proto__', 'A', `${'a'.repeat(64)}`])(
  'B2: an agent type named %j is refused by the config',
  (name) => {
    const config = (type: string): unknown => ({
      name: 's',
      agents: Object.fromEntries([[type, { run: { module: './a.ts' }, count: 1 }]]),
    })
    expect(() => parseConfig(config('settler'), '/s')).not.toThrow()
    expect(() => parseConfig(config(name), '/s')).toThrow(/config/)
  },
)

test('B2: nothing is ever started through a shell', () => {
  expect(linesWith(/shell:\s*(true|['"])|execSync\(|\bexec\b.*from 'node:child_process'/)).toEqual([])
})

test('B3: no answer of the API carries a variable of the environment', async () => {
  process.env['SITTER_TEST_CANARY'] = 'canary-77ab0e31'
  try {
    await using house = await openHouse()
    for (const { method, path } of house.door.routes) {
      if (method !== 'GET' || path.includes('stream') || path.endsWith('/events')) continue
      const answer = await house.call(path.replaceAll(/:\w+(\{[^}]*\})?/g, 'x'), { signal: AbortSignal.timeout(5_000) })
      expect(await answer.text()).not.toContain('canary-77ab0e31')
    }
  } finally {
    delete process.env['SITTER_TEST_CANARY']
  }
})

test.each([
  '/assets/../../package.json',
  '/assets/%2e%2e%2fpackage.json',
  '/assets/%252e%252e%252fpackage.json',
  '/assets/..%5cpackage.json',
  '/assets/%00',
  '//etc/passwd',
  '/assets//etc/passwd',
  '/assets/%2fetc%2fpasswd',
])('B6: the page gives out nothing beside its own assets: %s', async (path) => {
  await using house = await openHouse()
  // By hand: fetch would tidy the path up before it is sent.
  const { request } = await import('node:http')
  const { port } = new URL(house.door.url)
  const status = await new Promise<number>((resolve, reject) => {
    request({ port, host: '127.0.0.1', path, headers: { authorization: `Bearer ${token}` } }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode ?? 0))
    })
      .once('error', reject)
      .end()
  })
  expect([400, 401, 403, 404, 422]).toContain(status)
})

test('B11: an item of a batch that brings an id, an owner or another agent is refused alone, and the rest is taken', async () => {
  await using house = await openHouse()
  const lines = [
    { type: 'settle', payload: 1, key: 'a' },
    { type: 'settle', payload: 1, key: 'b', agent: 'settler/0007' },
    { type: 'settle', payload: 1, key: 'c', id: 'tsk_mine' },
    { type: 'settle', payload: 1, key: 'd', owner: 'other' },
    { type: 'settle', payload: 1, key: 'e' },
  ]
  const answer = await house.call('/api/v1/tasks:batch', {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
  })
  const told = (await answer.text()).trimEnd().split('\n')
  expect(told.map((line) => (JSON.parse(line) as { code?: string; outcome?: string }).code ?? 'taken')).toEqual([
    'taken',
    'invalid',
    'invalid',
    'invalid',
    'taken',
    'taken',
  ])
  expect(JSON.parse(told.at(-1)!)).toMatchObject({ end: true, created: 2, refused: 3 })
})

test('B22: a million keys and sixteen megabytes of digits cost their own length and are refused', async () => {
  const seen: string[] = []
  const read = lineReader(bounds, { object: () => seen.push('object'), refused: (code) => seen.push(code) })
  const keys = `{${Array.from({ length: 1_000_000 }, (_, index) => `"k${index}":1`).join(',')}}\n`
  const startedMs = performance.now()
  read(Buffer.from(keys))
  read(Buffer.from(`{"n":${'9'.repeat(16 * 1_048_576)}}\n`))
  expect(seen).toEqual(['frame-too-large', 'frame-too-large'])
  await using house = await openHouse()
  for (const body of [keys, `{"type":"settle","payload":${'9'.repeat(2 * 1_048_576)}}`]) {
    const answer = await house.call('/api/v1/tasks', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    expect(answer.status).toBe(413)
  }
  expect(performance.now() - startedMs).toBeLessThan(3_000)
})

const payment = {
  agent: 'settler/0001',
  attempt: 'att_1',
  reference: 'r-1',
  payee: 'p',
  amount: '1.00',
  currency: 'XTS',
}

test.each([2 ** 53, 0.1, Number.NaN, null, {}, ['1.00'], true])(
  'B23: an agent that asks to pay %j instead of a text is refused',
  (amount) => {
    expect(checkSettle({ ...payment, amount }).ok).toBe(false)
  },
)

test('B24: an id of a megabyte, one with half a character and one with an end of line are refused on the wire', () => {
  for (const reference of ['x'.repeat(1_048_576), 'r\ud800', 'r\n1', 'r\u0000'])
    expect(checkSettle({ ...payment, reference }).ok).toBe(false)
})

const invisible = ['A-1 ', 'A-1\u200b', '\ufeffA-1', 'A-1\u00a0', 'A\u2060-1', '\u202eA-1', 'Jose\u0301', 'Jos\u00e9']

test('B24: references that differ only by what is invisible are never two payments of a file', () => {
  for (const twin of invisible) {
    const { rows, faults } = readRows(`reference,payee,amount,currency\nA-1,Ann,1.00,XTS\n${twin},Ann,1.00,XTS\n`)
    expect({ twin, two: faults.length === 0 && new Set(rows.map((row) => row.reference)).size === 2 }).toEqual({
      twin,
      two: false,
    })
  }
})

test('B24: nor when an agent asks for them: each is refused by name, and the bank is asked for one', async () => {
  const at = world()
  const first = at.settle.request(ask('A-1'), 'settler/0001')
  const grant = await nextGrant(at, 1)
  for (const reference of [...invisible, '', 'x'.repeat(121)])
    await expect(at.settle.request(ask(reference), 'settler/0001'), reference).rejects.toMatchObject({
      code: 'payment-invalid',
      kind: 'refused',
      facts: { field: 'reference' },
    })
  for (const text of ['Ann\u200b', '\u202eAnn', 'Ann ', 'Jose\u0301', 'An\u0007n']) {
    for (const field of ['payee', 'memo'])
      await expect(at.settle.request(ask(`b-${field}`, { [field]: text }), 'settler/0001')).rejects.toMatchObject({
        code: 'payment-invalid',
        facts: { field },
      })
  }
  await tell(at, grant, answered(201))
  expect(await first).toMatchObject({ state: 'settled' })
  await at.clock.move(10_000)
  expect(at.grants).toHaveLength(1)
  expect((await at.store.read.settlements({}, { limit: 9, after: null })).items).toHaveLength(1)
})

test('B24: what everybody can see is not the same: case, a dot at the end', async () => {
  const at = world()
  const asked = ['A-1', 'a-1', 'A-1.'].map((reference) => at.settle.request(ask(reference), 'settler/0001'))
  await nextGrant(at, 3)
  for (const grant of at.grants) await tell(at, grant, answered(201))
  expect(new Set((await Promise.all(asked)).map(({ settlement }) => settlement)).size).toBe(3)
})
