import { mkdtempSync, rmSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import {
  applyConfig,
  openVersions,
  parseConfig,
  readApplied,
  startVersion,
  type ConfigPlan,
  type ConfigVersions,
} from '../../src/config/config.ts'
import { realClock, realDisk } from '../../src/std/real/real.ts'
import { Failure } from '../../src/std/std.ts'
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
  /** What the rooms were told to take. */
  readonly taken: { readonly raw: unknown; readonly plan: ConfigPlan }[]
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
  const taken: Place['taken'] = []
  return {
    directory,
    store,
    taken,
    start: async () => {
      const port = { store, disk: realDisk(), clock: realClock(), dataDirectory: directory }
      const running = await startVersion(port, await readApplied(realDisk(), directory))
      const take = async ({ raw }: { readonly raw: unknown }, plan: ConfigPlan): Promise<'unchanged'> => {
        taken.push({ raw, plan })
        return 'unchanged'
      }
      return openVersions({ ...port, running, take })
    },
  }
}
const candidate = (place: Place, raw: unknown) => ({ file: '/x/new.json', baseDirectory: place.directory, raw })
const auditOf = async ({ store }: Place): Promise<unknown[]> =>
  (await store.read.audit(1, 100)).map(({ entry }) => JSON.parse(entry) as unknown)

test('each version that ran is in the record with actor, hash and changes, once, and can be applied again', async () => {
  const place = await open()
  const versions = await place.start()
  expect((await versions.apply(candidate(place, second), 'token:ada', { base: versions.shown().hash })).version).toBe(2)
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
  const apply = (raw: unknown, terms?: Parameters<ConfigVersions['apply']>[2]) =>
    versions.apply(candidate(place, raw), 'token:ada', terms)
  await expect(apply(second, { base: 'ab' })).rejects.toMatchObject({ code: 'conflict' })
  expect(await apply(first)).toMatchObject({ version: 1, gate: 'unchanged' })
  const [one, two] = [apply(second), apply({ ...first, tasks: {} })]
  await expect(two).rejects.toMatchObject({ code: 'conflict' })
  expect(await one).toMatchObject({ version: 2 })
  expect(await apply(first)).toMatchObject({ version: 3 })
  expect(place.taken.map(({ raw }) => raw)).toEqual([second, first])
})

test('what only a restart reaches is named and needs agreement; a new name or record is refused in any case', async () => {
  const place = await open()
  const versions = await place.start()
  const elsewhere = { ...first, api: { port: 1 } }
  await expect(versions.apply(candidate(place, elsewhere), 'token:ada')).rejects.toMatchObject({
    code: 'restart-needed',
    message: expect.stringContaining('only a restart of the sitter reaches api') as string,
  })
  for (const change of [{ name: 'other' }, { store: 'postgres://127.0.0.1/x' }])
    await expect(
      versions.apply(candidate(place, { ...first, ...change }), 'token:ada', { restart: true }),
    ).rejects.toMatchObject({ code: 'restart-needed' })
  expect((await versions.list({ limit: 10, after: null })).items).toHaveLength(1)
  expect(await versions.apply(candidate(place, elsewhere), 'token:ada', { restart: true })).toMatchObject({
    version: 2,
  })
  expect(place.taken).toEqual([])
  await expect(versions.apply(candidate(place, second), 'token:ada')).rejects.toMatchObject({ code: 'conflict' })
  expect((await place.start()).running.raw).toEqual(elsewhere)
})

test('a crash between the record and the file ends in the new version; `up` with a file goes before both', async () => {
  const place = await open()
  const versions = await place.start()
  const before = await readFile(join(place.directory, 'config', 'current.json'), 'utf8')
  await versions.apply(candidate(place, second), 'token:ada')
  await writeFile(join(place.directory, 'config', 'current.json'), before)
  const next = await place.start()
  expect(next.running).toMatchObject({ raw: second, version: 2 })
  expect(await readApplied(realDisk(), place.directory)).toMatchObject({ raw: second, version: 2 })
  expect((await next.list({ limit: 10, after: null })).items).toHaveLength(2)
  const { file, baseDirectory, raw, config } = versions.running
  await applyConfig(realDisk(), place.directory, { file, baseDirectory, raw: first, config })
  expect(raw).toEqual(second)
  expect((await place.start()).running).toMatchObject({ raw: first, version: 3 })
})

test('a configuration that was not taken is told to people with its reason', async () => {
  const place = await open()
  const versions = await place.start()
  await versions.refused('/x/swarm.config.json', 'signal:SIGHUP', new Failure('config-unreadable', 'no such file'))
  expect((await place.store.read.events({ limit: 10, after: null, subject: 'config' })).items.at(-1)).toMatchObject({
    kind: 'config.refused',
    level: 'error',
    facts: { code: 'config-unreadable', by: 'signal:SIGHUP' },
  })
  expect((await auditOf(place)).at(-1)).toMatchObject({ action: 'config.apply', decision: 'refused' })
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
  expect(plan).toMatchObject({ restarts: 'none', gate: true, changes: [{ path: 'upstreams.bank.allow' }] })
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
