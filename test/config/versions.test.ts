import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { applyConfig, openVersions, parseConfig, readApplied, type ConfigVersions } from '../../src/config/config.ts'
import { realClock, realDisk } from '../../src/std/real/real.ts'
import { openSqliteStore, type Store } from '../../src/store/store.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const first = { name: 'tiny', agents: {}, upstreams: { bank: { url: 'http://127.0.0.1:9', allow: ['GET /v1/**'] } } }
const second = { ...first, upstreams: { bank: { ...first.upstreams.bank, allow: ['GET /v2/**'] } } }

interface Place {
  readonly directory: string
  readonly store: Store
  /** As a sitter opens them at its start. */
  start(): Promise<ConfigVersions>
}
const open = async (): Promise<Place> => {
  const directory = mkdtempSync(join(tmpdir(), 'versions-'))
  const store = openSqliteStore(join(directory, 'swarm.db'))
  closing.push(
    () => rmSync(directory, { recursive: true }),
    () => store.close(),
  )
  const config = parseConfig(first, directory)
  await applyConfig(realDisk(), directory, {
    file: '/x/swarm.config.json',
    raw: first,
    baseDirectory: directory,
    config,
  })
  return {
    directory,
    store,
    start: async () =>
      openVersions({
        store,
        disk: realDisk(),
        clock: realClock(),
        dataDirectory: directory,
        running: await readApplied(realDisk(), directory),
      }),
  }
}
const candidate = (place: Place, raw: unknown) => ({ file: '/x/new.json', baseDirectory: place.directory, raw })
const auditOf = async ({ store }: Place): Promise<unknown[]> =>
  (await store.read.audit(1, 100)).map(({ entry }) => JSON.parse(entry) as unknown)

test('each version that ran is in the record with actor, hash and changes, once, and can be applied again', async () => {
  const place = await open()
  const versions = await place.start()
  expect((await versions.apply(candidate(place, second), 'token:ada', versions.shown().hash)).version).toBe(2)
  const next = await place.start()
  expect(next.running.raw).toEqual(second)
  await place.start()
  const list = (await next.list({ limit: 10, after: null })).items
  expect(list.map(({ version, actor, changes }) => ({ version, actor, changes }))).toEqual([
    { version: 2, actor: 'token:ada', changes: ['~ upstreams.bank.allow: ["GET /v1/**"] → ["GET /v2/**"]'] },
    { version: 1, actor: 'up', changes: expect.any(Array) as string[] },
  ])
  expect(await next.diff(1, 2)).toHaveLength(1)
  const old = await next.version(1)
  await next.apply(candidate(place, JSON.parse(old.raw)), 'token:bob')
  expect((await place.start()).running.raw).toEqual(first)
  expect(await auditOf(place)).toMatchObject([
    { actor: 'up', action: 'config.apply' },
    { actor: 'token:ada', action: 'config.apply' },
    { actor: 'token:bob', action: 'config.apply' },
  ])
  await expect(next.version(9)).rejects.toMatchObject({ code: 'not-found' })
})

test('an invalid one is refused whole with every fault; nothing is written and the running one stays', async () => {
  const place = await open()
  const versions = await place.start()
  const bad = { ...second, agnets: {}, upstreams: { bank: { url: 'nowhere', allow: [] } } }
  for (const deed of [versions.check(candidate(place, bad)), versions.apply(candidate(place, bad), 'token:ada')]) {
    const fault = (await deed.catch((error: unknown) => error)) as { code: string; facts: { errors: string[] } }
    expect(fault.code).toBe('config-invalid')
    expect(fault.facts.errors.length).toBeGreaterThanOrEqual(3)
  }
  expect((await readApplied(realDisk(), place.directory)).raw).toEqual(first)
  expect((await versions.list({ limit: 10, after: null })).items).toHaveLength(1)
})

test('what was planned is what is applied: another one running, or one under way, is a conflict', async () => {
  const place = await open()
  const versions = await place.start()
  await expect(versions.apply(candidate(place, second), 'token:ada', 'ab')).rejects.toMatchObject({ code: 'conflict' })
  await expect(versions.apply(candidate(place, { ...first, name: 'other' }), 'token:ada')).rejects.toMatchObject({
    code: 'conflict',
  })
  expect(await versions.apply(candidate(place, first), 'token:ada')).toMatchObject({ version: 1 })
  await versions.apply(candidate(place, second), 'token:ada')
  await expect(versions.apply(candidate(place, first), 'token:ada')).rejects.toMatchObject({ code: 'conflict' })
})

test('a password in an address is kept and told nowhere, and what was shown can be applied again', async () => {
  const password = 'canary-77b04d6d'
  const withStore = (allow: string) => ({
    ...first,
    store: `postgres://sitter:${password}@127.0.0.1:5432/swarm`,
    upstreams: { bank: { ...first.upstreams.bank, allow: [allow] } },
  })
  const place = await open()
  const raw = withStore('GET /v1/**')
  const config = parseConfig(raw, place.directory)
  await applyConfig(realDisk(), place.directory, { file: '/x/c.json', raw, baseDirectory: place.directory, config })
  const versions = await place.start()
  const changed = { ...(versions.shown().raw as object), upstreams: withStore('GET /v2/**').upstreams }
  const { plan } = await versions.check(candidate(place, changed))
  expect(plan).toMatchObject({ restarts: 'sitter and gate', changes: [{ path: 'upstreams.bank.allow' }] })
  await versions.apply(candidate(place, changed), 'token:ada')
  expect((await readApplied(realDisk(), place.directory)).raw).toEqual(withStore('GET /v2/**'))
  const other = { ...raw, store: 'postgres://sitter:other@127.0.0.1:5432/swarm' }
  expect((await (await place.start()).check(candidate(place, other))).plan.restarts).toBe('swarm')
  const { items } = await versions.list({ limit: 10, after: null })
  const events = await place.store.read.events({ limit: 100, after: null })
  expect(JSON.stringify([versions.shown(), plan, items, events, await auditOf(place)])).not.toContain(password)
})

test('versions cannot be changed in the record', async () => {
  const place = await open()
  await place.start()
  const { DatabaseSync } = await import('node:sqlite')
  const other = new DatabaseSync(join(place.directory, 'swarm.db'))
  closing.push(() => other.close())
  expect(() => other.exec(`UPDATE config_versions SET actor = 'me'`)).toThrow(/append-only/)
  expect(() => other.exec('DELETE FROM config_versions')).toThrow(/append-only/)
})
