/**
 * The real CLI on weaker machines: a user without powers, without control groups, without bubblewrap, each alone and
 * together. Made by a mount namespace in which those are covered, so only where the tests are root; elsewhere this
 * machine is as it is.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Check } from '../../src/doors/cli/doctor-checks.ts'

const checkout = resolve(import.meta.dirname, '../..')
const nobody = 65_534

interface Weaker {
  readonly user: boolean
  readonly groups: boolean
  readonly bubblewrap: boolean
}

let root: string
let running: { readonly child: ChildProcess; readonly over: Promise<unknown> } | undefined
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sitter-plain-'))
  chmodSync(root, 0o755)
  for (const name of ['app', 'home', 'swarm']) mkdirSync(join(root, name), { mode: 0o755 })
  const exec = { exec: ['/bin/sh', '-c', 'echo \'"done"\''] }
  const work = (cell?: unknown) => ({ run: exec, count: 1, ...(cell !== undefined && { cell }) })
  const module = { run: { module: './pooled.mjs' }, count: 1, cell: 'pool' }
  const config = {
    name: 'plain',
    agents: {
      pooled: { run: { module: './pooled.mjs' }, count: 2, cell: 'pool' },
      plain: work('process'),
      silent: work(),
      either: work({ kind: 'sandbox', orWeaker: true }),
      strict: work('sandbox'),
      payer: { ...work(), upstreams: ['bank'] },
      teller: { ...module, upstreams: ['bank'] },
      less: { ...module, upstreams: ['bank'], cell: { kind: 'pool', orWeaker: true } },
    },
    tasks: Object.fromEntries(
      ['pooled', 'plain', 'silent', 'either', 'strict', 'payer', 'teller', 'less'].map((agent) => [agent, { agent }]),
    ),
    upstreams: { bank: { url: 'https://bank.example', allow: ['POST /pay'], money: ['POST /pay'] } },
    api: { port: 0 },
  }
  writeFileSync(join(root, 'swarm', 'swarm.config.json'), JSON.stringify(config))
  cpSync(join(import.meta.dirname, 'swarm', 'pooled.mjs'), join(root, 'swarm', 'pooled.mjs'))
})
afterEach(async () => {
  running?.child.kill('SIGTERM')
  await running?.over
  running = undefined
  rmSync(root, { recursive: true, force: true })
})

/**
 * The checkout is shown at a place that everybody may enter, wherever it lies. What is covered is covered for this
 * program and its children alone.
 */
const script = (weaker: Weaker): string =>
  [
    'set -e',
    `mount --bind ${checkout} ${root}/app`,
    // What was found beside the module is found here too: the name of our package.
    `mkdir -p ${root}/swarm/node_modules && ln -sfn ../../app ${root}/swarm/node_modules/swarmsitter`,
    ...(weaker.user ? [`chown -R ${nobody}:${nobody} ${root}/home ${root}/swarm`] : []),
    ...(weaker.groups ? ['mount -t tmpfs -o ro none /sys/fs/cgroup'] : []),
    ...(weaker.bubblewrap
      ? ['for one in /usr/local/bin/bwrap /usr/bin/bwrap; do [ ! -e $one ] || mount --bind /dev/null $one; done']
      : []),
    `exec ${weaker.user ? `setpriv --reuid ${nobody} --regid ${nobody} --clear-groups --inh-caps=-all` : 'env'} "$@"`,
  ].join('\n')

const sitter = (weaker: Weaker, args: readonly string[]): ChildProcess => {
  const node = [`${root}/app/node_modules/.bin/node`, '--conditions=source', '--disable-warning=ExperimentalWarning']
  const words = ['-m', '--propagation', 'private', '/bin/sh', '-c', script(weaker), 'sh']
  return spawn('unshare', [...words, ...node, `${root}/app/src/main.ts`, ...args], {
    cwd: join(root, 'swarm'),
    env: { PATH: '/usr/bin:/bin', HOME: join(root, 'home') },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}
const ended = async (child: ChildProcess): Promise<{ readonly code: number; readonly out: string }> => {
  let out = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr!.resume()
  const [code] = (await once(child, 'close')) as [number]
  return { code, out }
}
const doctor = async (weaker: Weaker): Promise<Readonly<Record<string, Check>>> => {
  const { out } = await ended(sitter(weaker, ['doctor', '--json']))
  const { checks } = JSON.parse(out) as { checks: Check[] }
  return Object.fromEntries(checks.map((check) => [check.name, check]))
}

const up = async (weaker: Weaker): Promise<(path: string, body?: unknown) => Promise<Record<string, unknown>>> => {
  const child = sitter(weaker, ['up', '--no-color'])
  let said = ''
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  running = { child, over: once(child, 'close') }
  await expect.poll(() => said, { timeout: 60_000, interval: 50 }).toMatch(/dashboard http|error \[/)
  const of = (name: string): string => readFileSync(join(root, 'swarm', '.sitter', 'run', name), 'utf8')
  const { url } = JSON.parse(of('api.json')) as { url: string }
  return async (path, body) => {
    const answer = await fetch(`${url}/api/v1/${path}`, {
      headers: { authorization: `Bearer ${of('operator.token').trim()}`, 'content-type': 'application/json' },
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    })
    return (await answer.json()) as Record<string, unknown>
  }
}

/** What each type lives in, or why it is not started; and that those that are started do work. */
const tried = async (weaker: Weaker) => {
  const ask = await up(weaker)
  const { items } = (await ask('agents')) as unknown as {
    items: {
      type: string
      housing: { effective: string | null; weaker: string[]; refused: { why: string; wayOut: string } | null }
    }[]
  }
  const housing = Object.fromEntries(items.map((one) => [one.type, one.housing]))
  for (const [type, { effective }] of Object.entries(housing)) {
    if (effective === null) continue
    const { id } = (await ask('tasks', { type, payload: { do: 'it' } })) as { id: string }
    await expect
      .poll(async () => (await ask(`tasks/${id}`))['state'], { timeout: 30_000 })
      .toMatchObject({ state: 'succeeded' })
  }
  return housing
}

/** By type: what it lives in, and what of its promise is not kept. */
const shortly = (housing: Awaited<ReturnType<typeof tried>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(housing).map(([type, { effective, weaker }]) => [
      type,
      `${effective ?? 'refused'}${weaker.length === 0 ? '' : ', weaker'}`,
    ]),
  )

const isRoot = process.getuid?.() === 0
const strong: Weaker = { user: false, groups: false, bubblewrap: false }
const bubblewrap = /bubblewrap is not here/
const groups = /only coarse bounds of each process, none on CPU/

describe(isRoot ? 'On a weaker machine' : 'Not tried, for only root can cover what a machine has', () => {
  if (!isRoot) return test('it is said', () => expect(isRoot).toBe(false))

  /** Every type that is refused says what is missing and what to do; doctor says the same, with and without a sitter. */
  const expectRefused = (
    housing: Awaited<ReturnType<typeof tried>>,
    checks: Readonly<Record<string, Check>>,
    missing: readonly RegExp[],
  ): void => {
    for (const [type, kind] of [
      ['strict', 'sandbox'],
      ['payer', 'sandbox'],
      ['teller', 'pool'],
    ] as const) {
      const { refused } = housing[type]!
      expect(checks[`cell-${type}`]).toMatchObject({ verdict: 'absent', says: refused!.why, fix: refused!.wayOut })
      expect(refused!.why).toContain(`agent type ${type} asks for cell '${kind}'`)
      for (const one of missing) expect(refused!.why).toMatch(one)
      expect(refused!.wayOut).toContain('orWeaker: true')
    }
  }

  test('without bubblewrap programs that take less live as processes, and the others are refused by name', async () => {
    const weaker = { ...strong, bubblewrap: true }
    const before = await doctor(weaker)
    const housing = await tried(weaker)
    expect(shortly(housing)).toEqual({
      pooled: 'pool, weaker',
      plain: 'process',
      silent: 'process, weaker',
      either: 'process, weaker',
      strict: 'refused, weaker',
      payer: 'refused, weaker',
      teller: 'refused, weaker',
      less: 'pool, weaker',
    })
    for (const checks of [before, await doctor(weaker)]) {
      expect(checks['sandbox']).toMatchObject({ verdict: 'absent', fix: expect.stringMatching(/apt-get install/) })
      expect(checks['limits']).toMatchObject({ verdict: 'enforced' })
      // What has no walls is not root all the same.
      expect(checks['process-users']).toMatchObject({ verdict: 'enforced' })
      expect(checks['cell-either']!.says).toContain('a user of its own')
      expectRefused(housing, checks, [bubblewrap])
    }
    expect(housing['strict']!.refused!.wayOut).toContain('install bubblewrap')
  }, 120_000)

  test('without control groups a sandbox that takes less is one, without limits, and says so', async () => {
    const weaker = { ...strong, groups: true }
    const housing = await tried(weaker)
    expect(shortly(housing)).toEqual({
      pooled: 'pool, weaker',
      plain: 'process, weaker',
      silent: 'sandbox, weaker',
      either: 'sandbox, weaker',
      strict: 'refused, weaker',
      payer: 'refused, weaker',
      teller: 'refused, weaker',
      less: 'pool, weaker',
    })
    const checks = await doctor(weaker)
    expect(checks['limits']).toMatchObject({ verdict: 'weaker', fix: expect.stringContaining('Delegate=yes') })
    expect(checks['sandbox']).toMatchObject({ verdict: 'enforced' })
    expectRefused(housing, checks, [groups])
  }, 120_000)

  test('a user without powers has sandboxes that share its user, and no control groups that were not given to it', async () => {
    const weaker = { ...strong, user: true }
    const housing = await tried(weaker)
    expect(shortly(housing)).toMatchObject({
      either: 'sandbox, weaker',
      plain: 'process, weaker',
      strict: 'refused, weaker',
      teller: 'refused, weaker',
      less: 'pool, weaker',
    })
    const checks = await doctor(weaker)
    expect(checks['user']).toMatchObject({ verdict: 'weaker', says: expect.stringContaining(`uid ${nobody}`) })
    for (const name of ['cell-users', 'process-users']) expect(checks[name]).toMatchObject({ verdict: 'weaker' })
    expect(checks['limits']).toMatchObject({ verdict: 'weaker' })
    expectRefused(housing, checks, [groups])
  }, 120_000)

  test('without all of them what takes less still works, and whatever is missing is named', async () => {
    const weaker = { user: true, groups: true, bubblewrap: true }
    const housing = await tried(weaker)
    expect(shortly(housing)).toEqual({
      pooled: 'pool, weaker',
      plain: 'process, weaker',
      silent: 'process, weaker',
      either: 'process, weaker',
      strict: 'refused, weaker',
      payer: 'refused, weaker',
      teller: 'refused, weaker',
      less: 'pool, weaker',
    })
    const checks = await doctor(weaker)
    expectRefused(housing, checks, [bubblewrap, groups])
    for (const [name, verdict] of Object.entries({
      sandbox: 'absent',
      'system-calls': 'absent',
      limits: 'weaker',
      stragglers: 'weaker',
      'cell-users': 'weaker',
      'limit-files': 'enforced',
      'cells-die': 'enforced',
    }))
      expect(checks[name]).toMatchObject({ name, verdict })
  }, 120_000)
})
