/** What a sandbox keeps of its own accord: names that are no commands, limits that are named, nothing that is left. */
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { housingOf, probeMachine, programCells, type Cell, type CellPlan, type Machine } from '../../src/cell/cell.ts'
import { openLimits } from '../../src/cell/limits/open.ts'
import { bwrapWords } from '../../src/cell/sandbox/arguments.ts'
import { realClock, realDisk, realNet, realProc } from '../../src/std/real/real.ts'
import type { ProcessIdentity } from '../../src/std/std.ts'
import { Ear, runOf, seats, villain } from './harness.ts'
import { goneSoon, program } from './process-yard.ts'

const name = `swarmsitter-walls-${process.pid}`
const machine = await probeMachine({ name, settle: true })
const ports = { clock: realClock(), proc: realProc(), net: realNet(), disk: realDisk() }
const agent = seats(1)[0]!.agent
let root: string
let cells: ReturnType<typeof programCells>
let running: { readonly cell: Cell; readonly ear: Ear }[] = []
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'walls '))
  chmodSync(root, 0o755)
  const hidden = () =>
    [
      { path: join(root, '.sitter'), is: 'directory' },
      { path: join(root, '.env'), is: 'file' },
    ] as const
  cells = programCells({ ...ports, machine, swarm: root, hidden })
})
afterEach(async () => {
  for (const { cell } of running) cell.kill('the test is over')
  await Promise.all(running.map(({ ear }) => ear.gone()))
  running = []
  rmSync(root, { recursive: true, force: true })
})
afterAll(() => machine.limits.close())

const start = async (kind: 'process' | 'sandbox', run: CellPlan['run'], change: Partial<CellPlan> = {}) => {
  const directory = join(root, '.sitter', 'cel_1')
  const ear = new Ear()
  const plan: CellPlan = {
    id: 'cel_1',
    kind,
    agentType: 'villain',
    run,
    directory,
    gateSocket: join(directory, 'gate.sock'),
    sitterSocket: join(directory, 'sitter.sock'),
    seats: seats(1),
    env: {},
    memoryMb: 64,
    limits: { cpus: 1, processes: 16, files: 64, diskBytes: 4_000_000 },
    ...change,
  }
  const cell = await cells[kind].start(plan, ear.events)
  running.push({ cell, ear })
  await ear.ready()
  return { cell, ear }
}
/** One task: what it printed, or how it failed. */
const task = async (words: readonly string[], change: Partial<CellPlan> = {}): Promise<unknown> => {
  const { cell, ear } = await start('sandbox', { exec: words, directory: root }, change)
  cell.send([runOf(agent, 'att_1', 'any', { text: 'hi' })])
  const said = await ear.until(() => ear.heard.find(({ method }) => method === 'done' || method === 'fail'))
  return said.params['result'] ?? said.params['error']
}

const cannot = machine.bwrap === null ? ` (not tried: ${machine.abilities.namespaces.says})` : ''
describe(`A sandbox${cannot}`, () => {
  if (machine.bwrap === null) return test('It says why there is none', () => expect(cannot).toContain('bubblewrap'))

  test('Names, arguments and folders with what a shell would read are what they are: names', async () => {
    const odd = join(root, '-rf $(touch x); `id`\n&& |')
    mkdirSync(odd)
    const path = join(odd, '--bind $(id).sh')
    writeFileSync(path, '#!/bin/sh\nfor one in "$0" "$@"; do printf "%s|" "$one"; done; printf "%s" "$ODD"')
    chmodSync(path, 0o755)
    const args = ['--', '-x', '$(touch y)', 'a;b', 'new\nline', '--setenv', '']
    const said = await task([path, ...args], { env: { ODD: '$(id); `id`\n-x' } })
    expect(said).toBe([path, ...args, '$(id); `id`\n-x'].join('|'))
    expect(readdirSync(root).filter((one) => one !== '.sitter')).toHaveLength(1)
  })

  test('It sees its program and the system, and nothing of what lies beside them', async () => {
    mkdirSync(join(root, 'beside'))
    writeFileSync(join(root, 'note'), 'mine')
    writeFileSync(join(root, '.env'), 'SECRET=1')
    const script =
      'cat note; cat .env; ls -A .sitter; ls -A /run/sitter /etc/shadow /root /home; ls /proc | grep -c "^[0-9]"'
    const said = await task([
      'sh',
      '-c',
      `${script}; id -u; touch here; touch /x; echo; env | cut -d= -f1 | sort | tr "\\n" " "`,
    ])
    expect(said).toMatch(/^mine\n?sitter\.sock|^mine/)
    expect(said).not.toContain('SECRET')
    expect(String(said).trim().split('\n').at(-1)).toBe(
      'HOME LANG PATH PWD SITTER_AGENT SITTER_ATTEMPT SITTER_GATE SITTER_KEY SITTER_MODE SITTER_NUMBER SITTER_TASK TMPDIR'
        .split(' ')
        .filter((one) => one !== 'LANG' || process.env['LANG'] !== undefined)
        .join(' '),
    )
    expect(readdirSync(root)).not.toContain('here')
  })

  test('What its limits did is named as the cause, by what the kernel counted', async () => {
    const hog = ['python3', '-c', 'x = bytearray(200_000_000)']
    const memory =
      machine.limits.kind === 'rlimits' ? '' : 'out of memory: the kernel killed it or a process of it at 64 MB'
    expect(await task(hog)).toMatchObject({ kind: 'poison', message: expect.stringContaining(memory) as string })
  })

  test('A disk that is full is named, and is no more than was given', async () => {
    const said = await task([
      'sh',
      '-c',
      'head -c 9000000 /dev/zero > /tmp/full; sleep 0.3; stat -c %s /tmp/full >&2; exit 1',
    ])
    expect(said).toMatchObject({
      message: 'exit code 1; its disk is full: all of its 4 MB are used',
      stack: expect.stringMatching(/\b4001792\b/) as string,
    })
  })

  test('A program that nobody else may read is named before it is started, where the sandbox has its own user', async () => {
    const path = join(root, 'closed.sh')
    writeFileSync(path, '#!/bin/sh\necho read')
    chmodSync(path, 0o700)
    const asked = task([path])
    if (machine.ownUser)
      await expect(asked).rejects.toMatchObject({ message: expect.stringContaining('chmod') as string })
    else expect(await asked).toBe('read')
  })

  test('It is asked to end before it is made to, as any program', async () => {
    const script = "trap 'echo asked >&2; exit 0' TERM; echo up >&2; sleep 600 & wait"
    const { cell, ear } = await start('sandbox', { exec: ['sh', '-c', script], directory: root })
    cell.send([runOf(agent, 'att_1', 'any')])
    await ear.until(() => (ear.lines.includes('up') ? true : undefined))
    cell.send([{ jsonrpc: '2.0', method: 'cancel', params: { agent, attempt: 'att_1', reason: 'enough' } }])
    expect(await ear.until(() => ear.lines.find((line) => line === 'asked'))).toBe('asked')
  })

  test('Killed from outside, its walls fall with all that is in them', async () => {
    const { cell, ear } = await start('sandbox', { command: ['python3', program], directory: root })
    cell.send([runOf(agent, 'att_1', 'child')])
    await ear.frame('done', 'att_1')
    const before = groupsOf(name)
    // Not of the wall, which is what we know by pid, but of all that lives behind it.
    if (machine.limits.kind !== 'rlimits') expect(cell.memoryBytes?.()).toBeGreaterThan(2_000_000)
    process.kill(cell.identity!.pid, 'SIGKILL')
    expect(await ear.gone()).toMatchObject({ cause: 'killed', end: { signal: 'SIGKILL' } })
    expect({ before, after: groupsOf(name), home: readdirSync(join(root, '.sitter')) }).toEqual({
      before: machine.limits.kind === 'rlimits' ? [] : ['cel_1'],
      after: [],
      home: [],
    })
    expect(mountsOf(root)).toEqual([])
  })
})

/** Names of the cells' control groups, wherever they are. */
const groupsOf = (of: string): readonly string[] => {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line) => (/ - cgroup2? /.test(line) ? [line.split(' ')[4]!] : []))
  const own = readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .map((line) => line.split(':').slice(2).join(':'))
  // In version 2 we live in a leaf, beside the groups of our cells.
  const around = own.flatMap((path) => (path.endsWith('/supervisor') ? [path, join(path, '..')] : [path]))
  const places = mounts.flatMap((mount) => around.map((path) => join(mount, path, of)))
  const names = places.flatMap((place) => {
    try {
      return readdirSync(place, { withFileTypes: true }).flatMap((one) => (one.isDirectory() ? [one.name] : []))
    } catch {
      return [] // no such place in this hierarchy
    }
  })
  return [...new Set(names)]
}
const mountsOf = (path: string): readonly string[] =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(path.replaceAll(' ', '\\040')))
const withWord = (word: string): readonly string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      const { length } = /^\d+$/.exec(pid) ?? []
      return (
        length === 1 && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(word) && Number(pid) !== process.pid
      )
    } catch {
      return false // gone meanwhile
    }
  })

describe('When the sitter is killed', () => {
  const kinds = machine.bwrap === null ? (['process'] as const) : (['process', 'sandbox'] as const)
  for (const kind of kinds) {
    test(`Nothing of a ${kind} outlives it by five seconds, not even a daemon in a session of its own; the next clears up`, async () => {
      const mine = `${name}-${kind}`
      const words = [
        '--conditions=source',
        '--disable-warning=ExperimentalWarning',
        villain('sandbox-parent'),
        root,
        kind,
        mine,
      ]
      const parent = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
      const line = await new Promise<string>((resolve) =>
        createInterface({ input: parent.stdout }).once('line', resolve),
      )
      const { worker, limits } = JSON.parse(line) as { worker: ProcessIdentity; limits: string }
      expect(withWord(mine).length).toBeGreaterThan(1)
      parent.kill('SIGKILL')
      await goneSoon(worker)
      // Without control groups only a sandbox holds who left his session.
      const held = kind === 'sandbox' || limits !== 'rlimits'
      for (const end = performance.now() + 5_000; held && withWord(mine).length > 0 && performance.now() < end;)
        await wait(20)
      const left = withWord(mine)
      for (const pid of left) process.kill(Number(pid), 'SIGKILL')
      expect(left.length === 0).toBe(held)
      const next = await openLimits({ name: mine, settle: true })
      expect(groupsOf(mine)).toEqual([])
      await next.close()
    })
  }
})

test('What lies behind a cover is not covered again, and what is kept in there is seen all the same', () => {
  const words = bwrapWords(
    {
      bwrap: 'bwrap',
      setpriv: 'setpriv',
      uid: 7,
      readable: ['/app', '/app/src'],
      hidden: [
        { path: '/app/.sitter', is: 'directory' },
        { path: '/app/.sitter/run/s', is: 'directory' },
        { path: '/app/.env', is: 'file' },
        { path: '/elsewhere', is: 'directory' },
      ],
      kept: { path: '/app/.sitter/cache', writes: false },
      sockets: '/app/.sitter/cells/1',
      diskBytes: 1_000,
      cwd: '/app',
      before: [],
      filter: 4,
      status: 3,
    },
    [],
  ).join(' ')
  const binds = /--perms 1777 --size 1000 --tmpfs \/tmp (.*) --remount-ro \/ /.exec(words)![1]!
  expect(binds.split(/ (?=--)/)).toEqual([
    '--perms 0755',
    '--dir /app',
    '--perms 0755',
    '--dir /app/.sitter',
    '--perms 0755',
    '--dir /run',
    '--ro-bind /app /app',
    '--perms 0755',
    '--size 65536',
    '--tmpfs /app/.sitter',
    '--ro-bind /dev/null /app/.env',
    '--perms 0755',
    '--dir /app/.sitter',
    '--ro-bind /app/.sitter/cache /app/.sitter/cache',
    '--ro-bind /app/.sitter/cells/1 /run/sitter',
    '--remount-ro /app/.sitter',
  ])
})

describe('What a type asks for, and what a machine makes of it', () => {
  const yes = { verdict: 'enforced', says: 'yes', fix: null } as const
  const no = (says: string) => ({ verdict: 'absent', says, fix: `get ${says}` }) as const
  const all: Machine['abilities'] = {
    namespaces: yes,
    filter: yes,
    limits: yes,
    memory: yes,
    cpu: yes,
    processes: yes,
    disk: yes,
    files: yes,
    'group-kill': yes,
    'own-user': yes,
    'process-user': no('users'),
    death: yes,
  }
  const asks = (kind: CellPlan['kind'], orWeaker: boolean) => ({
    name: 'payer',
    cell: { kind, orWeaker },
  })

  test('A machine that can gives what was asked for', () => {
    for (const kind of ['pool', 'vm', 'process', 'sandbox'] as const)
      expect(housingOf(asks(kind, false), { abilities: all })).toMatchObject({
        effective: kind,
        weaker: [],
        refused: null,
      })
  })

  test('Less is given to who has said that less will do, and named', () => {
    const noLimits = { ...all, limits: no('control groups') }
    expect(housingOf(asks('sandbox', true), { abilities: noLimits })).toEqual({
      requested: 'sandbox',
      effective: 'sandbox',
      weaker: ['control groups'],
      refused: null,
    })
    const noWalls = { ...all, namespaces: no('bubblewrap'), filter: no('bubblewrap') }
    expect(housingOf(asks('sandbox', true), { abilities: noWalls })).toMatchObject({
      effective: 'process',
      weaker: ['bubblewrap'],
    })
  })

  test('Who has not said so is refused by name, with the way out', () => {
    const { effective, refused } = housingOf(asks('sandbox', false), {
      abilities: { ...all, namespaces: no('bubblewrap') },
    })
    expect(effective).toBe(null)
    expect(refused).toEqual({
      why: "agent type payer asks for cell 'sandbox', which this machine cannot make: bubblewrap",
      wayOut: "get bubblewrap; or write cell: { kind: 'sandbox', orWeaker: true } for what it can",
    })
  })

  test('Machines for agents need nothing of the machine, but who asks for them is not given less than walls unasked', () => {
    const abilities = { ...all, namespaces: no('bubblewrap'), filter: no('bubblewrap') }
    expect(housingOf(asks('vm', false), { abilities })).toMatchObject({ effective: null, weaker: ['bubblewrap'] })
    expect(housingOf(asks('vm', true), { abilities })).toMatchObject({ effective: 'vm', weaker: ['bubblewrap'] })
  })

  test('Near money nobody is given less unasked, whatever the kind; far from it a pool is, and is told of it', () => {
    const noWalls = { ...all, namespaces: no('bubblewrap'), filter: no('bubblewrap'), disk: no('a disk') }
    const near = (kind: CellPlan['kind'], cell: object = {}) => ({
      name: 'payer',
      cell: { kind, orWeaker: false, nearMoney: true, ...cell } as const,
    })
    const of = (type: Parameters<typeof housingOf>[0], abilities: Machine['abilities'] = noWalls) =>
      housingOf(type, { abilities })
    expect(of(asks('pool', false))).toMatchObject({
      effective: 'pool',
      weaker: ['bubblewrap', 'a disk'],
      refused: null,
    })
    expect(of(near('pool'))).toMatchObject({
      effective: null,
      refused: {
        why:
          "agent type payer asks for cell 'pool', which this machine cannot make: bubblewrap; a disk, and may call an " +
          'upstream that moves money',
        wayOut: "get bubblewrap; get a disk; or write cell: { kind: 'pool', orWeaker: true } for what it can",
      },
    })
    expect(of(near('pool', { orWeaker: true }))).toMatchObject({ effective: 'pool', weaker: ['bubblewrap', 'a disk'] })
    expect(of(near('pool'), all)).toMatchObject({ effective: 'pool', weaker: [], refused: null })
    // Asked for in the configuration, not taken by the machine.
    expect(of(near('pool', { walls: false }))).toMatchObject({
      effective: 'pool',
      weaker: ['no walls around it, as the configuration says'],
      refused: null,
    })
    const noLimits = { ...all, limits: no('control groups') }
    for (const type of [near('pool', { walls: false }), near('process')])
      expect(of(type, noLimits).refused?.why).toContain('control groups')
    expect(of(near('process'))).toMatchObject({ effective: 'process', weaker: [], refused: null })
  })

  test('A disk that nothing bounds is told to who has asked for a bound', () => {
    const limits = { diskIsAsked: true } as const
    expect(housingOf({ ...asks('process', true), limits }, { abilities: all })).toMatchObject({
      effective: 'process',
      weaker: ['its disk has no bound: limits.disk is not kept without walls'],
    })
    expect(housingOf({ ...asks('sandbox', true), limits }, { abilities: all })).toMatchObject({ weaker: [] })
  })

  test('A machine without bubblewrap says so, and what to install', async () => {
    const bare = await probeMachine({ name: `${name}-bare`, settle: false, folders: ['/nowhere'] })
    expect(bare.bwrap).toBe(null)
    expect(bare.abilities.namespaces).toMatchObject({
      verdict: 'absent',
      fix: expect.stringContaining('bubblewrap') as string,
    })
  })
})
