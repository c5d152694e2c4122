/** Another account of one provider, before a provider that knows both and keeps its own log. */
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { Rules } from '../../src/gateway/gateway.ts'
import { untilOpen } from '../vault/rotation/world.ts'
import { fetchBy, newPlace, setSecret, startGate, startSitter, type Fetched, type TestSitter } from './harness.ts'
import { accountRules, openTwoAccounts } from './two-accounts.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const detailOf = ({ body }: Fetched): string => (JSON.parse(body) as { detail: string }).detail

const world = async () => {
  const provider = await openTwoAccounts()
  const place = newPlace()
  closing.push(() => place.remove(), provider.close)
  const door = join(place.directory, 'cell.sock')
  let epoch = 0
  let end: (() => Promise<void>) | undefined
  closing.push(() => end?.())
  const now: { sitter: TestSitter; lines: readonly string[] } = { sitter: undefined as never, lines: [] }
  const start = async (rules: Rules = accountRules(provider)): Promise<void> => {
    await end?.()
    const { gate, lines } = await startGate(place, rules)
    const sitter = startSitter(place, (epoch += 1))
    await sitter.linked()
    sitter.link.openCell({ cell: 'c', socketPath: door, type: 'payer', agents: ['payer/0001'], upstreams: ['bank'] })
    await untilOpen(door)
    Object.assign(now, { sitter, lines })
    end = async () => {
      await sitter.link.stop()
      await gate.stop()
    }
  }
  const set = async (name: string, token: string, account: 'A' | 'B'): Promise<void> => {
    provider.tokens.set(token, account)
    await setSecret(now.sitter, token, name)
  }
  const post = (key?: string): Promise<Fetched> =>
    fetchBy(door, {
      method: 'POST',
      path: '/bank/v1/orders',
      headers: key === undefined ? {} : { 'idempotency-key': key },
      body: '{}',
    })
  const get = (path = '/bank/v1/prices'): Promise<Fetched> => fetchBy(door, { path })
  /** So many calls that the credential rests: it is refused by each. */
  const wearOut = async (): Promise<void> => {
    for (let time = 0; time < 3; time += 1) expect((await get()).status).toBe(401)
  }
  const compromise = (name: string) => now.sitter.link.vaultRenew('compromised', name, null, 'test')
  const switches = async () =>
    (await now.sitter.link.vaultNotes(0)).filter(({ kind }) => kind === 'credential.switched').map((one) => one.message)
  return { provider, now, start, set, post, get, wearOut, compromise, switches }
}
const ready = async (rules?: Parameters<typeof accountRules>[1]) => {
  const opened = await world()
  await opened.start(accountRules(opened.provider, rules))
  await opened.set('bank-a', 'token-of-a-1', 'A')
  await opened.set('spare', 'token-of-b-1', 'B')
  return opened
}

test('a revoked account is stood in for by the other one: reads, and what certainly did not happen; and back', async () => {
  const { provider, now, set, post, get, switches } = await ready()
  expect((await post('done')).status).toBe(201)
  provider.ways(() => 'lose-after')
  expect((await post('lost')).status).toBeGreaterThanOrEqual(500)
  provider.ways(() => 'answer')
  provider.tokens.delete('token-of-a-1')
  for (let time = 0; time < 3; time += 1) expect((await post('refused')).status).toBe(401)
  expect(provider.by()).toBe('AA---')
  // Each of its calls was answered 401: nothing happened by them.
  const moved = await post('refused')
  expect(moved.status).toBe(201)
  expect(moved.headers['x-sitter-account']).toBe('B')
  expect((await get()).headers['x-sitter-account']).toBe('B')
  expect((await post('fresh')).status).toBe(201)
  expect(provider.by()).toBe('AA---BBB')
  // What may have happened at A stays there, and what nobody knows by a key, too.
  for (const key of ['done', 'lost', undefined]) expect((await post(key)).status).toBe(401)
  expect(provider.by()).toBe('AA---BBB---')
  const { fallbacks } = await now.sitter.link.vaultList()
  expect(fallbacks).toMatchObject([
    { credential: 'bank', account: 'A', fallback: 'spare', fallbackAccount: 'B', by: 'spare' },
  ])
  expect(fallbacks[0]).toMatchObject({ why: 'bank-a is refused by its provider (401)', sinceMs: expect.any(Number) })
  await set('bank-a', 'token-of-a-2', 'A')
  expect((await get()).headers['x-sitter-account']).toBe(undefined)
  for (const key of ['done', 'lost', 'fresh', 'refused']) expect((await post(key)).status).toBe(201)
  expect(provider.by()).toBe('AA---BBB---AAABB')
  expect(provider.deeds).toEqual(['A done', 'A lost', 'B refused', 'B fresh'])
  expect((await now.sitter.link.vaultList()).fallbacks[0]).toMatchObject({ by: 'bank', why: null, sinceMs: null })
  expect(await switches()).toEqual([
    'calls go on with spare of spare (account B) instead of bank (account A): bank-a is refused by its provider (401)',
    'calls go on with bank-a of bank (account A) instead of spare (account B), which serves again',
  ])
  await now.sitter.link.status()
  const used = new Set(now.sitter.uses.flat().map(({ credential }) => credential))
  expect(used).toEqual(new Set(['bank-a', 'spare']))
})

test('without any key of its own account a call is refused in words, or goes by the other one', async () => {
  const { provider, now, start, post, get, compromise, switches } = await ready()
  await post('done')
  await compromise('bank-a')
  const stays = await post('done')
  expect(stays.status).toBe(503)
  // Others of its kind may go, so it is not woken because they can.
  expect(JSON.parse(stays.body)).not.toHaveProperty('waitsFor')
  expect(detailOf(stays)).toMatch(/may have had its effect by bank \(account A\).*compromised.*sitter vault set bank-a/)
  expect(detailOf(await post())).toMatch(/compromised.*without an idempotency-key.*spare \(account B\): send one/)
  expect((await post('fresh')).status).toBe(201)
  expect((await get()).status).toBe(200)
  const { upstreams } = await now.sitter.link.status()
  expect(upstreams[0]).toMatchObject({ unsigned: false })
  const { renewals } = await now.sitter.link.vaultList()
  expect(renewals.find(({ name }) => name === 'bank-a')!.concern).toMatchObject({ severity: 'critical' })
  // The next gate knows by which account calls went, so it tells no switch that was none.
  await start()
  expect((await get()).status).toBe(200)
  expect(await switches()).toHaveLength(1)
  await compromise('spare')
  expect(detailOf(await post('fresh'))).toMatch(/effect by spare \(account B\).*sitter vault set spare/)
  expect(detailOf(await get())).toMatch(/set bank-a; spare \(account B\): spare is compromised/)
  expect(provider.by()).toBe('ABBB')
  expect(provider.deeds).toEqual(['A done', 'B fresh'])
})

test('no limit, pause or 403 of one account is a reason to go by the other', async () => {
  const { provider, start, post, get, compromise } = await ready()
  // Refused as somebody who is known: a ban, a limit that names no wait, or a right that is missing.
  provider.ways(() => 403)
  for (let time = 0; time < 8; time += 1) expect((await get()).status).toBe(403)
  provider.ways(() => 'answer')
  const limit = { rate: { count: 1, windowMs: 3_600_000 }, burst: 1, guard: 0, window: 'smooth' } as const
  const limits = [{ ...limit, per: 'credential' as const, match: [], weights: [] }]
  await start(accountRules(provider, {}, { limits, parkAfterMs: 300 }))
  const answers = await Promise.all([get(), get(), get(), post('k1')])
  expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThanOrEqual(3)
  await start()
  provider.ways(() => 429)
  expect((await get()).status).toBe(429)
  provider.ways(() => 'answer')
  const short = accountRules(provider, {}, { parkAfterMs: 300 })
  await start(short)
  expect((await get()).status).toBe(429)
  // Also a key that is gone is no way around what its provider has asked for.
  await compromise('bank-a')
  const waits = await get()
  expect(detailOf(waits)).toMatch(/wants bank \(account A\) to wait/)
  expect(Number(waits.headers['retry-after'])).toBeGreaterThan(30)
  expect(provider.by()).not.toContain('B')
})

test('a fallback is used for what its own scope has, and nothing else', async () => {
  const { provider, get, wearOut, now } = await ready({ paths: ['/v1/prices'] })
  provider.tokens.delete('token-of-a-1')
  await wearOut()
  expect((await get()).status).toBe(200)
  // It stays with the key that rests, as it would without a fallback.
  expect((await get('/bank/v1/accounts')).status).toBe(401)
  await now.sitter.link.vaultRenew('compromised', 'bank-a', null, 'test')
  expect(detailOf(await get('/bank/v1/accounts'))).toMatch(/spare \(account B\) may not be used for this path/)
  expect(provider.by()).toBe('---B-')
})

test('what was called before accounts were named has no proof; what went by a fallback that is gone is not forgotten', async () => {
  const { provider, start, set, post, get, compromise } = await world()
  await start(accountRules(provider, { account: null, fallback: null }))
  await set('bank-a', 'token-of-a-1', 'A')
  await set('spare', 'token-of-b-1', 'B')
  await post('old')
  await start()
  await compromise('bank-a')
  expect(detailOf(await post('old'))).toMatch(/keys of before this upstream's account was named are not known/)
  expect(detailOf(await post('fresh'))).toMatch(/not by spare \(account B\) until 20\d\d-/)
  expect((await get()).status).toBe(200)
  expect(provider.by()).toBe('AB')
})

test('a fallback that is taken out of the configuration leaves its keys where they were', async () => {
  const { provider, start, set, post, get, compromise, switches } = await ready()
  await compromise('bank-a')
  expect((await post('moved')).status).toBe(201)
  await start(accountRules(provider, { account: null, fallback: null }))
  await set('bank-a', 'token-of-a-2', 'A')
  expect(detailOf(await post('moved'))).toMatch(/an account that bank is not/)
  expect((await post('fresh')).status).toBe(201)
  expect((await get()).status).toBe(200)
  expect(provider.deeds).toEqual(['B moved', 'A fresh'])
  expect(await switches()).toHaveLength(2)
})
