/** What `init` writes runs; and what runs is looked at with the other verbs of those who operate. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { MetricsAnswer } from '../../../src/doors/api.ts'
import type { Check } from '../../../src/doors/cli/doctor-checks.ts'
import { freePort } from '../../port.ts'
import { run, start, type Ended, type Started } from './child.ts'

const project = resolve(import.meta.dirname, '../../..')
const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean()
})

const folder = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'sitter-init-'))
  cleanups.push(() => rm(directory, { recursive: true, force: true }))
  return directory
}

interface Swarm {
  readonly directory: string
  readonly sitter: (...args: string[]) => Promise<Ended>
  readonly up: (...args: string[]) => Started
}

/** A fresh scaffold, with the package linked into it as `npm install` would. */
const scaffold = async (): Promise<Swarm> => {
  const directory = join(await folder(), 'My Swarm')
  await mkdir(directory)
  expect(await run(directory, ['init'])).toMatchObject({ code: 0 })
  await mkdir(join(directory, 'node_modules'))
  await symlink(project, join(directory, 'node_modules', 'swarmsitter'))
  const env = {
    XDG_CONFIG_HOME: join(directory, '.config'),
    REHEARSAL_PORT: String(await freePort()),
    SITTER_PORT: String(await freePort()),
    NO_COLOR: '1',
  }
  return {
    directory,
    sitter: (...args) => run(directory, args, { env }),
    up: (...args) => start(directory, ['up', ...args], { env }),
  }
}

/** Resolves when stderr of a running `up` says this. */
const says = async ({ child, ended }: Started, text: string): Promise<void> => {
  let said = ''
  const heard = new Promise<void>((done) => {
    child.stderr!.on('data', (chunk: string) => {
      said += chunk
      if (said.includes(text)) done()
    })
  })
  await Promise.race([
    heard,
    ended.then((end) => Promise.reject(new Error(`it ended before it said ${text}: ${end.stderr}`))),
  ])
}

/** Asks again until the answer is the wanted one; every asking is a whole process, so this is no busy wait. */
const until = async (swarm: Swarm, args: readonly string[], wanted: (end: Ended) => boolean): Promise<Ended> => {
  for (let tries = 0; tries < 40; tries += 1) {
    const end = await swarm.sitter(...args)
    if (wanted(end)) return end
  }
  throw new Error(`${args.join(' ')} never answered as wanted`)
}

/** The figures that are counted in the record, by name and labels. */
const counted = ({ stdout }: Ended): Record<string, number> => {
  const { families } = JSON.parse(stdout) as MetricsAnswer
  const names = [
    'sitter_tasks_finished_total',
    'sitter_attempts_total',
    'sitter_settlements_total',
    'sitter_calls_total',
  ]
  return Object.fromEntries(
    families
      .filter(({ name }) => names.includes(name))
      .flatMap(({ name, samples }) =>
        samples.map(({ labels, value }) => [`${name} ${Object.values(labels).join(' ')}`, value] as const),
      ),
  )
}

const exported = async (swarm: Swarm, kind: string, field: 'state' | 'outcome'): Promise<Record<string, number>> => {
  const { stdout } = await swarm.sitter('export', kind)
  const lines = stdout.trim().split('\n')
  const found = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  const words = found.map((one) => {
    const value = one[field]
    return typeof value === 'string' ? value : (value as { state: string }).state
  })
  return Object.fromEntries(
    Map.groupBy(words, (word) => word)
      .entries()
      .map(([word, all]) => [word, all.length]),
  )
}

test('The scaffold runs at once, and pays its twenty rows once however often it is started', async () => {
  const swarm = await scaffold()
  const first = await swarm.up('--settle', 'payouts.csv', '--exit-when-idle').ended
  expect(first).toMatchObject({ code: 0 })
  expect(first.stdout).toContain('settled      20, 399.30 XTS')
  const again = await swarm.up('--settle', 'payouts.csv', '--exit-when-idle').ended
  expect(again).toMatchObject({ code: 0 })
  expect(again.stdout).toContain('all 20 rows were settled before')

  // Nobody runs now: the log and the machine can be looked at all the same.
  const agent = await swarm.sitter('logs', 'payer/1', '--json')
  const lines = agent.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(lines.length).toBeGreaterThan(0)
  expect(lines[0]).toMatchObject({ level: 30, room: 'agent', agent: 'payer/0001', msg: 'paying' })
  const rooms = (await swarm.sitter('logs', '--json', '--since', '1h')).stdout.trim().split('\n')
  expect(new Set(rooms.map((line) => (JSON.parse(line) as { room: string }).room))).toEqual(
    new Set(['agent', 'gate', 'sitter', 'watch']),
  )
  const { checks } = JSON.parse((await swarm.sitter('doctor', '--json')).stdout) as { checks: Check[] }
  const verdicts = Object.fromEntries(checks.map(({ name, verdict }) => [name, verdict]))
  expect(verdicts).toMatchObject({
    config: 'enforced',
    record: 'enforced',
    leftovers: 'enforced',
    'vault-key': 'enforced',
    'data-directory': 'enforced',
    'port-api': 'enforced',
  })
}, 120_000)

test('Counters equal what export gives, after a killed sitter too, and promtool finds nothing wrong', async () => {
  const swarm = await scaffold()
  const up = swarm.up('--settle', 'payouts.csv')
  cleanups.push(async () => {
    up.child.kill('SIGTERM')
    await up.ended
  })
  await says(up, 'stop      Ctrl-C')
  const isPaid = ({ code, stdout }: Ended): boolean =>
    code === 0 && counted({ code, stdout, stderr: '' })['sitter_settlements_total bank settled'] === 20
  const before = counted(await until(swarm, ['metrics', '--json'], isPaid))
  const done = await until(swarm, ['metrics', '--json'], (end) =>
    Object.values(counted(end)).every((value) => value >= 20),
  )
  expect(counted(done)).toEqual({
    'sitter_tasks_finished_total settle succeeded': 20,
    'sitter_attempts_total succeeded': 20,
    'sitter_settlements_total bank settled': 20,
    'sitter_calls_total bank 201': before['sitter_calls_total bank 201'],
  })
  const { pid, url } = JSON.parse(await readFile(join(swarm.directory, '.sitter/run/api.json'), 'utf8')) as {
    pid: number
    url: string
  }
  process.kill(pid, 'SIGKILL')
  const after = await until(swarm, ['metrics', '--json'], ({ code, stdout }) => {
    return code === 0 && stdout.includes('"sitter_epoch"') && stdout.includes('"value":2') && stdout.includes('bank')
  })
  expect(counted(after)).toEqual(counted(done))
  expect(await exported(swarm, 'tasks', 'state')).toEqual({ succeeded: 20 })
  expect(await exported(swarm, 'attempts', 'outcome')).toEqual({ succeeded: 20 })
  expect(await exported(swarm, 'settlements', 'state')).toEqual({ settled: 20 })

  const token = (await readFile(join(swarm.directory, '.sitter/run/operator.token'), 'utf8')).trim()
  expect((await fetch(`${url}/metrics`)).status).toBe(401)
  const scrape = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })
  expect(scrape.headers.get('content-type')).toContain('version=0.0.4')
  const input = await scrape.text()
  const judged = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' })
  // Without promtool (Debian: prometheus) nobody has judged: that is a failure, not a pass.
  expect(judged.error, 'promtool cannot be run').toBeUndefined()
  expect([judged.status, judged.stdout, judged.stderr]).toEqual([0, '', ''])
  const rules = spawnSync('promtool', ['check', 'rules', join(project, 'deploy/prometheus/rules.yaml')], {
    encoding: 'utf8',
  })
  expect([rules.status, rules.stderr]).toEqual([0, ''])

  // Without the word of a living sitter the same lines are asked of its API.
  const far = await run(tmpdir(), ['--url', url, '--token', token, 'logs', 'sitter', '--tail', '1', '--json'])
  expect(JSON.parse(far.stdout)).toMatchObject({ room: 'sitter' })
  const told = (await swarm.sitter('doctor', '--json')).stdout
  const { checks } = JSON.parse(told) as { checks: Check[] }
  expect(checks.filter(({ name }) => name === 'leftovers' || name.startsWith('port-'))).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ name: 'leftovers', verdict: 'enforced' }),
      expect.objectContaining({ name: 'port-api', verdict: 'enforced', says: expect.stringContaining('our running') }),
    ]),
  )
}, 120_000)

test('init overwrites nothing: one file that is there refuses all of them', async () => {
  const directory = await folder()
  await writeFile(join(directory, 'README.md'), 'mine')
  const refused = await run(directory, ['init'])
  expect(refused.code).toBe(6)
  expect(refused.stderr).toContain('README.md already: nothing was written')
  expect(await readdir(directory)).toEqual(['README.md'])
  expect(await readFile(join(directory, 'README.md'), 'utf8')).toBe('mine')
  const dry = await run(directory, ['init', 'new', '--dry-run', '--json'])
  expect(JSON.parse(dry.stdout)).toMatchObject({ dryRun: true })
  expect(await readdir(directory)).toEqual(['README.md'])
})

test('The scaffold compiles for those who check their types', async () => {
  const swarm = await scaffold()
  const config = {
    compilerOptions: {
      module: 'nodenext',
      target: 'esnext',
      strict: true,
      noEmit: true,
      allowImportingTsExtensions: true,
      customConditions: ['source'],
      skipLibCheck: true,
      types: [],
    },
    files: ['swarm.config.ts', 'agents/payer.ts'],
  }
  await writeFile(join(swarm.directory, 'tsconfig.json'), JSON.stringify(config))
  const tsc = join(project, 'node_modules/.bin/tsc')
  const said = spawnSync(process.execPath, [tsc, '-p', swarm.directory], { encoding: 'utf8' })
  const ours = said.stdout.split('\n').filter((line) => /swarm\.config|payer\.ts/.test(line))
  expect(ours).toEqual([])
  expect(execFileSync('wc', ['-l', join(swarm.directory, 'payouts.csv')], { encoding: 'utf8' })).toMatch(/^21 /)
}, 60_000)
