/** Doctor's verdicts on machines that tests make up, and on this one. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import {
  clockCheck,
  exitOfChecks,
  filesCheck,
  housingCheck,
  leftoverCheck,
  nodeCheck,
  portCheck,
  credentialsCheck,
  gateUserCheck,
  privateCheck,
  recordCheck,
  serviceChecks,
  spaceCheck,
  userCheck,
  type Check,
} from '../../../src/doors/cli/doctor-checks.ts'
import { openSqliteStore } from '../../../src/store/store.ts'
import { run } from './child.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean()
})

const folder = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'sitter-doctor-'))
  cleanups.push(() => rm(directory, { recursive: true, force: true }))
  return directory
}

interface Told {
  readonly exit: number
  readonly checks: Readonly<Record<string, Check>>
}
const ask = async (directory: string, more: Readonly<Record<string, string>> = {}): Promise<Told> => {
  const env = { XDG_CONFIG_HOME: join(directory, '.config'), ...more }
  const { code, stdout } = await run(directory, ['doctor', '--json'], { env })
  const { checks } = JSON.parse(stdout) as { checks: Check[] }
  return { exit: code!, checks: Object.fromEntries(checks.map((check) => [check.name, check])) }
}

/** A port that somebody else listens on until the test ends. */
const takenPort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(async () => {
    server.close()
    await once(server, 'close')
  })
  return (server.address() as AddressInfo).port
}

test('What is not there is absent or weaker, what cannot be seen is unknown, and neither looks like the other', () => {
  expect(nodeCheck('v20.1.0', 'x').verdict).toBe('absent')
  const wall = { requested: 'sandbox', weaker: ['no limits'], refused: null } as const
  expect(housingCheck('a', { ...wall, effective: 'sandbox', weaker: [] })).toMatchObject({ verdict: 'enforced' })
  expect(housingCheck('a', { ...wall, effective: 'process' })).toMatchObject({
    verdict: 'weaker',
    says: expect.stringMatching(/^process, where sandbox was asked for: the sitter's user.*weaker here: no limits$/),
  })
  expect(housingCheck('a', { ...wall, effective: null, refused: { why: 'it cannot', wayOut: 'do' } })).toMatchObject({
    verdict: 'absent',
    fix: 'do',
  })
  expect(userCheck(0).verdict).toBe('absent')
  expect(userCheck(1_000).verdict).toBe('weaker')
  expect(userCheck(undefined).verdict).toBe('unknown')
  expect(filesCheck(1_024, undefined).verdict).toBe('unknown')
  expect(spaceCheck({ freeBytes: 1e8, freeFiles: 1e6 }).verdict).toBe('absent')
  expect(spaceCheck({ freeBytes: 1e9, freeFiles: 1e6 }).verdict).toBe('weaker')
  expect(spaceCheck(undefined).verdict).toBe('unknown')
  expect(clockCheck('b', undefined).verdict).toBe('weaker')
  expect(leftoverCheck(undefined).verdict).toBe('unknown')
  expect(leftoverCheck([{ pid: 7, command: 'node x' }])).toMatchObject({
    verdict: 'absent',
    says: expect.stringContaining('7 (node x)'),
  })
  const port = { what: 'api', host: '::1', port: 7700, ours: false }
  expect(portCheck({ ...port, free: false }).verdict).toBe('absent')
  expect(portCheck({ ...port, free: undefined }).verdict).toBe('absent')
  expect(portCheck({ ...port, free: false, ours: true }).verdict).toBe('enforced')
  expect(privateCheck('k', '/k', { mode: 0o640, uid: 5 }, 5).verdict).toBe('broken')
  expect(privateCheck('k', '/k', { mode: 0o600, uid: 6 }, 5).verdict).toBe('broken')
  expect(privateCheck('k', '/k', undefined, 5).verdict).toBe('unknown')
  const concern = {
    name: 'bank',
    severity: 'critical',
    what: 'has no secret',
    wayOut: 'sitter vault set bank',
  } as const
  const due = { ...concern, name: 'mail', severity: 'warning' } as const
  expect(credentialsCheck({ secrets: 2, concerns: [due, concern] })).toMatchObject({
    verdict: 'absent',
    says: 'bank has no secret, and 1 other (sitter vault status)',
    fix: 'sitter vault set bank',
  })
  expect(credentialsCheck({ secrets: 1, concerns: [due] }).verdict).toBe('weaker')
  expect(credentialsCheck({ secrets: 1, concerns: [] }).verdict).toBe('enforced')
  expect(credentialsCheck('no sitter').verdict).toBe('unknown')
  const user = { uid: 7, own: true, hidden: true, why: null }
  expect(gateUserCheck(user).verdict).toBe('enforced')
  expect(gateUserCheck({ ...user, hidden: null }).verdict).toBe('weaker')
  const shared = gateUserCheck({ uid: 7, own: false, hidden: false, why: 'only root may give it another' })
  expect(shared).toMatchObject({ verdict: 'weaker', says: expect.stringContaining('only root') as string })
  expect(gateUserCheck('no gate').verdict).toBe('unknown')
  expect(recordCheck({ ok: false, entries: 3, why: 'entry 4 was changed' }).verdict).toBe('broken')
})

test('Who starts it again is told by what systemd shows of the service, and is unknown where that cannot be seen', () => {
  const unit = 'swarmsitter@a.service'
  const set = { unit, restart: 'on-failure', killMode: 'mixed', notifyAccess: 'all', watchdog: '1min' }
  const told = (...ask: Parameters<typeof serviceChecks>): readonly string[] =>
    serviceChecks(...ask).map(({ name, verdict }) => `${name} ${verdict}`)
  expect(told(set, false)).toEqual(['restart enforced', 'watchdog enforced'])
  expect(told({ ...set, restart: 'no' }, false)).toEqual(['restart weaker', 'watchdog enforced'])
  // systemd takes words from the main process alone then, and ours come from a child.
  expect(told({ ...set, notifyAccess: 'main' }, false)).toEqual(['restart enforced', 'watchdog weaker'])
  expect(told({ ...set, watchdog: '0' }, false)).toEqual(['restart enforced', 'watchdog weaker'])
  expect(told({ ...set, killMode: 'process' }, false)).toEqual(['restart absent', 'watchdog enforced'])
  expect(told({ ...set, restart: undefined }, false)).toEqual(['restart unknown'])
  expect(told(undefined, false)).toEqual(['restart weaker'])
  expect(told(undefined, true)).toEqual(['restart unknown'])
})

test('The exit code is 1 for what is broken, 4 for what is absent, and 0 for what is only weaker', () => {
  const of = (...verdicts: Check['verdict'][]): number =>
    exitOfChecks(verdicts.map((verdict) => ({ name: verdict, verdict, says: '', fix: null })))
  expect(of('enforced', 'weaker', 'unknown')).toBe(0)
  expect(of('weaker', 'absent')).toBe(4)
  expect(of('absent', 'broken')).toBe(1)
})

test('A configuration is checked for its ports, its programs and its descriptors without a sitter', async () => {
  const directory = await folder()
  const port = await takenPort()
  const config = {
    name: 'tested',
    agents: {
      there: { run: { command: ['/bin/sh', '-c', 'true'] }, count: 4_000, cell: 'process' },
      gone: { run: { command: ['/no/such/python3', 'a.py'] }, count: 1, cell: 'process' },
    },
    api: { port },
  }
  await writeFile(join(directory, 'swarm.config.json'), JSON.stringify(config))
  const { exit, checks } = await ask(directory)
  expect(exit).toBe(4)
  expect(checks['program-there']).toMatchObject({ verdict: 'enforced' })
  expect(checks['program-gone']).toMatchObject({ verdict: 'absent' })
  expect(checks['port-api']).toMatchObject({ verdict: 'absent', says: expect.stringContaining('taken by another') })
  expect(checks['descriptors']!.says).toContain('4,001 cells')
  await writeFile(join(directory, 'swarm.config.json'), '{"name": 5}')
  expect((await ask(directory)).checks['config']).toMatchObject({ verdict: 'absent' })
})

test('A program is told by the path that its cell takes: a sandbox looks in the folders of the system first', async () => {
  const directory = await folder()
  // Where the sitter is root, a program that is closed to others would be passed over.
  await chmod(directory, 0o755)
  await writeFile(join(directory, 'sh'), '#!/bin/sh\n', { mode: 0o755 })
  const run = { command: ['sh', '-c', 'true'] }
  const config = {
    name: 'tested',
    agents: {
      boxed: { run, count: 1, cell: { kind: 'sandbox', orWeaker: true } },
      plain: { run, count: 1, cell: 'process' },
    },
    api: { port: 0 },
  }
  await writeFile(join(directory, 'swarm.config.json'), JSON.stringify(config))
  const env = { PATH: `${directory}:${process.env['PATH']}` }
  const { checks } = await ask(directory, env)
  expect(checks['cell-plain']!.says).toContain('nothing bounds its disk')
  expect(checks['program-plain']!.says).toBe(`${directory}/sh for agent type plain, in a cell of kind process`)
  if (checks['sandbox']!.verdict === 'enforced')
    expect(checks['program-boxed']!.says).toMatch(/^\/(usr\/)?bin\/sh for agent type boxed, in a cell of kind sandbox$/)
})

test('Each limit of agents is told by itself, with its reason, and what to do where it does not hold', async () => {
  const { checks } = await ask(await folder())
  for (const name of ['memory', 'cpu', 'pids', 'disk', 'files', 'log']) {
    const check = checks[`limit-${name}`]!
    expect(['enforced', 'weaker', 'absent']).toContain(check.verdict)
    expect(check.says.length).toBeGreaterThan(20)
    if (check.verdict !== 'enforced') expect(check.fix).not.toBeNull()
  }
})

test('A data directory that others can read, a key that is open and a record that was changed are broken', async () => {
  const directory = await folder()
  const data = join(directory, '.sitter')
  const keys = join(directory, '.config', 'swarmsitter')
  await mkdir(join(data, 'run'), { recursive: true, mode: 0o700 })
  await chmod(data, 0o700)
  await mkdir(keys, { recursive: true })
  await writeFile(join(keys, 'tested.key'), 'k', { mode: 0o600 })
  const config = {
    name: 'tested',
    agents: { a: { run: { command: ['/bin/true'] }, count: 1, cell: 'process' } },
    api: { port: 0 },
  }
  await writeFile(join(directory, 'swarm.config.json'), JSON.stringify(config))
  const store = openSqliteStore(join(data, 'swarm.db'))
  const entries = Array.from({ length: 1_500 }, (_, index) => ({
    actor: 'test',
    action: 'test.done',
    object: String(index),
    decision: 'done' as const,
    facts: {},
  }))
  await store.transact([{ kind: 'audit.append', with: { entries, wallMs: 1 } }])
  await store.close()
  const before = (await ask(directory)).checks
  expect(before['data-directory']).toMatchObject({ verdict: 'enforced' })
  expect(before['vault-key']).toMatchObject({ verdict: 'enforced' })
  expect(before['record']).toMatchObject({ verdict: 'enforced', says: expect.stringContaining('1,000') })

  const { DatabaseSync } = await import('node:sqlite')
  const database = new DatabaseSync(join(data, 'swarm.db'))
  database.exec("DROP TRIGGER audit_keep; UPDATE audit SET entry = replace(entry, '1400', '1401') WHERE seq = 1401")
  database.close()
  await chmod(data, 0o755)
  await chmod(join(keys, 'tested.key'), 0o644)
  const { exit, checks } = await ask(directory)
  expect(exit).toBe(1)
  expect(checks['data-directory']).toMatchObject({ verdict: 'broken', fix: `chmod go= ${data}` })
  expect(checks['vault-key']).toMatchObject({ verdict: 'broken' })
  expect(checks['record']).toMatchObject({ verdict: 'broken', says: expect.stringContaining('1401') })
  await writeFile(join(data, 'swarm.db'), 'no record')
  expect((await ask(directory)).checks['record']).toMatchObject({ verdict: 'broken' })
})

test("A cell that lives without a sitter is counted by its data directory, and another directory's is not", async () => {
  const directory = await folder()
  const data = join(directory, '.sitter')
  await mkdir(data, { mode: 0o700 })
  const cell = (of: string): number => {
    const child = spawn('/bin/sleep', ['60'], {
      env: { SITTER_SOCKET: join(of, 'run/s/cel_1/sitter.sock') },
      detached: true,
    })
    cleanups.push(async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    })
    return child.pid!
  }
  const [left, strange] = [cell(data), cell(join(directory, 'other'))]
  const { checks } = await ask(directory)
  expect(checks['leftovers']).toMatchObject({
    verdict: 'absent',
    says: expect.stringContaining(`${left} (/bin/sleep 60)`),
  })
  expect(checks['leftovers']!.says).not.toContain(String(strange))
})

test('Nothing is there at all: doctor still tells of the machine, and makes nothing', async () => {
  const directory = await folder()
  const { checks } = await ask(directory)
  expect(checks['config']).toMatchObject({ verdict: 'unknown' })
  expect(checks['node']).toMatchObject({ verdict: 'enforced' })
  const { readdir } = await import('node:fs/promises')
  expect(await readdir(directory)).toEqual([])
})
