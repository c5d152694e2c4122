import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pace } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { openBy } from '../../gateway/sockets/ends.ts'
import { openKeyProvider, type KeyProvider } from './provider.ts'
import { openRotationWorld, rotation, rulesOf, until, type RotationWorld } from './world.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = async (more: Parameters<typeof rotation>[0] = {}): Promise<RotationWorld & { provider: KeyProvider }> => {
  const provider = await openKeyProvider()
  const opened = await openRotationWorld(provider, rulesOf(provider, rotation(more)))
  closing.push(opened.close)
  await opened.set(provider.first.secret)
  return { ...opened, provider }
}
const rest = (one: { phase: string; doneMs: number | null }): boolean => one.phase === 'idle' && one.doneMs !== null

test('keys that rotate again and again under load answer every call, and each old one is revoked after its last use', async () => {
  const { provider, call, view, states } = await world({ everyMs: 700 })
  const statuses = new Map<number, number>()
  const stop = performance.now() + 6_000
  const agent = async (): Promise<void> => {
    // On a busy machine a rotation takes longer.
    while (performance.now() < stop || provider.keys.length <= 3) {
      const { status } = await call()
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      // At any moment many are under way; as fast as it goes they would fill the machine.
      await pace(20)
    }
  }
  await Promise.all(Array.from({ length: 20 }, agent))
  expect([...statuses.keys()]).toEqual([200])
  expect(provider.refused()).toBe(0)
  expect(provider.keys.length).toBeGreaterThan(3)
  for (const key of provider.keys) {
    if (key.revokedMs !== null && key.lastAnsweredMs !== null)
      expect(key.revokedMs).toBeGreaterThanOrEqual(key.lastAnsweredMs)
  }
  // Ended there, and then known here.
  await until(
    async () => Object.values(await states()).filter((state) => state === 'revoked').length,
    (count) => count === provider.keys.filter(({ revokedMs }) => revokedMs !== null).length,
  )
  expect((await view()).why).toBe(null)
})

test('a call that is under way keeps its version alive, however long it takes', async () => {
  const provider = await openKeyProvider(700)
  const opened = await openRotationWorld(provider, rulesOf(provider, rotation({ canaryMs: 0 })))
  closing.push(opened.close)
  await opened.set(provider.first.secret)
  const slow = opened.call()
  await until(
    () => opened.view(),
    ({ inUse }) => inUse['1'] === 1,
  )
  await opened.sitter.link.vaultRenew('rotate', 'bank', null, 'test')
  const draining = await until(
    () => opened.view(),
    ({ phase }) => phase === 'draining',
  )
  expect(draining).toMatchObject({ active: 2, old: [1] })
  expect(provider.first.revokedMs).toBe(null)
  expect((await slow).status).toBe(200)
  await until(() => opened.view(), rest)
  expect(provider.first.revokedMs).toBeGreaterThanOrEqual(provider.first.lastAnsweredMs!)
  expect(await opened.states()).toEqual({ 'bank@1': 'revoked', 'bank@2': 'active' })
})

test('an open WebSocket keeps its version alive until it has closed, and a leaked key is ended under it', async () => {
  const provider = await openKeyProvider()
  const rules = rulesOf(provider, rotation({ canaryMs: 0 }))
  const bank = { ...rules.upstreams['bank']!, allow: ['WEBSOCKET /v1/**'] }
  const opened = await openRotationWorld(provider, { ...rules, upstreams: { bank } })
  closing.push(opened.close)
  const { door, sitter, view } = opened
  await opened.set(provider.first.secret)
  const old = await openBy(door, '/bank/v1/stream')
  await sitter.link.vaultRenew('rotate', 'bank', null, 'test')
  await until(view, ({ active }) => active === 2)
  // What opens from now on goes by the new key, and closes in order.
  const next = await openBy(door, '/bank/v1/stream')
  next.socket.close()
  await next.closed
  // Longer than the canary, the overlap and a look at what drains take: only the socket is left to wait for.
  for (let time = 0; time < 100; time += 1) {
    old.socket.send(`still here ${time}`)
    expect(await Promise.race([old.next(), old.closed])).toBe(`still here ${time}`)
    expect(await view()).toMatchObject({ phase: 'draining', inUse: { 1: 1 } })
    await new Promise((resolve) => setTimeout(resolve, 15))
  }
  expect([provider.first.revokedMs, provider.cut()]).toEqual([null, 0])
  old.socket.close()
  await old.closed
  await until(view, rest)
  expect([provider.first.revokedMs === null, provider.cut()]).toEqual([false, 0])

  const leaked = await openBy(door, '/bank/v1/stream')
  await sitter.link.vaultRenew('compromised', 'bank', null, 'test')
  await leaked.closed
  await until(view, rest)
  expect(provider.cut()).toBe(1)
  expect(provider.keys.map(({ revokedMs }) => revokedMs === null)).toEqual([false, false, true])
})

test('a mint whose answer was lost is looked for, ended, and only then made again', async () => {
  const { provider, sitter, view, states, call } = await world()
  provider.loseMint('after')
  await sitter.link.vaultRenew('rotate', 'bank', null, 'test')
  await until(view, rest)
  const [, lost, good] = provider.keys
  expect(provider.keys.length).toBe(3)
  expect(lost!.revokedMs).not.toBe(null)
  expect(good!.revokedMs).toBe(null)
  expect(good!.label).not.toBe(lost!.label)
  expect(await states()).toEqual({ 'bank@1': 'revoked', 'bank@2': 'active' })
  expect((await call()).status).toBe(200)
})

test('no key that was made stands in a file, in a log line, in a view or in what agents get', async () => {
  const { provider, sitter, view, call, place, lines } = await world()
  await sitter.link.vaultRenew('rotate', 'bank', null, 'test')
  await until(view, rest)
  const answer = await call()
  const said = JSON.stringify([answer, await sitter.link.vaultList(), await sitter.link.vaultNotes(0), lines])
  const files = readdirSync(place.data, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
  expect(files.length).toBeGreaterThan(2)
  for (const { secret } of provider.keys) {
    expect(said).not.toContain(secret)
    for (const { parentPath, name } of files)
      expect([name, readFileSync(join(parentPath, name)).includes(secret)]).toEqual([name, false])
  }
})

test('without a list nobody knows whether a key was made: nothing is made again until a person says so', async () => {
  const base = rotation()
  const { provider, sitter, view, call } = await world({
    rotator: { ...base.rotator, list: null } as typeof base.rotator,
  })
  provider.loseMint('before')
  await sitter.link.vaultRenew('rotate', 'bank', null, 'test')
  const waits = await until(view, ({ phase }) => phase === 'person')
  expect(waits.why).toMatch(/not known/)
  expect(provider.keys.length).toBe(1)
  expect((await call()).status).toBe(200)
  await sitter.link.vaultRenew('rotate', 'bank', null, 'test')
  await until(view, rest)
  expect(provider.keys.length).toBe(2)
})

test('a key that cannot be ended is tried again, and the old version is not called revoked before it is', async () => {
  const { provider, sitter, view, states } = await world()
  provider.breakRevoke(true)
  await sitter.link.vaultRenew('rotate', 'bank', null, 'test')
  await until(view, ({ phase, why }) => phase === 'revoking' && why !== null)
  expect(await states()).toEqual({ 'bank@1': 'draining', 'bank@2': 'active' })
  provider.breakRevoke(false)
  await until(view, rest)
  expect(await states()).toEqual({ 'bank@1': 'revoked', 'bank@2': 'active' })
})

test('a compromised key is replaced and ended at once; the one in use is not revoked by hand', async () => {
  const { provider, sitter, view, states } = await world({ overlapMs: 86_400_000, canaryMs: 86_400_000 })
  await expect(sitter.link.vaultRenew('revoke', 'bank', 1, 'test')).rejects.toMatchObject({ code: 'conflict' })
  await sitter.link.vaultRenew('compromised', 'bank', null, 'test')
  await until(view, rest)
  expect(provider.first.revokedMs).not.toBe(null)
  expect(await states()).toEqual({ 'bank@1': 'compromised', 'bank@2': 'active' })
})

test('the version that serves while older ones drain is replaced when it is compromised, and all before it are ended', async () => {
  const { provider, sitter, view, states, call } = await world({ overlapMs: 86_400_000, canaryMs: 0 })
  await sitter.link.vaultRenew('rotate', 'bank', null, 'test')
  await until(view, ({ phase }) => phase === 'draining')
  // Another one would be no better: whoever asks is told what is under way.
  const asked = sitter.link.vaultRenew('rotate', 'bank', null, 'test')
  await expect(asked).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('bank@1') as string })
  expect(provider.keys).toHaveLength(2)
  await sitter.link.vaultRenew('compromised', 'bank', null, 'test')
  await until(view, rest)
  expect(provider.keys.map(({ revokedMs }) => revokedMs === null)).toEqual([false, false, true])
  expect(await states()).toEqual({ 'bank@1': 'revoked', 'bank@2': 'compromised', 'bank@3': 'active' })
  expect((await call()).status).toBe(200)
})

test('a new key that may do nothing takes over from none, whatever it is answered: the one that works stays', async () => {
  const base = rotation()
  const rotator = { ...base.rotator, test: null } as typeof base.rotator
  const { provider, sitter, view, states, call } = await world({ rotator, canaryMs: 60_000 })
  provider.mintAnswering(403)
  await sitter.link.vaultRenew('rotate', 'bank', null, 'test')
  const statuses = new Set<number>()
  const undone = await until(
    async () => {
      const now = await view()
      // Called by both of them while it is tried; who goes on calling meanwhile keeps a core busy for nothing.
      for (let one = 0; now.phase === 'canary' && one < 20; one += 1) statuses.add((await call()).status)
      return now
    },
    ({ phase, why }) => phase === 'idle' && why !== null,
  )
  expect(statuses).toEqual(new Set([200, 403]))
  expect(undone.concern?.what).toContain('403')
  expect(await states()).toEqual({ 'bank@1': 'active', 'bank@2': 'revoked' })
  expect(provider.first.revokedMs).toBe(null)
  expect((await call()).status).toBe(200)
})

test('answers that say nothing of a key are no proof of it: the old one is not ended', async () => {
  const base = rotation()
  const rotator = { ...base.rotator, test: null } as typeof base.rotator
  const { provider, sitter, view, call, states } = await world({ rotator, canaryMs: 0 })
  provider.mintAnswering(404)
  await sitter.link.vaultRenew('rotate', 'bank', null, 'test')
  await until(view, ({ phase }) => phase === 'draining')
  for (let one = 0; one < 5; one += 1) expect((await call()).status).toBe(404)
  expect(await view()).toMatchObject({ phase: 'draining', old: [1] })
  expect(await states()).toEqual({ 'bank@1': 'draining', 'bank@2': 'active' })
  expect(provider.first.revokedMs).toBe(null)
})

test('a version that a person sets amid a rotation leaves keys at the provider: it is told which', async () => {
  const { provider, sitter, view, set, states } = await world({ canaryMs: 86_400_000 })
  await sitter.link.vaultRenew('rotate', 'bank', null, 'test')
  await until(view, ({ phase }) => phase === 'canary')
  await set('a-key-that-was-made-by-hand')
  expect(await states()).toEqual({ 'bank@1': 'retired', 'bank@2': 'retired', 'bank@3': 'active' })
  expect(provider.keys.every(({ revokedMs }) => revokedMs === null)).toBe(true)
  const left = (await sitter.link.vaultNotes(0)).filter(({ kind }) => kind === 'credential.left')
  expect(left.map(({ message }) => message)).toEqual([expect.stringContaining('version 1, version 2')])
  // The same one again is ended by nobody, for it is the one in use.
  await set('a-key-that-was-made-by-hand')
  expect((await sitter.link.vaultNotes(0)).filter(({ kind }) => kind === 'credential.left')).toHaveLength(1)
})

test('where nobody rotates by itself, a compromised key is out of use at once, and what happened can be read once', async () => {
  const { sitter, call, states, set } = await world({ rotator: { by: 'person' } })
  await expect(sitter.link.vaultRenew('rotate', 'bank', null, 'test')).rejects.toMatchObject({ code: 'conflict' })
  expect((await call()).status).toBe(200)
  await sitter.link.vaultRenew('compromised', 'bank', null, 'ann')
  expect((await call()).status).toBe(503)
  expect(await states()).toEqual({ 'bank@1': 'compromised' })
  const [note] = await sitter.link.vaultNotes(0)
  expect(note).toMatchObject({ kind: 'credential.compromised', subject: 'bank' })
  expect(await sitter.link.vaultNotes(note!.number)).toEqual([])
  await set('another-key-of-the-bank')
  expect(await states()).toEqual({ 'bank@1': 'compromised', 'bank@2': 'active' })
})

test('Calls of the gate itself hold their places only until they have ended, and count for the host as any', async () => {
  const provider = await openKeyProvider()
  const rules = rulesOf(provider, rotation({}))
  const limits = [
    { per: 'upstream', match: [], concurrent: 1 },
    {
      per: 'host',
      match: [],
      rate: { count: 1_000, windowMs: 3_600_000 },
      burst: 1_000,
      window: 'sliding',
      guard: 0,
      weights: [],
    },
  ] as const
  const bank = { ...rules.upstreams['bank']!, limits }
  const opened = await openRotationWorld(provider, { ...rules, upstreams: { bank } })
  closing.push(opened.close)
  await opened.set(provider.first.secret)
  await opened.sitter.link.vaultRenew('rotate', 'bank', null, 'test')
  await until(opened.view, rest)
  expect((await opened.call()).status).toBe(200)
  const kept = new DatabaseSync(join(opened.place.data, 'gate', 'gate.db'), { readOnly: true })
  const rows = kept.prepare("select name from limits where name like '%host%'").all()
  kept.close()
  expect(rows).toEqual([{ name: `limit\n@${provider.host}\n1000/3600000\nhost\n` }])
})
