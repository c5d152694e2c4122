/**
 * The real CLI against a server that answers canned documents: what is asked, what is printed where, and the exit
 * codes.
 */
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ServerResponse } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { openSqliteStore, type NewAudit } from '../../../src/store/store.ts'
import { agent, audit, batch, batchAnswer, event, ledger, nowMs, problem, settlement, swarm } from './documents.ts'
import { home, run, start, type Ended } from './child.ts'
import { canned, token, type Asked, type Canned } from './server.ts'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

interface World {
  readonly server: Canned
  readonly directory: string
  readonly sitter: (...args: string[]) => Promise<Ended>
}

const world = async (routes: Readonly<Record<string, unknown>>): Promise<World> => {
  const server = await canned(routes)
  const { directory, remove } = await home(server.url)
  cleanups.push(server.close, remove)
  return { server, directory, sitter: (...args) => run(directory, args) }
}

test('a list is followed to its end, and with --json stdout is one document and nothing else', async () => {
  const pages = (asked: Asked): unknown =>
    asked.query.get('cursor') === null
      ? { items: [agent(1), agent(2)], next: 'more' }
      : { items: [agent(3)], next: null }
  const { server, sitter } = await world({ 'GET /api/v1/agents': pages })
  const { code, stdout } = await sitter('ps', '--json', '--state', 'idle')
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toEqual({ items: [agent(1), agent(2), agent(3)], next: null })
  expect(server.asked.map((asked) => asked.query.get('state'))).toEqual(['idle', 'idle'])
  expect(server.asked[0]!.headers.authorization).toBe(`Bearer ${token}`)
})

test('a list for people is aligned and whole in a pipe, and with -q it is ids alone', async () => {
  const long = 'x'.repeat(300)
  const { sitter } = await world({
    'GET /api/v1/agents': { items: [agent(1), agent(12, { state: 'quarantined', reason: long })], next: null },
  })
  const table = await sitter('ps')
  expect(table.stdout).toContain(long)
  expect(table.stdout.split('\n')[0]).toMatch(/^AGENT +STATE +MODE/)
  expect(table.stderr).toContain('2 agents')
  const quiet = await sitter('ps', '-q')
  expect(quiet).toEqual({ code: 0, stdout: 'settler/0001\nsettler/0012\n', stderr: '' })
})

test('what the record says cannot move the cursor, colour or reorder the terminal, nor break JSON', async () => {
  const reason = 'ok\u001b[2J\u001b]52;c;aGk=\u0007\r\nsettler/9999  idle \u202egpj.exe \u0085'
  const { sitter } = await world({ 'GET /api/v1/agents': { items: [agent(1, { reason })], next: null } })
  // oxlint-disable-next-line no-control-regex -- that none of these is printed is the point
  const dangerous = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/
  const table = await sitter('ps')
  expect(table.stdout).not.toMatch(dangerous)
  expect(table.stdout.trimEnd().split('\n')).toHaveLength(2)
  expect(table.stdout).toContain('\\u{1b}[2J')
  const json = await sitter('ps', '--json')
  expect(json.stdout).not.toMatch(dangerous)
  expect(JSON.parse(json.stdout).items[0].reason).toBe(reason)
})

test('status tells well, degraded and broken apart by its exit code', async () => {
  const look = async (view: unknown): Promise<Ended> => (await world({ 'GET /api/v1/swarm': view })).sitter('status')
  const well = await look(swarm())
  expect(well.code).toBe(0)
  expect(well.stdout).toContain('payouts: well')
  expect(well.stdout).toContain('not looked at here')
  expect(well.stdout).toContain('no schedules yet')
  const waits = await look(swarm({ person: 3 }))
  expect(waits.code).toBe(4)
  expect(waits.stdout).toContain('3 things for a person')
  const blind = await look(swarm({ gate: { unknown: 'no link to the gate' } }))
  expect(blind.code).toBe(4)
  expect(blind.stdout).toContain('unknown: no link to the gate')
  const silent = await look(
    swarm({ fleet: { ...swarm().fleet, coverage: { reporting: 4_812, of: 5_000, oldestMs: 41_000 } } }),
  )
  expect(silent.code).toBe(4)
  expect(silent.stdout).toContain('4,812 of 5,000 reporting, oldest 41.0 s ago')
  const broken = await look(swarm({ ledger: { ...ledger, ok: false, faults: ['XTS: debits 5.00, credits 4.00'] } }))
  expect(broken.code).toBe(1)
  expect(broken.stdout).toContain('debits 5.00, credits 4.00')
})

test('checks exit 1 when they do not hold, and name the entry', async () => {
  const bad = { ...audit, ok: false, entries: 41, firstBad: 42, why: 'the hash does not fit' }
  const { sitter } = await world({
    'GET /api/v1/ledger/check': { ...ledger, ok: false, faults: ['transfer 7 has no pair'] },
    'GET /api/v1/audit/verify': bad,
    'GET /api/v1/inbox': { items: [], next: null },
  })
  const check = await sitter('ledger', 'check')
  expect(check).toMatchObject({ code: 1, stdout: expect.stringContaining('transfer 7 has no pair') })
  const verify = await sitter('audit', 'verify')
  expect(verify).toMatchObject({ code: 1, stdout: 'BROKEN at entry 42: the hash does not fit\n' })
  expect(JSON.parse((await sitter('audit', 'verify', '--json')).stdout)).toEqual(bad)
  expect((await sitter('inbox')).code).toBe(0)
})

test('the inbox exits 4 when something waits', async () => {
  const item = {
    kind: 'quarantined',
    id: 'settler/0007',
    what: 'agent is quarantined',
    sinceMs: nowMs,
    wayOut: 'sitter release settler/0007',
  }
  const { sitter } = await world({ 'GET /api/v1/inbox': { items: [item], next: null } })
  expect(await sitter('inbox')).toMatchObject({
    code: 4,
    stdout: expect.stringContaining('sitter release settler/0007'),
  })
})

test('a file is sent as it is, with its name; a refused one is told row by row and exits 2', async () => {
  const faults = Array.from({ length: 30 }, (_, index) => ({
    line: index + 2,
    field: 'amount',
    found: '1,00',
    why: 'write it like 12.34',
  }))
  const routes: Record<string, unknown> = { 'POST /api/v1/batches': batchAnswer() }
  const { server, directory, sitter } = await world(routes)
  await writeFile(join(directory, 'payouts.csv'), 'reference,payee,amount,currency\nr,p,1.00,XTS\n')
  const taken = await sitter('settle', 'payouts.csv', '--channel', 'northbank')
  expect(taken).toMatchObject({ code: 0, stdout: expect.stringContaining('10,000 to pay') })
  expect(server.asked[0]).toMatchObject({
    body: 'reference,payee,amount,currency\nr,p,1.00,XTS\n',
    headers: { 'content-type': 'text/csv' },
  })
  expect(Object.fromEntries(server.asked[0]!.query)).toEqual({ name: 'payouts.csv', channel: 'northbank' })
  await sitter('settle', 'payouts.csv', '--dry-run')
  expect(server.asked[1]!.query.get('dryRun')).toBe('true')
  routes['POST /api/v1/batches'] = problem(422, 'file-invalid', 'payouts.csv is refused whole: 30 faults', {
    count: 30,
    faults: JSON.stringify(faults.slice(0, 25)),
  })
  const refused = await sitter('settle', 'payouts.csv')
  expect(refused.code).toBe(2)
  expect(refused.stdout).toBe('')
  expect(refused.stderr).toContain('  - line 2, amount: found "1,00": write it like 12.34\n')
  expect(refused.stderr).toContain('… and 10 more')
  expect(refused.stderr).toContain('way out: correct the rows')
  const json = await sitter('settle', 'payouts.csv', '--json')
  expect(json.stdout).toBe('')
  expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: 'file-invalid', faultCount: 30, exit: 2 } })
})

test('settle --wait ends with 4 when a payment is unknown, and with 124 when the time is over', async () => {
  const ended = batch({ settlements: { unknown: { count: 1, amounts: { XTS: '1.00' } } } })
  const routes: Record<string, unknown> = { 'POST /api/v1/batches': batchAnswer(), 'GET /api/v1/batches/bat_1': ended }
  const { directory, sitter } = await world(routes)
  await writeFile(join(directory, 'payouts.csv'), 'x')
  expect((await sitter('settle', 'payouts.csv', '--wait')).code).toBe(4)
  routes['GET /api/v1/batches/bat_1'] = batch({ tasks: { running: 1 } })
  expect(await sitter('settle', 'payouts.csv', '--wait', '1ms')).toMatchObject({
    code: 124,
    stderr: expect.stringContaining('did not end within'),
  })
})

test('problems of the API become exit codes', async () => {
  const { sitter } = await world({
    'GET /api/v1/swarm': problem(403, 'forbidden', 'your role may not'),
    'POST /api/v1/tasks/tsk_1/cancel': problem(409, 'conflict', 'it has ended'),
    'GET /api/v1/inbox': problem(503, 'overloaded', 'too much'),
    'GET /api/v1/agents': problem(418, 'a-code-of-tomorrow', 'teapot'),
  })
  expect((await sitter('status')).code).toBe(5)
  expect((await sitter('task', 'cancel', 'tsk_1')).code).toBe(6)
  expect((await sitter('inbox')).code).toBe(75)
  expect((await sitter('ps')).code).toBe(2)
  expect(await sitter('task', 'show', 'tsk_9')).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('[not-found]'),
  })
  expect((await sitter('status', '--token', 'wrong')).code).toBe(5)
})

test('describe takes any id, with the evidence and its age', async () => {
  const description = { ...agent(42), timeLine: [event(1)], attempts: [] }
  const { sitter } = await world({
    'GET /api/v1/agents/settler/42': description,
    'GET /api/v1/settlements/set_1': settlement,
  })
  const shown = await sitter('describe', 'settler/42')
  expect(shown.stdout).toContain('responds: yes, seen')
  expect(shown.stdout).toContain('its cell was killed')
  expect(JSON.parse((await sitter('describe', 'settler/0042', '--json')).stdout)).toEqual(description)
  expect((await sitter('describe', 'set_1')).stdout).toContain('a person decides')
  expect((await sitter('describe', 'nonsense')).code).toBe(2)
})

test('what reaches many asks first, and --dry-run does nothing', async () => {
  const { server, sitter } = await world({
    'GET /api/v1/agents': { items: [agent(1), agent(2)], next: null },
    'POST /api/v1/agents/settler/restart': { asked: 'restart' },
  })
  const posts = (): number => server.asked.filter((asked) => asked.method === 'POST').length
  expect(await sitter('restart', 'settler')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('restart all 2 agents of settler?'),
  })
  expect(await sitter('restart', 'settler', '--dry-run')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('would restart 2 agents'),
  })
  expect(posts()).toBe(0)
  expect((await sitter('restart', 'settler', '--yes')).code).toBe(0)
  expect(posts()).toBe(1)
  // A verb that cannot be dry refuses the flag instead of doing the deed.
  expect((await sitter('status', '--dry-run')).code).toBe(2)
})

test('an export is passed on line by line', async () => {
  const lines = Array.from({ length: 3_000 }, (_, index) =>
    JSON.stringify({ id: `tsk_${index}`, note: index === 7 ? 'a\u009bb' : '' }),
  )
  const { sitter } = await world({
    'GET /api/v1/export/tasks': (_asked: Asked, response: { end: (text: string) => void }) => {
      response.end(`${lines.join('\n')}\n`)
    },
  })
  const { code, stdout, stderr } = await sitter('export', 'tasks')
  expect(code).toBe(0)
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual(lines.map((line) => JSON.parse(line)))
  expect(stdout).not.toContain('\u009b')
  expect(stderr).toContain('3,000 lines')
})

test('events -f resumes after the last one when the link breaks, and Ctrl-C ends it with 130', async () => {
  const asks: (string | undefined)[] = []
  const second = Promise.withResolvers<void>()
  const { directory } = await world({
    'GET /api/v1/events': (
      asked: Asked,
      response: { write(text: string): void; destroy(): void; socket: { end(): void } },
    ) => {
      asks.push(asked.headers['last-event-id'] as string | undefined)
      response.write(`: beat\n\nid: ${asks.length}\nevent: event\ndata: ${JSON.stringify(event(asks.length))}\n\n`)
      if (asks.length === 1) setImmediate(() => response.destroy())
      else second.resolve()
    },
  })
  const { child, ended } = start(directory, ['events', '-f', '--json'])
  let seen = ''
  child.stdout!.on('data', (text: string) => {
    seen += text
  })
  while (seen.split('\n').length < 3) await once(child.stdout!, 'data')
  await second.promise
  child.kill('SIGINT')
  const { code, stdout } = await ended
  expect(code).toBe(130)
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { seq: number }).seq),
  ).toEqual([1, 2])
  expect(asks).toEqual([undefined, '1'])
})

test('a secret is read from stdin, sealed before it leaves, and never printed', async () => {
  const { generateKeyPairSync } = await import('node:crypto')
  const { openSealed } = await import('../../../src/wire/seal.ts')
  const { publicKey, privateKey } = generateKeyPairSync('x25519')
  const sealingKey = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')
  const { server, directory } = await world({
    'GET /api/v1/credentials': { sealingKey, credentials: [] },
    'POST /api/v1/credentials': { name: 'northbank', version: 1 },
  })
  const ended = await run(directory, ['vault', 'set', 'northbank'], { stdin: 'hunter2-canary\n' })
  expect(ended.code).toBe(0)
  const sent = server.asked.find((asked) => asked.method === 'POST')!
  expect(sent.body + JSON.stringify(sent.headers) + ended.stdout + ended.stderr).not.toContain('canary')
  const { name, sealed } = JSON.parse(sent.body) as { name: string; sealed: string }
  expect(name).toBe('northbank')
  expect(openSealed(privateKey, sealed).toString('utf8')).toBe('hunter2-canary')
  expect((await run(directory, ['vault', 'set', 'northbank', 'hunter2-canary'])).code).toBe(2)
})

test('down orders the end and waits until the process and its address are gone', async () => {
  const routes: Record<string, unknown> = { 'GET /api/v1/swarm': swarm() }
  const { server, sitter } = await world(routes)
  let left = 2
  routes['POST /api/v1/swarm/down'] = () => ({ stopping: true })
  routes['GET /api/v1/swarm'] = (_asked: Asked, response: ServerResponse) => {
    left -= 1
    if (left >= 0) return swarm()
    response.destroy()
    return undefined
  }
  expect(await sitter('down', '--dry-run')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('would stop payouts'),
  })
  expect(server.asked.some((asked) => asked.method === 'POST')).toBe(false)
  left = 2
  expect(await sitter('down', '--within', '2m')).toMatchObject({ code: 0, stdout: 'payouts is stopped\n' })
  expect(JSON.parse(server.asked.find((asked) => asked.method === 'POST')!.body)).toEqual({ within: '120s' })
})

test('a copy of the record is verified without a sitter, and a changed byte is named by its entry', async () => {
  const bare = await home()
  cleanups.push(bare.remove)
  const file = join(bare.directory, 'copy.db')
  const store = openSqliteStore(file)
  const entry = (object: string): NewAudit => ({
    actor: 'test',
    action: 'thing.done',
    object,
    decision: 'done',
    facts: {},
  })
  const entries = [entry('first-thing'), entry('second-thing'), entry('third-thing')]
  await store.transact([{ kind: 'audit.append', with: { wallMs: nowMs, entries } }])
  await store.close()
  const good = await run(bare.directory, ['audit', 'verify', '--record', 'copy.db'])
  expect(good).toMatchObject({ code: 0, stdout: expect.stringContaining('verified: 3 entries') })
  const bytes = await readFile(file)
  bytes.write('S', bytes.lastIndexOf('second-thing'))
  await writeFile(file, bytes)
  const bad = await run(bare.directory, ['audit', 'verify', '--record', 'copy.db', '--json'])
  expect(bad.code).toBe(1)
  expect(JSON.parse(bad.stdout)).toMatchObject({ ok: false, firstBad: 2 })
  expect((await run(bare.directory, ['audit', 'verify', '--record', 'absent.db'])).code).toBe(3)
})

test('rehearse runs a provider alone and ends in order', async () => {
  const bare = await home()
  cleanups.push(bare.remove)
  const { child, ended } = start(bare.directory, ['rehearse', '--port', '0', '--json'])
  const [text] = (await once(child.stdout!, 'data')) as [string]
  const { rehearsals } = JSON.parse(text) as { rehearsals: { url: string; tokenFile: string }[] }
  expect((await fetch(`${rehearsals[0]!.url}/v1/payouts?key=x`)).status).toBe(401)
  child.kill('SIGTERM')
  expect(await ended).toMatchObject({ code: 0 })
})

test('nobody answers: 69 with the way out, and no process is started', async () => {
  const bare = await home()
  const dead = await home('http://127.0.0.1:9')
  cleanups.push(bare.remove, dead.remove)
  expect(await run(bare.directory, ['ps'])).toMatchObject({
    code: 69,
    stdout: '',
    stderr: expect.stringContaining('sitter up'),
  })
  expect(await run(dead.directory, ['ps'])).toMatchObject({
    code: 69,
    stderr: expect.stringContaining('no sitter answers at http://127.0.0.1:9'),
  })
})

test('the operator token never goes to an address that its own file does not name', async () => {
  const { directory } = await world({ 'GET /api/v1/swarm': swarm() })
  const stranger = await canned({})
  cleanups.push(stranger.close)
  expect((await run(directory, ['status', '--url', stranger.url])).code).toBe(5)
  expect(stranger.asked).toEqual([])
})

test('help loads no verb and no heavy library', async () => {
  const bare = await home()
  cleanups.push(bare.remove)
  const hook =
    'import{registerHooks}from"node:module";registerHooks({resolve(s,c,n){const r=n(s,c);' +
    'process.stderr.write("LOADED "+r.url+"\\n");return r}})'
  const { code, stdout, stderr } = await run(bare.directory, ['--help'], {
    node: ['--import', `data:text/javascript,${encodeURIComponent(hook)}`],
  })
  expect(code).toBe(0)
  expect(stdout).toContain('Usage: sitter')
  const loaded = stderr.split('\n').filter((line) => line.startsWith('LOADED'))
  expect(loaded.some((line) => line.includes('/commander/'))).toBe(true)
  expect(
    loaded.filter((line) =>
      /\/(zod|hono|kysely|undici|age-encryption|csv-parse|pino)\/|store|agents\.ts|up\.ts|client\.ts/.test(line),
    ),
  ).toEqual([])
})

test('wrong usage exits 2 and points to the nearest right one', async () => {
  const { directory, remove } = await home()
  cleanups.push(remove)
  const sitter = (...args: string[]): Promise<Ended> => run(directory, args)
  expect(await sitter('stauts')).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining('did you mean status?'),
  })
  expect(await sitter('simulate')).toMatchObject({ code: 2, stderr: expect.stringContaining('not built yet') })
  expect(await sitter('vault', 'import', 'file')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('`sitter vault import` is not built yet'),
  })
  expect((await sitter('describe')).code).toBe(2)
  expect((await sitter('task')).code).toBe(2)
  expect((await sitter('down', '--within', 'soon')).code).toBe(2)
  expect(await sitter('up', 'nowhere.config.ts')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('config-unreadable'),
  })
  expect((await sitter('up', '--detach')).stderr).toContain('not built yet')
  expect((await sitter('help', 'settle')).stdout).toContain('sitter settle payouts.csv --dry-run')
  const version = JSON.parse(await readFile(join(import.meta.dirname, '../../../package.json'), 'utf8')) as {
    version: string
  }
  expect((await sitter('--version')).stdout).toBe(`${version.version}\n`)
})
