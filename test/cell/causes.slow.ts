/** Why a cell ended, by what the kernel counted: memory, CPU and disk are named in each kind of cell that has them. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { hostWalls, poolCells, probeMachine, programCells, type CellKind, type CellPlan } from '../../src/cell/cell.ts'
import { realClock, realDisk, realNet, realProc } from '../../src/std/real/real.ts'
import { Ear, runOf, seats, villain } from './harness.ts'

const machine = await probeMachine({ name: `swarmsitter-causes-${process.pid}`, settle: true })
const root = mkdtempSync(join(tmpdir(), 'causes-'))
chmodSync(root, 0o755)
afterAll(async () => {
  await machine.limits.close()
  rmSync(root, { recursive: true, force: true })
})

const ports = { clock: realClock(), proc: realProc(), net: realNet(), disk: realDisk() }
const modules = [villain('hazards-module'), villain('witness')]
const hidden = () => []
const hosts = poolCells({
  ...ports,
  walls: hostWalls({ machine, hidden, modules, codeCache: join(root, 'code'), swarm: root }),
})
const kinds: Readonly<Record<CellPlan['kind'], CellKind>> = {
  pool: hosts,
  vm: hosts,
  ...programCells({ ...ports, machine, hidden, swarm: root }),
}

const agent = seats(1)[0]!.agent
let count = 0
const start = async (kind: CellPlan['kind'], run: CellPlan['run'], change: Partial<CellPlan> = {}) => {
  const id = `cel_${(count += 1)}`
  const directory = join(root, id)
  const ear = new Ear()
  const cell = await kinds[kind].start(
    {
      id,
      kind,
      agentType: 'villain',
      run,
      directory,
      gateSocket: join(directory, 'gate.sock'),
      sitterSocket: join(directory, 'sitter.sock'),
      seats: seats(1),
      env: {},
      memoryMb: 64,
      limits: { cpus: 0.1, processes: 64, files: 256, diskBytes: 8_000_000 },
      startWithinMs: 20_000,
      ...change,
    },
    ear.events,
  )
  onTestFinished(async () => {
    cell.kill('the test is over')
    await ear.gone()
  })
  await ear.ready()
  return { cell, ear }
}

const named = {
  memory: 'out of memory: the kernel killed it or a process of it at ',
  cpu: 'it was held back for ',
  disk: 'its disk is full: all of its 8 MB are used',
} as const

const groups = machine.limits.kind === 'rlimits' ? ` (not here: ${machine.limits.why})` : ''
describe(`Counted by control groups${groups}`, () => {
  if (groups !== '')
    return test('It is said what there is to do', () => expect(machine.abilities.limits.fix).not.toBeNull())
  const surroundings = [true, ...(machine.bwrap === null ? [] : [false])].map((bare) => [bare ? 'no walls' : 'walls'])
  describe.each(surroundings)('a pool host with %s around it', (around) => {
    const begin = async (hazard: string) => {
      const [module = ''] = modules
      const started = await start('pool', { module }, { ...(around === 'no walls' && { walls: false }) })
      started.cell.send([runOf(agent, 'att_1', 'hazard', { hazard, targets: {} })])
      return started
    }

    test('its end for want of memory is told as that', async () => {
      const { ear } = await begin('buffers')
      expect((await ear.gone()).detail).toContain(named.memory)
    })

    test('that it was held back is told when it ends', async () => {
      const { cell, ear } = await begin('loop')
      await expect(cell.ask('ping', { nonce: 'n' }, 1_500)).rejects.toMatchObject({ code: 'timed-out' })
      cell.kill('silent')
      expect((await ear.gone()).detail).toContain(named.cpu)
    })

    if (around === 'walls')
      test('that its disk was full is told when it ends', async () => {
        const { cell, ear } = await start('pool', { module: modules[1]! })
        cell.send([runOf(agent, 'att_1', 'keep', { diskMegabytes: 9 })])
        await ear.frame('fail')
        cell.kill('over')
        expect((await ear.gone()).detail).toContain(named.disk)
      })
  })

  const programs = ['process', ...(machine.bwrap === null ? [] : ['sandbox'])] as ('process' | 'sandbox')[]
  describe.each(programs)('a program in a %s cell', (kind) => {
    // So little that it reaches it on a machine with much to do as well.
    const limits = { cpus: 0.03, processes: 64, files: 256, diskBytes: 8_000_000 }
    const failure = async (script: string, cpus = limits.cpus): Promise<string> => {
      const given = { limits: { ...limits, cpus } }
      const { cell, ear } = await start(kind, { exec: ['sh', '-c', script], directory: root }, given)
      cell.send([runOf(agent, 'att_1', 'any')])
      const { error } = (await ear.frame('fail')).params
      return (error as { readonly message: string }).message
    }

    test('its end for want of memory is told as that', async () => {
      expect(await failure('exec python3 -c "x = bytearray(200_000_000)"')).toContain(named.memory)
    })

    test('that it was held back is told when it fails', async () => {
      expect(await failure('i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done; exit 3')).toContain(named.cpu)
    })

    if (kind === 'sandbox')
      test('that its disk was full is told when it fails', async () => {
        expect(await failure('head -c 9000000 /dev/zero > /tmp/full; sleep 0.5; exit 3', 1)).toContain(named.disk)
      })
  })
})
