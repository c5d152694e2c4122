/**
 * A program without walls where the sitter is root: a user of its own, seen from outside and by what it may not do; its
 * sockets, its home and its end; and what the user of a configuration is told when it cannot be.
 */
import { spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { housingOf, probeMachine, programCells, type Cell, type CellPlan } from '../../src/cell/cell.ts'
import { userNumbersOf } from '../../src/model/users.ts'
import { realClock, realDisk, realNet, realProc } from '../../src/std/real/real.ts'
import { Ear, runOf, seats, villain } from './harness.ts'
import { goneSoon, program } from './process-yard.ts'

const machine = await probeMachine({ name: `swarmsitter-user-${process.pid}`, settle: true })
const ports = { clock: realClock(), proc: realProc(), net: realNet(), disk: realDisk() }
const agent = seats(1)[0]!.agent
let root: string
let cells: ReturnType<typeof programCells>
let running: { readonly cell: Cell; readonly ear: Ear }[] = []
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'user-'))
  chmodSync(root, 0o755)
  mkdirSync(join(root, '.sitter'), { mode: 0o700 })
  // Wherever the tests lie, which may be closed to others.
  copyFileSync(program, join(root, 'program.py'))
  cells = programCells({ ...ports, machine, swarm: root, hidden: () => [] })
})
afterEach(async () => {
  for (const { cell } of running) cell.kill('the test is over')
  await Promise.all(running.map(({ ear }) => ear.gone()))
  running = []
  rmSync(root, { recursive: true, force: true })
})
afterAll(() => machine.limits.close())

const doors = (): string => join(root, 'doors')
const planOf = (id: string, run: CellPlan['run'], change: Partial<CellPlan> = {}): CellPlan => ({
  id,
  kind: 'process',
  agentType: 'villain',
  run,
  directory: join(root, '.sitter', id),
  gateSocket: join(doors(), id, 'gate.sock'),
  sitterSocket: join(doors(), id, 'sitter.sock'),
  seats: seats(1),
  env: {},
  memoryMb: 64,
  limits: { cpus: 1, processes: 16, files: 64, diskBytes: 4_000_000 },
  ownUser: true,
  startWithinMs: 20_000,
  ...change,
})
const start = async (id: string, run: CellPlan['run'], change: Partial<CellPlan> = {}) => {
  const ear = new Ear()
  const cell = await cells.process.start(planOf(id, run, change), ear.events)
  running.push({ cell, ear })
  await ear.ready()
  return { cell, ear }
}
const shell = (script: string) => ({ exec: ['sh', '-c', script], directory: root })
/** One task: what it printed, or how it failed. */
const task = async (script: string, change: Partial<CellPlan> = {}): Promise<unknown> => {
  const { cell, ear } = await start('cel_1', shell(script), change)
  cell.send([runOf(agent, 'att_1', 'any', { text: 'hi' })])
  const said = await ear.until(() => ear.heard.find(({ method }) => method === 'done' || method === 'fail'))
  return said.params['result'] ?? said.params['error']
}
const uidOf = (pid: number): number => Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1])
const isCellUser = (uid: number): boolean => {
  const numbers = userNumbersOf(root)
  return uid >= numbers.firstCell && uid < numbers.firstCell + numbers.cells
}

const cannot = machine.plainUser ? '' : ` (not tried: ${machine.abilities['process-user'].says})`
describe(`A program without walls${cannot}`, () => {
  if (!machine.plainUser) return test('It says why it shares a user', () => expect(cannot).not.toBe(''))

  test('It is a user of its own without powers, and each cell another, with a home of its own that is gone with it', async () => {
    const one = await start('cel_1', { command: ['python3', join(root, 'program.py')], directory: root })
    const other = await start('cel_2', { command: ['python3', join(root, 'program.py')], directory: root })
    const uids = [one, other].map(({ cell }) => uidOf(cell.identity!.pid))
    expect(uids.every(isCellUser)).toBe(true)
    expect(new Set(uids).size).toBe(2)
    const status = readFileSync(`/proc/${one.cell.identity!.pid}/status`, 'utf8')
    expect(status).toMatch(/^CapEff:\s+0+$/m)
    expect(status).toMatch(/^CapBnd:\s+0+$/m)
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m)
    expect(status).toMatch(/^Groups:\s*$/m)
    // Its socket is its own: the other one, and everybody else but root, is kept out by its folder.
    expect(statSync(join(doors(), 'cel_1'))).toMatchObject({ uid: uids[0], mode: 0o40700 })
    expect(statSync(doors()).mode & 0o777).toBe(0o711)
    one.cell.send([runOf(agent, 'att_1', 'echo', { said: 'it works' })])
    expect((await one.ear.frame('done', 'att_1')).params['result']).toMatchObject({ payload: { said: 'it works' } })
    for (const { cell, ear } of [one, other]) {
      cell.kill('enough')
      await ear.gone()
    }
    expect([readdirSync(doors()), readdirSync(join(root, '.sitter'))]).toEqual([[], []])
  })

  test('It reads what all may, and nothing of root: not the record, not the sitter, not its neighbour', async () => {
    writeFileSync(join(root, 'note'), 'for all', { mode: 0o644 })
    writeFileSync(join(root, 'key'), 'SECRET', { mode: 0o600 })
    writeFileSync(join(root, '.sitter', 'swarm.db'), 'SECRET', { mode: 0o644 })
    const neighbour = await start('cel_2', { command: ['python3', join(root, 'program.py')], directory: root })
    const pid = neighbour.cell.identity!.pid
    const script =
      `cat note; cat key .sitter/swarm.db /proc/${process.pid}/environ /proc/${pid}/environ; ` +
      `kill -0 ${pid} && echo REACHED; kill -0 ${process.pid} && echo REACHED; touch here /usr/here; ` +
      'echo; echo "$HOME $TMPDIR"; echo mine > "$HOME/file" && cat "$TMPDIR/file"; id -u'
    const said = String(await task(script))
      .trim()
      .split('\n')
    expect(said.slice(0, -1)).toEqual(['for all', `${join(doors(), 'cel_1')} ${join(doors(), 'cel_1')}`, 'mine'])
    expect(isCellUser(Number(said.at(-1)))).toBe(true)
    expect(readdirSync(root).toSorted()).toEqual(['.sitter', 'doors', 'key', 'note', 'program.py'])
  })

  test('It stays the user of the sitter where it is told to, and then writes beside itself', async () => {
    const own = { ownUser: undefined, sitterSocket: join(root, '.sitter', 'cel_1', 'sitter.sock') }
    const change = { ...own, gateSocket: join(root, '.sitter', 'cel_1', 'gate.sock') } as unknown as Partial<CellPlan>
    expect(await task('touch here; id -u', change)).toBe(process.getuid!())
    expect(existsSync(join(root, 'here'))).toBe(true)
  })

  test('What that user could not read is named before the start, with both ways out', async () => {
    const closed = join(root, 'closed')
    mkdirSync(closed, { mode: 0o700 })
    writeFileSync(join(closed, 'a.sh'), '#!/bin/sh\necho read', { mode: 0o755 })
    for (const exec of [[join(closed, 'a.sh')], ['sh', 'closed/a.sh']])
      await expect(start('cel_1', { exec, directory: root })).rejects.toMatchObject({
        message: expect.stringMatching(
          /chmod o\+rX \S+closed, or cell: \{ kind: 'process', user: 'swarm' \}/,
        ) as string,
      })
    expect(readdirSync(doors())).toEqual([])
  })

  test('A program in a folder that is closed to it is passed over for one that is not', async () => {
    const folder = join(root, 'shims')
    mkdirSync(folder, { mode: 0o700 })
    writeFileSync(join(folder, 'sh'), '#!/bin/sh\necho from the closed folder', { mode: 0o755 })
    const surroundings = { ...process.env, PATH: `${folder}:${process.env['PATH']}` }
    cells = programCells({ ...ports, machine, swarm: root, hidden: () => [], surroundings })
    expect(await task('echo from the system')).toBe('from the system')
  })

  test('Doors that somebody else has made are not used', async () => {
    mkdirSync(join(root, 'elsewhere'))
    symlinkSync(join(root, 'elsewhere'), doors())
    await expect(start('cel_1', shell('true'))).rejects.toThrow(/is not this swarm's/)
    const there = await probeMachine({ name: 'any', settle: false, doors: doors() })
    expect(there.plainUser).toBe(false)
    expect(there.abilities['process-user']).toMatchObject({ says: expect.stringContaining(doors()) as string })
  })

  test('It is killed by the kernel with its sitter, though it has changed its user', async () => {
    const flags = ['--conditions=source', '--disable-warning=ExperimentalWarning']
    const words = [...flags, villain('user-parent'), root]
    const parent = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    const line = await new Promise<string>((resolve) => createInterface({ input: parent.stdout }).once('line', resolve))
    const { worker, reaper } = JSON.parse(line) as { worker: { pid: number; startTime: string }; reaper: number }
    expect(isCellUser(uidOf(worker.pid))).toBe(true)
    // The reaper would do it too: without it only the kernel is left.
    process.kill(reaper, 'SIGKILL')
    parent.kill('SIGKILL')
    await goneSoon(worker)
  })
})

test('Where users can be changed a process has one, and who stays the sitter’s is told', () => {
  const has = (verdict: 'enforced' | 'weaker') => ({
    abilities: {
      ...machine.abilities,
      limits: { verdict: 'enforced', says: 'yes', fix: null } as const,
      'process-user': { verdict, says: verdict, fix: null } as const,
    },
  })
  const type = (user?: 'own' | 'swarm') => ({
    name: 'one',
    cell: { kind: 'process', orWeaker: false, ...(user && { user }) } as const,
  })
  expect(housingOf(type(), has('enforced'))).toMatchObject({ effective: 'process', user: 'own', weaker: [] })
  expect(housingOf(type(), has('weaker'))).not.toHaveProperty('user')
  expect(housingOf(type('swarm'), has('weaker')).weaker).toEqual([])
  const swarm = housingOf(type('swarm'), has('enforced'))
  expect(swarm).toMatchObject({ effective: 'process', weaker: [expect.stringContaining('as the configuration says')] })
  expect(swarm).not.toHaveProperty('user')
})
