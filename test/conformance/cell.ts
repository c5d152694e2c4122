/** What every kind of cell keeps, whatever runs in it. Each kind brings a program with a task `echo` and one that hangs. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cell, CellKind, CellPlan } from '../../src/cell/cell.ts'
import { realProc } from '../../src/std/real/real.ts'
import type { ProcessIdentity } from '../../src/std/std.ts'
import { Ear, runOf, seats } from '../cell/harness.ts'

export interface CellSubject {
  readonly name: string
  readonly kind: CellKind
  readonly run: CellPlan['run']
  readonly cell: CellPlan['kind']
  /** A task that goes on until it is ended. */
  readonly hang: string
  /** Whether `cancel` ends a task that hangs; a program may leave that to being killed. */
  readonly givesUp: boolean
}

const agent = seats(1)[0]!.agent
const proc = realProc()

export const cellConformance = (subject: CellSubject): void => {
  describe(subject.name, () => {
    let root: string
    let cell: Cell
    let ear: Ear
    const planOf = (id: string, change: Partial<CellPlan> = {}): CellPlan => ({
      id,
      kind: subject.cell,
      agentType: 'villain',
      run: subject.run,
      directory: join(root, id),
      gateSocket: join(root, id, 'gate.sock'),
      sitterSocket: join(root, id, 'sitter.sock'),
      seats: seats(1),
      env: {},
      memoryMb: 128,
      startWithinMs: 20_000,
      ...(subject.cell === 'vm' && { vm: { memoryBytes: 8_000_000, sliceMs: 100, agents: 1 } }),
      ...change,
    })
    beforeEach(async () => {
      root = await mkdtemp(join(tmpdir(), 'conform-'))
      ear = new Ear()
      cell = await subject.kind.start(planOf('cel_1'), ear.events)
      await ear.ready()
    })
    afterEach(async () => {
      cell.kill('the test is over')
      await ear.gone()
      await rm(root, { recursive: true, force: true })
    })

    /** The process that works for the agent; waits until there is one. */
    const worker = async (): Promise<ProcessIdentity> => {
      for (;;) {
        const found = cell.identity ?? cell.processOf?.(agent) ?? null
        if (found !== null) return found
        await new Promise((resolve) => setImmediate(resolve))
      }
    }

    test('It answers a challenge with its nonce, its agents, and nothing in hand', async () => {
      // An agent that has something to begin with is listed when that is done.
      const asked = async (): Promise<void> =>
        expect(await cell.ask('ping', { nonce: 'n1' }, 5_000)).toEqual({ nonce: 'n1', agents: [agent], open: [] })
      await vi.waitFor(asked, { timeout: 10_000 })
      expect(ear.readies).toBe(1)
    })

    test('Work goes in as run and comes back once as done', async () => {
      cell.send([runOf(agent, 'att_1', 'echo', { text: 'hi' })])
      expect((await ear.frame('done', 'att_1')).params).toMatchObject({ agent, attempt: 'att_1' })
      expect(await cell.ask('ping', { nonce: 'n2' }, 5_000)).toMatchObject({ agents: [agent] })
      expect(ear.heard.filter((heard) => heard.method === 'done')).toHaveLength(1)
    })

    test('What works stands in the process table as it is said, and is gone when the cell is killed', async () => {
      cell.send([runOf(agent, 'att_1', subject.hang)])
      const { pid, startTime } = await worker()
      expect(proc.startTime(pid)).toBe(startTime)
      cell.kill('enough')
      cell.kill('enough, again')
      expect(await ear.gone()).toMatchObject({
        cause: 'killed-by-us',
        detail: expect.stringContaining('enough') as string,
      })
      expect(proc.startTime(pid)).not.toBe(startTime)
      expect(ear.ends).toHaveLength(1)
      await expect(cell.ask('ping', { nonce: 'n' }, 1_000)).rejects.toMatchObject({ code: 'cell-lost' })
    })

    test('Its directory is private, and goes with it', async () => {
      const { stat } = await import('node:fs/promises')
      expect((await stat(join(root, 'cel_1'))).mode & 0o777).toBe(0o700)
      cell.kill('enough')
      await ear.gone()
      await expect(stat(join(root, 'cel_1'))).rejects.toMatchObject({ code: 'ENOENT' })
    })

    test('A drain is answered when nothing is in hand', async () => {
      expect(await cell.ask('drain', { withinMs: 1_000 }, 5_000)).toEqual({ open: [] })
    })

    test('A socket path that no Unix socket can have is refused', async () => {
      const sitterSocket = `/tmp/${'x'.repeat(100)}/sitter.sock`
      await expect(subject.kind.start(planOf('cel_2', { sitterSocket }), new Ear().events)).rejects.toMatchObject({
        code: 'cell-start',
      })
    })

    if (!subject.givesUp) return
    test('A cancelled attempt is given up and told', async () => {
      cell.send([runOf(agent, 'att_1', subject.hang)])
      await worker()
      cell.send([{ jsonrpc: '2.0', method: 'cancel', params: { agent, attempt: 'att_1', reason: 'enough' } }])
      expect((await ear.frame('fail', 'att_1')).params['error']).toMatchObject({ kind: 'interrupted' })
    })
  })
}
