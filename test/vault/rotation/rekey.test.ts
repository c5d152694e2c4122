/** Rotations, OAuth and the audit of uses, under changes of the vault's key. */
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { startGate, startSitter } from '../../gateway/harness.ts'
import { openKeyProvider, type KeyProvider } from './provider.ts'
import { openRotationWorld, rotation, rulesOf, until, type RotationWorld } from './world.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = async (everyMs: number): Promise<RotationWorld & { provider: KeyProvider; end: () => Promise<void> }> => {
  const provider = await openKeyProvider()
  const opened = await openRotationWorld(provider, rulesOf(provider, rotation({ everyMs })))
  let ended: Promise<void> | undefined
  const end = async (): Promise<void> => {
    await opened.sitter.link.stop()
    await opened.gate.stop()
  }
  closing.push(async () => {
    await (ended ??= end())
    await provider.close()
    opened.place.remove()
  })
  await opened.set(provider.first.secret)
  return { ...opened, provider, end: () => (ended ??= end()) }
}
const rest = (one: { phase: string; doneMs: number | null }): boolean => one.phase === 'idle' && one.doneMs !== null

test('keys of the vault that change amid rotations lose no secret, and refuse no call', async () => {
  const { provider, call, view, states, sitter, end, place } = await world(300)
  const statuses = new Set<number>()
  const phases = new Set<string>()
  const stop = performance.now() + 4_000
  // A busy machine takes longer for the same rotations.
  const isUnderWay = (): boolean => performance.now() < stop || provider.keys.length < 4
  const agent = async (): Promise<void> => {
    while (isUnderWay()) {
      statuses.add((await call()).status)
      phases.add((await view()).phase)
    }
  }
  const rekeys = async (): Promise<void> => {
    while (isUnderWay()) {
      await sitter.link.vaultRekey('file', 'test')
    }
  }
  await Promise.all([...Array.from({ length: 5 }, agent), rekeys()])
  expect([...statuses]).toEqual([200])
  expect(provider.refused()).toBe(0)
  expect(provider.keys.length).toBeGreaterThan(3)
  expect(phases.size).toBeGreaterThan(1)
  // No key was made in vain: each is a version, and each version that was ended here is ended there.
  const held = await states()
  const count = (state: string): number => Object.values(held).filter((one) => one === state).length
  expect(Object.keys(held)).toHaveLength(provider.keys.length)
  expect(count('active')).toBe(1)
  expect(provider.keys.filter(({ revokedMs }) => revokedMs !== null).length).toBeGreaterThanOrEqual(count('revoked'))

  await end()
  const again = await startGate(place, rulesOf(provider, rotation()))
  const other = startSitter(place, 2)
  closing.push(async () => {
    await other.link.stop()
    await again.gate.stop()
  })
  await other.linked()
  const seen = await other.link.vaultList()
  expect(seen.vault).toMatchObject({ outside: 'kept', faults: [] })
  // It may have made one more before it ended.
  expect(seen.credentials.length).toBeGreaterThanOrEqual(Object.keys(held).length)
})

test('a mint that is answered after a rekey is sealed by the new key', async () => {
  const provider = await openKeyProvider(20)
  const opened = await openRotationWorld(provider, rulesOf(provider, rotation()))
  closing.push(opened.close)
  await opened.set(provider.first.secret)
  await Promise.all([
    opened.sitter.link.vaultRenew('rotate', 'bank', null, 'test'),
    ...[1, 2, 3].map(async () => {
      // One at a time; whoever comes meanwhile is told so.
      await opened.sitter.link.vaultRekey('file', 'test').catch((error: { code: string }) => {
        expect(error.code).toBe('conflict')
      })
    }),
  ])
  await until(opened.view, rest)
  expect(await opened.states()).toEqual({ 'bank@1': 'revoked', 'bank@2': 'active' })
  expect((await opened.call()).status).toBe(200)
  expect((await opened.sitter.link.vaultList()).vault.faults).toEqual([])
})

test('each use of a rotated secret is told: of calls, and of the requests that made, tried and ended it', async () => {
  const { sitter, call, view, place } = await world(30 * 86_400_000)
  expect((await call()).status).toBe(200)
  await sitter.link.vaultRenew('rotate', 'bank', null, 'test')
  await until(view, rest)
  expect((await call()).status).toBe(200)
  const count = async (): Promise<number> => sitter.uses.flat().length
  const db = new DatabaseSync(join(place.data, 'gate', 'gate.db'), { readOnly: true })
  const rows = db.prepare('SELECT journal FROM calls WHERE credential IS NOT NULL').all().length
  db.close()
  await until(count, (told) => told >= rows)
  const told = sitter.uses.flat().map((use) => `${use.agent ?? 'gate'} ${use.method} ${use.credential}@${use.version}`)
  expect(told).toHaveLength(rows)
  expect(told).toEqual(
    expect.arrayContaining([
      'payer/0001 GET bank@1',
      'gate POST bank@1',
      'gate GET bank@2',
      'gate DELETE bank@2',
      'payer/0001 GET bank@2',
    ]),
  )
})
