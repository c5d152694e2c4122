import { afterEach, expect, test } from 'vitest'
import type { SwitchOn } from '../../src/model/model.ts'
import { grantFor, type UpstreamRules } from '../gateway/harness.ts'
import { openUpstream, type TestUpstream } from '../gateway/upstream.ts'
import { openRotationWorld, rotation, rulesOf, until, type RotationWorld } from './rotation/world.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const [first, second] = ['secret-of-member-a', 'secret-of-member-b']

const world = async (
  switchOn: readonly SwitchOn[] = ['401', '403', 'expiry'],
  more: Partial<UpstreamRules> = {},
): Promise<RotationWorld & { upstream: TestUpstream; by: () => string[] }> => {
  const upstream = await openUpstream()
  const plain = rulesOf(upstream, rotation({ rotator: { by: 'person' } }), ['bank-a', 'bank-b'])
  const rules = {
    ...plain,
    upstreams: { bank: { ...plain.upstreams['bank']!, ...more } },
    credentials: { bank: { ...plain.credentials['bank']!, switchOn } },
  }
  const opened = await openRotationWorld(upstream as never, rules)
  closing.push(opened.close)
  await opened.set(first, 'bank-a')
  await opened.set(second, 'bank-b')
  const by = (): string[] => upstream.seen.map(({ headers }) => String(headers['authorization']).slice(-1))
  return { ...opened, upstream, by }
}

test('a member that is refused lets the next one go first, and every switch is told', async () => {
  const { upstream, call, by, sitter } = await world()
  upstream.answer((seen, response) => {
    response.writeHead(seen.headers['authorization'] === `Bearer ${first}` ? 401 : 200)
    response.end()
  })
  expect((await call()).status).toBe(401)
  expect((await call()).status).toBe(200)
  expect((await call()).status).toBe(200)
  expect(by()).toEqual(['a', 'b', 'b'])
  const notes = await sitter.link.vaultNotes(0)
  expect(notes.map(({ kind, message }) => [kind, message])).toEqual([
    ['credential.switched', 'calls go on with bank-b instead of bank-a'],
  ])
})

/** Two a minute of each key, all at once. */
const twoOfEach: UpstreamRules['limits'] = [
  {
    per: 'credential',
    rate: { count: 2, windowMs: 60_000 },
    burst: 2,
    guard: 0,
    window: 'sliding',
    match: [],
    weights: [],
  },
]

test('a member that must wait for its own limit lets the next one go first, where that is wanted', async () => {
  const { call, by } = await world(['limit'], { limits: twoOfEach, parkAfterMs: 300 })
  for (let time = 0; time < 4; time += 1) expect((await call()).status).toBe(201)
  expect(by()).toEqual(['a', 'a', 'b', 'b'])
  expect((await call()).status).toBe(429)
  const other = await world(['401'], { limits: twoOfEach, parkAfterMs: 300 })
  const answers = [await other.call(), await other.call(), await other.call()]
  expect(answers.map(({ status }) => status)).toEqual([201, 201, 429])
})

test('a member of which nothing is left by its provider’s word lets the next one go first', async () => {
  const { upstream, call, by } = await world(['limit'], { parkAfterMs: 300 })
  const left = new Map<string, number>()
  upstream.answer(({ headers }, response) => {
    const key = String(headers['authorization'])
    left.set(key, (left.get(key) ?? 2) - 1)
    const told = { 'ratelimit-limit': '2', 'ratelimit-remaining': String(left.get(key)), 'ratelimit-reset': '60' }
    response.writeHead(200, told).end('{}')
  })
  for (let time = 0; time < 4; time += 1) expect((await call()).status).toBe(200)
  expect(by()).toEqual(['a', 'a', 'b', 'b'])
})

test('a member that was told to wait lets the next one go first, and so does one that is forbidden', async () => {
  const { upstream, call, by } = await world(['limit'])
  upstream.answer(({ headers }, response) => {
    response.writeHead(headers['authorization'] === `Bearer ${first}` ? 429 : 200, { 'retry-after': '60' }).end()
  })
  expect([(await call()).status, (await call()).status]).toEqual([429, 200])
  expect(by()).toEqual(['a', 'b'])
  const other = await world(['403'])
  other.upstream.answer(({ headers }, response) => {
    response.writeHead(headers['authorization'] === `Bearer ${first}` ? 403 : 200).end()
  })
  expect([(await other.call()).status, (await other.call()).status]).toEqual([403, 200])
  expect(other.by()).toEqual(['a', 'b'])
  expect((await other.sitter.link.vaultNotes(0)).map(({ message }) => message)).toEqual([
    'calls go on with bank-b instead of bank-a',
  ])
  // Where it is not wanted, the same answer says nothing of a key.
  const third = await world(['401'])
  third.upstream.answer((_, response) => response.writeHead(403).end())
  expect([(await third.call()).status, (await third.call()).status]).toEqual([403, 403])
  expect(third.by()).toEqual(['a', 'a'])
})

/** A pool whose first key is made by its provider and ends by its word; no other one is made. */
const endingWorld = async (switchOn: readonly SwitchOn[], livesMs: number) => {
  const upstream = await openUpstream()
  const base = rotation()
  const rotator = { ...base.rotator, list: null, test: null, whoami: null, revoke: null }
  const rule = rotation({ rotator: rotator as typeof base.rotator, canaryMs: 0 })
  const rules = rulesOf(upstream, rule, ['bank-a', 'bank-b'])
  const opened = await openRotationWorld(upstream as never, {
    ...rules,
    credentials: { bank: { ...rules.credentials['bank']!, switchOn } },
  })
  closing.push(opened.close)
  const made = { endsMs: 0 }
  upstream.answer(({ method, headers }, response) => {
    if (method === 'POST') {
      if (made.endsMs > 0) return void response.writeHead(503).end()
      made.endsMs = Date.now() + livesMs
      const expiresAt = new Date(made.endsMs).toISOString()
      return void response.writeHead(201).end(JSON.stringify({ id: 'made', secret: 'made-for-a', expiresAt }))
    }
    const isOver = headers['authorization'] === 'Bearer made-for-a' && Date.now() >= made.endsMs
    response.writeHead(isOver ? 401 : 200).end()
  })
  await opened.set(first, 'bank-a')
  await opened.set(second, 'bank-b')
  await opened.sitter.link.vaultRenew('rotate', 'bank-a', null, 'test')
  await until(
    () => opened.view('bank-a'),
    ({ active }) => active === 2,
  )
  /** Keys of the calls by then, the agents' own. */
  const by = (): string[] =>
    upstream.seen.filter(({ method }) => method === 'GET').map(({ headers }) => String(headers['authorization']))
  return { ...opened, made, by }
}

test('a member that ends by its provider’s word lets the next one go first from then on, and no call shows it', async () => {
  const { call, by, made, sitter } = await endingWorld(['expiry'], 3_000)
  expect((await call()).status).toBe(200)
  expect(by()).toEqual(['Bearer made-for-a'])
  expect(Date.now(), 'a machine that is too slow for this').toBeLessThan(made.endsMs)
  while (Date.now() < made.endsMs) await new Promise((resolve) => setTimeout(resolve, 20))
  for (let time = 0; time < 5; time += 1) expect((await call()).status).toBe(200)
  expect(by().slice(1)).toEqual(Array.from({ length: 5 }, () => `Bearer ${second}`))
  const notes = await sitter.link.vaultNotes(0)
  expect(notes.filter(({ kind }) => kind === 'credential.switched').map(({ message }) => message)).toEqual([
    'calls go on with bank-b instead of bank-a',
  ])
})

test('without that rule the answer of the provider is waited for', async () => {
  const { call, by, made } = await endingWorld(['401'], 500)
  while (Date.now() < made.endsMs) await new Promise((resolve) => setTimeout(resolve, 20))
  expect([(await call()).status, (await call()).status]).toEqual([401, 200])
  expect(by()).toEqual(['Bearer made-for-a', `Bearer ${second}`])
})

test('who looks at the gate switches nothing: a switch is told with the call that went by it', async () => {
  const { upstream, call, sitter } = await world()
  upstream.answer((_, response) => void response.writeHead(401).end())
  expect((await call()).status).toBe(401)
  for (let look = 0; look < 3; look += 1) await sitter.link.status()
  expect(await sitter.link.vaultNotes(0)).toEqual([])
  await call()
  expect(await sitter.link.vaultNotes(0)).toHaveLength(1)
})

test('when all members are refused they are still tried: the answer is the provider’s and no guess', async () => {
  const { upstream, call, by } = await world()
  upstream.answer((_, response) => {
    response.writeHead(401)
    response.end()
  })
  for (let time = 0; time < 8; time += 1) expect((await call()).status).toBe(401)
  expect(new Set(by())).toEqual(new Set(['a', 'b']))
})

test('a payment whose outcome is open keeps its member, also when another one would go first', async () => {
  const { upstream, call, sitter, by } = await world()
  const subject = 'set_open'
  upstream.answer((_, response, request) => void (response.destroyed || request.socket.destroy()))
  const lost = grantFor({}, { subject })
  sitter.link.grant([lost])
  expect((await sitter.callOf(lost.grant)).outcome.kind).toBe('lost')
  // Member a is refused for something else, so that b goes first from now on.
  upstream.answer((_, response) => {
    response.writeHead(401)
    response.end()
  })
  await call()
  upstream.answer((_, response) => {
    response.writeHead(201)
    response.end()
  })
  const again = grantFor({}, { subject })
  const other = grantFor()
  sitter.link.grant([again])
  expect((await sitter.callOf(again.grant)).credential).toBe('bank-a')
  sitter.link.grant([other])
  expect((await sitter.callOf(other.grant)).credential).toBe('bank-a')
  expect(by().slice(0, 3)).toEqual(['a', 'a', 'a'])
})

test('a 403 that is a limit says nothing of the member that was told to wait', async () => {
  const { upstream, call, by } = await world()
  upstream.answer((_, response) => void response.writeHead(403, { 'retry-after': '1' }).end())
  await call()
  upstream.answer((_, response) => void response.writeHead(200).end())
  expect((await call()).status).toBe(200)
  expect(by()).toEqual(['a', 'a'])
})
