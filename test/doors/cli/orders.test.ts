/** The real CLI against a server that answers canned documents: verbs by which people order, and what they look at for it. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSqliteStore } from '../../../src/store/store.ts'
import type { Ended } from './child.ts'
import { agent, audit, nowMs, settlement } from './documents.ts'
import { run } from './inside.ts'
import type { Asked } from './server.ts'
import { cleanups, world } from './world.ts'

const bodies = (asked: readonly Asked[]): string[] =>
  asked.filter(({ method }) => method === 'POST').map(({ path, body }) => `${path} ${body}`)

test('an order goes to one agent at once, and to a type only after it was confirmed; a milder one asks nothing', async () => {
  const answer = {
    asked: 'stop',
    agents: ['settler/0001', 'settler/0002'],
    left: [{ agent: 'settler/0003', state: 'stopped' }],
  }
  const { server, sitter } = await world({
    'GET /api/v1/agents': { items: [agent(1), agent(2), agent(3)], next: null },
    'POST /api/v1/agents/settler/7/pause': { asked: 'pause', agents: ['settler/0007'], left: [] },
    'POST /api/v1/agents/settler/stop': answer,
    'POST /api/v1/agents/settler/resume': { ...answer, asked: 'resume' },
  })
  expect(await sitter('pause', 'settler/7', '--reason', 'look')).toMatchObject({
    code: 0,
    stdout: 'paused: settler/0007\n',
  })
  const unasked = await sitter('stop', 'settler')
  expect(unasked).toMatchObject({ code: 2, stderr: expect.stringContaining('stop all 3 agents of settler?') })
  expect(await sitter('stop', 'settler', '--dry-run')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('would stop 3 agents'),
  })
  expect(bodies(server.asked)).toEqual(['/api/v1/agents/settler/7/pause {"reason":"look"}'])
  expect(await sitter('stop', 'settler', '--yes')).toMatchObject({
    code: 0,
    stdout: 'stopped: 2 agents\nleft as they are: 1 stopped\n',
  })
  expect((await sitter('resume', 'settler')).code).toBe(0)
  expect(JSON.parse((await sitter('stop', 'settler', '--yes', '--json')).stdout)).toEqual(answer)
})

test('a payment is shown before it is released or cancelled; nobody there to answer means that nothing is done', async () => {
  const path = '/api/v1/settlements/set_1'
  const { server, sitter } = await world({
    [`GET ${path}`]: { ...settlement, state: 'held' },
    [`POST ${path}/hold`]: settlement,
    [`POST ${path}/cancel`]: settlement,
    [`POST ${path}/release`]: settlement,
  })
  expect((await sitter('settlement', 'hold', 'set_1', '--reason', 'x')).code).toBe(0)
  for (const order of ['release', 'cancel']) {
    const unasked = await sitter('settlement', order, 'set_1')
    expect(unasked).toMatchObject({ code: 2, stderr: expect.stringContaining('now held?') })
    expect(await sitter('settlement', order, 'set_1', '--dry-run')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('would '),
    })
    expect((await sitter('settlement', order, 'set_1', '--yes')).code).toBe(0)
  }
  expect(bodies(server.asked)).toEqual([`${path}/hold {"reason":"x"}`, `${path}/release {}`, `${path}/cancel {}`])
  for (const order of ['approve', 'reject'])
    expect(await sitter('settlement', order, 'set_1')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is not built yet'),
    })
})

const day = 86_400_000
const renewal = {
  name: 'bank',
  credential: 'bank',
  automatic: true,
  phase: 'idle',
  sinceMs: nowMs,
  dueMs: Date.now() + 12.5 * day,
  active: 2,
  next: null,
  old: [],
  why: null,
  grant: null,
  concern: null,
}

test('vault rotate begins, waits when it is told to, and says when it waits for a person', async () => {
  let seen: object = { ...renewal, phase: 'canary', next: 3, versions: [] }
  const at = '/api/v1/credentials/bank'
  const { server, sitter } = await world({
    [`POST ${at}/rotate`]: { name: 'bank', begun: 'rotate' },
    [`POST ${at}/compromised`]: { name: 'bank', begun: 'compromised' },
    [`POST ${at}/revoke`]: { name: 'bank', version: 3, state: 'revoked' },
    [`GET ${at}`]: () => {
      const now = seen
      seen = { ...renewal, versions: [] }
      return now
    },
  })
  expect(await sitter('vault', 'rotate', 'bank')).toMatchObject({ code: 0, stdout: 'bank: its rotation begins\n' })
  expect(await sitter('vault', 'rotate', 'bank', '--wait', '1m')).toMatchObject({
    code: 0,
    stdout: 'bank: rotates in 12d\n',
  })
  seen = { ...renewal, phase: 'person', why: 'nobody knows whether a key was made', versions: [] }
  expect(await sitter('vault', 'rotate', 'bank', '--wait', '1m')).toMatchObject({
    code: 6,
    stderr: expect.stringContaining('nobody knows whether a key was made'),
  })
  expect((await sitter('vault', 'rotate', 'bank', '--compromised')).stdout).toBe('bank: it is being replaced\n')
  expect((await sitter('vault', 'rotate', 'bank', '--dry-run')).stdout).toContain('would rotate bank')
  expect((await sitter('vault', 'revoke', 'bank@3')).stdout).toBe('bank@3 is revoked\n')
  expect((await sitter('vault', 'revoke', 'bank')).code).toBe(2)
  const posted = server.asked.filter(({ method }) => method === 'POST').map(({ path, body }) => `${path} ${body}`)
  expect(posted).toEqual([
    `${at}/rotate {}`,
    `${at}/rotate {}`,
    `${at}/rotate {}`,
    `${at}/compromised {}`,
    `${at}/revoke {"version":3}`,
  ])
})

test('vault status tells how each renews, and exits 4 when one waits for a person', async () => {
  const vault = (concern: object | null): object => ({
    sealingKey: Buffer.alloc(32, 9).toString('base64'),
    renewals: [{ ...renewal, concern }],
    fallbacks: [],
    vault: { keyKind: 'file', keyCheck: 'ab', changes: 3, outside: 'kept', faults: [] },
    credentials: [{ name: 'bank', version: 2, state: 'active', fingerprint: 'ab12', setMs: nowMs, usedMs: null }],
  })
  let held = vault(null)
  const { sitter } = await world({
    'GET /api/v1/credentials': () => held,
    'GET /api/v1/config/current': { raw: { credentials: { bank: {} } } },
  })
  const well = await sitter('vault', 'status')
  expect(well.code).toBe(0)
  expect(well.stdout).toMatch(/bank +set +bank +rotates in 12d +bank@2/)
  held = vault({ severity: 'warning', what: 'is to be replaced by 2026-02-01', wayOut: 'x', sinceMs: 0 })
  const waits = await sitter('vault', 'status')
  expect(waits.code).toBe(4)
  expect(waits.stderr).toContain('bank: is to be replaced by 2026-02-01')
})

test('vault status tells what is missing and exits 4; import sets nothing when a line is wrong, and prints no value', async () => {
  const vault = {
    sealingKey: Buffer.alloc(32, 9).toString('base64'),
    renewals: [],
    fallbacks: [],
    credentials: [{ name: 'bank-a', version: 3, state: 'active', fingerprint: 'ab12', setMs: nowMs, usedMs: null }],
    vault: { keyKind: 'file', keyCheck: 'ab', changes: 3, outside: 'kept', faults: [] },
  }
  const { server, directory, sitter } = await world({
    'GET /api/v1/credentials': vault,
    'GET /api/v1/config/current': { raw: { credentials: { bank: { pool: ['bank-a', 'bank-b'] }, mail: {} } } },
    'POST /api/v1/credentials': ({ body }: Asked) => ({
      ...(JSON.parse(body) as object),
      version: 1,
      fingerprint: 'cd34',
    }),
  })
  const status = await sitter('vault', 'status')
  expect(status.code).toBe(4)
  expect(status.stdout).toMatch(/bank +partly set +bank-a, bank-b +.*bank-a@3/)
  expect(status.stdout).toMatch(/mail +missing/)
  const wrong = 'bank-a=canary-1\ncanary-2 without a name\n'
  await writeFile(join(directory, 'wrong.env'), wrong)
  const refused = await sitter('vault', 'import', 'wrong.env')
  expect(refused.code).toBe(2)
  expect(refused.stderr).toContain('line 2: no NAME=value')
  expect(refused.stdout + refused.stderr).not.toContain('canary')
  expect(server.asked.filter(({ method }) => method === 'POST')).toEqual([])
  const right = await run(directory, ['vault', 'import', '-'], { stdin: '# two\nbank-a=canary-1\nmail=canary=3\n' })
  expect(right).toMatchObject({ code: 0, stdout: 'bank-a@1  cd34\nmail@1  cd34\n' })
  const sent = server.asked.filter(({ method }) => method === 'POST').map(({ body }) => body)
  expect(sent).toHaveLength(2)
  expect(sent.join('')).not.toContain('canary')
  const typed = await sitter('vault', 'set', 'bank-a', 'canary-on-the-command-line')
  expect(typed.code).toBe(2)
  expect(typed.stderr).not.toContain('canary-on')
})

test('an anchor is read from its file and sent along; half of one, or another file, is refused before anything is asked', async () => {
  const { server, directory, sitter } = await world({
    'GET /api/v1/audit/verify': audit,
    'GET /api/v1/audit/checkpoint': { swarm: 'payouts', seq: 41, hash: 'a'.repeat(64), atMs: nowMs },
  })
  const kept = await sitter('audit', 'checkpoint', '--json')
  await writeFile(join(directory, 'anchor.json'), kept.stdout)
  expect(await sitter('audit', 'verify', '--anchor', 'anchor.json')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("the anchor's entry 41 is in it"),
  })
  const last = server.asked.at(-1)!
  expect([last.query.get('seq'), last.query.get('hash')]).toEqual(['41', 'a'.repeat(64)])
  const before = server.asked.length
  for (const text of ['{"seq":1}', 'no json', '{"seq":"1","hash":"a"}', 'null']) {
    await writeFile(join(directory, 'anchor.json'), text)
    expect((await sitter('audit', 'verify', '--anchor', 'anchor.json')).code).toBe(2)
  }
  expect((await sitter('audit', 'verify', '--anchor', 'nowhere.json')).code).toBe(3)
  expect(server.asked).toHaveLength(before)
})

test('audit search follows empty pages to the end and shows who did what', async () => {
  const entry = JSON.stringify({
    actor: 'token:ci',
    action: 'task.submit',
    object: 'tsk_1',
    decision: 'done',
    ts: nowMs,
    facts: { count: 2 },
  })
  const { server, sitter } = await world({
    'GET /api/v1/audit/entries': ({ query }: Asked) =>
      query.get('cursor') === null
        ? { items: [], next: 'further' }
        : {
            items: [
              { seq: 77, entry, prev: 'p', hash: 'h' },
              { seq: 78, entry: 'tampered', prev: 'p', hash: 'h' },
            ],
            next: null,
          },
  })
  const found = await sitter('audit', 'search', '--actor', 'token:ci', '--since', '1h')
  expect(found.stdout).toMatch(/77 .*token:ci +task\.submit +tsk_1 +done +count=2/)
  expect(found.stdout).toMatch(/78 +unknown +unknown/)
  expect(server.asked[0]!.query.get('actor')).toBe('token:ci')
  expect((await sitter('audit', 'search', '-q')).stdout).toBe('77\n78\n')
})

test('a backup needs no sitter, is a copy that verifies, and does not go into the data directory', async () => {
  const { directory, sitter } = await world({})
  const data = join(directory, '.sitter')
  const { applyConfig, loadConfig } = await import('../../../src/config/config.ts')
  const { realClock, realDisk, realProc } = await import('../../../src/std/real/real.ts')
  const [disk, proc, clock] = [realDisk(), realProc(), realClock()]
  await writeFile(join(directory, 'swarm.config.json'), JSON.stringify({ name: 'x', agents: {} }))
  await disk.makeDirectory(join(data, 'config'), 0o700)
  await applyConfig(disk, data, await loadConfig({ file: join(directory, 'swarm.config.json'), disk, proc, clock }))
  const store = openSqliteStore(join(data, 'swarm.db'))
  cleanups.push(() => store.close())
  await store.transact([
    {
      kind: 'audit.append',
      with: { wallMs: 1, entries: [{ actor: 'a', action: 'b', object: 'c', decision: 'done', facts: {} }] },
    },
  ])
  expect((await sitter('backup', '.sitter/copy')).code).toBe(2)
  expect(await sitter('backup', 'copy', '--dry-run')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('would copy'),
  })
  expect(await readdir(directory)).not.toContain('copy')
  const made = await sitter('backup', 'copy', '--json')
  expect(JSON.parse(made.stdout)).toMatchObject({ target: join(directory, 'copy'), audit: { ok: true, entries: 1 } })
  expect((await stat(join(directory, 'copy', 'swarm.db'))).mode & 0o777).toBe(0o600)
  expect(await sitter('audit', 'verify', '--record', 'copy/swarm.db')).toMatchObject({ code: 0 })
  expect((await sitter('backup', 'copy')).code).toBe(6)
  expect(JSON.parse(await readFile(join(directory, 'copy', 'manifest.json'), 'utf8'))).toMatchObject({
    files: [{ path: 'swarm.db' }],
  })
})

test('an upstream is shown with what is not known as not known, and channels with who resolves an unknown', async () => {
  const upstream = {
    name: 'bank',
    url: 'http://127.0.0.1:9100',
    credential: null,
    allow: ['GET /v1/**'],
    money: ['POST /v1/payouts'],
    limits: [
      {
        per: 'credential',
        rate: '400/s',
        pausedUntilMs: null,
        waiting: 3,
        usage: { used: 380, of: 380, freeAtMs: null },
      },
      { per: 'agent', rate: '5/s', pausedUntilMs: null, waiting: 3, usage: null },
    ],
    domains: [
      { per: 'agent', owner: 'settler/0007', used: 4, of: 4, freeAtMs: null },
      { per: 'agent', owner: 'settler/0008', used: 0, of: 4, freeAtMs: 0 },
    ],
    waiting: [{ agent: 'settler/0007', waiting: 3 }],
    waitMs: { p50: 1_000, p95: 2_000, p99: 3_000 },
    calls: 0,
    byStatus: {},
    learned: [],
    paused: [
      { whose: 'address', credential: null, why: 'banned', untilMs: Date.now() + 640_000 },
      { whose: 'credential', credential: 'bank-b', why: 'asked', untilMs: Date.now() + 150_000 },
      { whose: 'credential', credential: 'bank-c', why: 'banned', untilMs: 0 },
    ],
    paces: [{ credential: 'bank-a', perSecond: 12.345 }],
    unsigned: false,
    breakers: [],
    latencyMs: null,
  }
  const channel = {
    name: 'bank',
    kind: 'http',
    upstream: 'bank',
    payer: 'x',
    pay: 'POST /v1/payouts',
    resolve: null,
    tries: 5,
    settlements: { settled: 2 },
  }
  const { sitter } = await world({
    'GET /api/v1/upstreams': { items: [upstream], next: null },
    'GET /api/v1/upstreams/bank': upstream,
    'GET /api/v1/channels': { items: [channel], next: null },
  })
  expect((await sitter('upstream', 'ls')).stdout).toMatch(/bank .* for 10 m .*none seen/)
  expect((await sitter('upstream', 'show', 'bank')).stdout).toContain('only by grant (money)\n  POST /v1/payouts')
  const { stdout } = await sitter('upstream', 'show', 'bank')
  expect(stdout).toContain('400/s per credential: 380 of 380 used, free with the next answer, 3 waiting')
  expect(stdout).toContain('5/s per agent: 3 waiting')
  expect(stdout).toContain(
    [
      'paused',
      '  all from this address: for 10 m, banned by the upstream',
      '  calls by bank-b: for 2 m, as the upstream asked',
      '  calls by bank-c: until one call was answered, banned by the upstream',
    ].join('\n'),
  )
  expect(stdout).toContain('pace that was found\n  calls by bank-a: 12.3 a second, because it refused more\n')
  expect(stdout).toContain('used by\n  settler/0007 (per agent): 4 of 4 used, free with the next answer\n')
  expect(stdout).toContain('waiting\n  settler/0007: 3')
  expect((await sitter('upstream', 'show', 'mail')).code).toBe(3)
  expect((await sitter('channel', 'ls')).stdout).toMatch(/a person +2 settled/)
})

test('--wait ends when each agent is seen so, with 4 when one is quarantined instead, with 124 when the time is over', async () => {
  let looks = 0
  const seen = (first: object, later: object) => () => {
    looks += 1
    return { items: [{ ...agent(1), ...(looks < 3 ? first : later) }], next: null }
  }
  const answer = (asked: string) => ({ asked, agents: ['settler/0001'], left: [] })
  const ordered = async (verb: string, first: object, later: object, within = '1m'): Promise<Ended> => {
    looks = 0
    const { sitter } = await world({
      'GET /api/v1/agents': seen(first, later),
      [`POST /api/v1/agents/settler/1/${verb}`]: answer(verb),
    })
    return sitter(verb, 'settler/1', '--wait', within)
  }
  expect(await ordered('stop', { state: 'stopping' }, { state: 'stopped' })).toMatchObject({ code: 0 })
  expect(looks).toBeGreaterThanOrEqual(3)
  expect(await ordered('start', { state: 'stopped' }, { state: 'idle' })).toMatchObject({ code: 0 })
  const broken = await ordered('start', { state: 'starting' }, { state: 'quarantined', reason: 'it ends at once' })
  expect(broken).toMatchObject({ code: 4, stderr: expect.stringContaining('settler/0001 is quarantined: it ends') })
  // The same life is no new one, however well it is.
  const same = { state: 'idle', epoch: 7 }
  expect(await ordered('restart', same, { state: 'idle', epoch: 8 })).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('restarted: settler/0001'),
  })
  expect(await ordered('restart', same, same, '1ms')).toMatchObject({ code: 124 })
})
