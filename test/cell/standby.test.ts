/** Hosts that were started ahead of their agents: what they are before, and what they become. */
import { chmod, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { hostWalls, poolCells, probeMachine, type Standby } from '../../src/cell/cell.ts'
import { realProc } from '../../src/std/real/real.ts'
import type { Proc } from '../../src/std/std.ts'
import { Ear, openYard, runOf, seats, villain, type Yard } from './harness.ts'

const machine = await probeMachine({ name: `swarmsitter-standby-${process.pid}`, settle: true })
afterAll(() => machine.limits.close())

let yard: Yard
let started: { readonly standby: Standby; readonly ended: Promise<unknown> }[] = []
beforeEach(async () => {
  yard = await openYard()
})
afterEach(async () => {
  for (const { standby } of started) standby.kill('the test is over')
  await Promise.all(started.map(({ ended }) => ended))
  started = []
  await yard.clear()
})

const standBy = async (id: string): Promise<{ standby: Standby; ear: Ear }> => {
  const ear = new Ear()
  const { run: _, seats: __, ...plan } = yard.plan(id)
  const ended = Promise.withResolvers<void>()
  const proc: Proc = {
    ...yard.ports.proc,
    spawn: async (options) => {
      const child = await yard.ports.proc.spawn(options)
      void child.ended.then(() => ended.resolve())
      return child
    },
  }
  const standby = await poolCells({ ...yard.ports, proc }).standBy!(plan, ear.events)
  started.push({ standby, ended: ended.promise })
  await ear.ready()
  return { standby, ear }
}

const loadedBy = async (): Promise<number[]> =>
  (await readdir(yard.directory))
    .filter((name) => name.startsWith('loaded-'))
    .map((name) => Number(name.slice('loaded-'.length)))

const module = villain('toplevel')

test('A host that stands by answers challenges, lists nobody, and has loaded nothing of its agents', async () => {
  const { standby } = await standBy('cel_ahead')
  expect(await standby.ask('ping', { nonce: 'n' }, 5_000)).toEqual({ nonce: 'n', agents: [], open: [] })
  expect(() => standby.send([runOf('villain/0001', 'att_1', 'echo')])).toThrow('frames are for cells that are ready')
  expect(await loadedBy()).toEqual([])
})

test.each(['before', 'after'] as const)(
  'Told to load, it becomes a cell in the same process; its seats may come %s its hello',
  async (when) => {
    const { standby, ear: first } = await standBy('cel_ahead')
    const ear = new Ear()
    await standby.load({ run: { module } }, ear.events, 5_000)
    if (when === 'after') {
      // The file is written by the module, and hello follows it at once: a second challenge would not be answered.
      while ((await loadedBy()).length === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(ear.readies).toBe(0)
    standby.welcome(seats(3))
    await ear.ready()
    const pong = await standby.ask('ping', { nonce: 'n' }, 5_000)
    expect(pong).toMatchObject({ agents: ['villain/0001', 'villain/0002', 'villain/0003'] })
    standby.send([runOf('villain/0002', 'att_1', 'echo')])
    expect((await ear.frame('done', 'att_1')).params['result']).toEqual({ pid: standby.identity.pid })
    expect(await loadedBy()).toEqual([standby.identity.pid])
    expect(first.heard).toEqual([])
    process.kill(standby.identity.pid, 'SIGKILL')
    expect(await ear.gone()).toMatchObject({ cause: 'killed', end: { signal: 'SIGKILL' } })
    expect(first.ends).toEqual([])
  },
)

test('One that does not answer is not taken: nothing is told to the new events, its end to the first', async () => {
  const { standby, ear: first } = await standBy('cel_ahead')
  process.kill(standby.identity.pid, 'SIGSTOP')
  const ear = new Ear()
  await expect(standby.load({ run: { module } }, ear.events, 50)).rejects.toMatchObject({ code: 'timed-out' })
  standby.kill('it did not answer')
  expect(await first.gone()).toMatchObject({ cause: 'killed-by-us' })
  expect(ear.ends).toEqual([])
  expect(await loadedBy()).toEqual([])
  expect(await yard.ports.disk.exists(yard.plan('cel_ahead').directory)).toBe(false)
})

test('One that dies while it stands by is told as killed; one whose agents cannot be loaded as a failed start', async () => {
  const dying = await standBy('cel_dying')
  process.kill(dying.standby.identity.pid, 'SIGKILL')
  expect(await dying.ear.gone()).toMatchObject({ cause: 'killed' })
  await expect(dying.standby.load({ run: { module } }, new Ear().events, 50)).rejects.toMatchObject({
    code: 'cell-lost',
  })

  const failing = await standBy('cel_failing')
  const ear = new Ear()
  await failing.standby.load({ run: { module: '/there/is/no/such.ts' } }, ear.events, 5_000)
  expect(await ear.gone()).toMatchObject({ cause: 'start-failed', end: { code: 78 } })
  expect(failing.ear.ends).toEqual([])
})

test('One that is not there in time is ended', async () => {
  const ear = new Ear()
  const { run: _, seats: __, ...plan } = yard.plan('cel_mute', { startWithinMs: 1 })
  const standby = await poolCells(yard.ports).standBy!(plan, ear.events)
  expect((await ear.gone()).detail).toContain('no connection within 1 ms')
  expect(realProc().startTime(standby.identity.pid)).not.toBe(standby.identity.startTime)
})

test.runIf(machine.bwrap !== null)(
  'It stands behind the walls of its type, and loads from there a module that was named after the walls were made',
  async () => {
    const codeCache = join(yard.directory, 'code')
    const modules = new Set<string>()
    const walls = hostWalls({ machine, hidden: () => [], modules, codeCache, swarm: yard.directory })
    const elsewhere = await mkdtemp(join(tmpdir(), 'elsewhere-'))
    onTestFinished(() => rm(elsewhere, { recursive: true }))
    await chmod(elsewhere, 0o755)
    const late = join(elsewhere, 'late.ts')
    await writeFile(late, `export { default } from ${JSON.stringify(villain('witness'))}\n`)
    modules.add(late)
    const first = new Ear()
    const { run: _, seats: __, ...plan } = yard.plan('cel_walled')
    const standby = await poolCells({ ...yard.ports, walls, codeCache }).standBy!(plan, first.events)
    await first.ready()
    const networkOf = (pid: number | 'self'): Promise<string> => readlink(`/proc/${pid}/ns/net`)
    // The process that is known is the wall; who lives behind it is its child.
    const { pid } = standby.identity
    const inside = Number((await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim())
    expect(await networkOf(inside)).not.toBe(await networkOf('self'))
    const ear = new Ear()
    await standby.load({ run: { module: late } }, ear.events, 5_000)
    standby.welcome(seats(2))
    await ear.ready()
    expect(await standby.ask('ping', { nonce: 'n' }, 5_000)).toMatchObject({
      agents: ['villain/0001', 'villain/0002'],
    })
    standby.kill('the test is over')
    expect(await (await ear.gone()).cleared).toBeNull()
    expect(await readdir(yard.directory)).not.toContain('cel_walled')
  },
)
