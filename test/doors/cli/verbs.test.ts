/**
 * The real CLI against a server that answers canned documents: what is asked, what is printed where, and the exit
 * codes.
 */
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { openSqliteStore, type NewAudit } from '../../../src/store/store.ts'
import { agent, batch, batchAnswer, nowMs, problem, swarm } from './documents.ts'
import { home, run as runProcess, start, type Ended } from './child.ts'
import { run } from './inside.ts'
import { canned, type Asked } from './server.ts'
import { cleanups, world } from './world.ts'

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
  const { code, stdout, stderr } = await runProcess(bare.directory, ['--help'], {
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
  expect(await sitter('audit', 'prove', 'file')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('`sitter audit prove` is not built yet'),
  })
  expect((await sitter('describe')).code).toBe(2)
  expect((await sitter('task')).code).toBe(2)
  expect((await sitter('down', '--within', 'soon')).code).toBe(2)
  expect(await runProcess(directory, ['up', 'nowhere.config.ts'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('config-unreadable'),
  })
  expect((await runProcess(directory, ['up', '--detach', 'nowhere.config.ts'])).stderr).toContain('config-unreadable')
  expect((await sitter('export', 'runs')).stderr).toContain('runs of schedules are not built yet')
  expect((await sitter('settle', 'payments.xml')).stderr).toContain('are not built yet')
  expect((await sitter('help', 'task', 'add')).stdout).toContain('sitter task add settle --payload @payment.json')
  expect((await sitter('logs', '--level', 'loud')).stderr).toContain('way out: `sitter logs --help`')
  expect((await sitter('help', 'settle')).stdout).toContain('sitter settle payouts.csv --dry-run')
  const version = JSON.parse(await readFile(join(import.meta.dirname, '../../../package.json'), 'utf8')) as {
    version: string
  }
  expect((await sitter('--version')).stdout).toBe(`${version.version}\n`)
})
