/** Real process cells in a temporary directory. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { processCells, type Cell, type CellPlan } from '../../src/cell/cell.ts'
import { realClock, realDisk, realNet, realProc } from '../../src/std/real/real.ts'
import type { ProcessIdentity } from '../../src/std/std.ts'
import { Ear, seats } from './harness.ts'

export const program = join(import.meta.dirname, '..', 'villains', 'program.py')
export const python = (mode = ''): CellPlan['run'] => ({
  command: ['python3', program, mode],
  directory: import.meta.dirname,
})

export interface ProcessYard {
  readonly directory: string
  start(
    id: string,
    run: CellPlan['run'],
    change?: Partial<CellPlan>,
  ): Promise<{ readonly cell: Cell; readonly ear: Ear }>
  /** An exec agent that is this shell script. */
  script(text: string): Promise<{ readonly exec: readonly string[]; readonly directory: string }>
  readonly surroundings: Readonly<Record<string, string | undefined>>
  clear(): Promise<void>
}

export const openProcessYard = async (): Promise<ProcessYard> => {
  const directory = await mkdtemp(join(tmpdir(), 'programs-'))
  const surroundings = { ...process.env, SECRET_OF_THE_SITTER: 'not for programs' }
  const kind = processCells({ clock: realClock(), proc: realProc(), net: realNet(), disk: realDisk(), surroundings })
  const running: { readonly cell: Cell; readonly ear: Ear }[] = []
  return {
    directory,
    surroundings,
    start: async (id, run, change) => {
      const own = join(directory, id)
      const ear = new Ear()
      const plan: CellPlan = {
        id,
        kind: 'process',
        agentType: 'villain',
        run,
        directory: own,
        gateSocket: join(own, 'gate.sock'),
        sitterSocket: join(own, 'sitter.sock'),
        seats: seats(1),
        env: {},
        memoryMb: 128,
        startWithinMs: 20_000,
        ...change,
      }
      const cell = await kind.start(plan, ear.events)
      running.push({ cell, ear })
      return { cell, ear }
    },
    script: async (text) => {
      const path = join(directory, 'script.sh')
      await writeFile(path, `#!/bin/sh\n${text}\n`)
      await chmod(path, 0o755)
      return { exec: [path], directory }
    },
    clear: async () => {
      for (const { cell } of running) cell.kill('the test is over')
      await Promise.all(running.map(({ ear }) => ear.gone()))
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const proc = realProc()
/** Resolves when a process is gone; rejects after a generous time. */
export const goneSoon = async (who: ProcessIdentity | number, withinMs = 5_000): Promise<void> => {
  const pid = typeof who === 'number' ? who : who.pid
  const startTime = typeof who === 'number' ? proc.startTime(pid) : who.startTime
  for (const end = performance.now() + withinMs; performance.now() < end;) {
    if (startTime === undefined || proc.startTime(pid) !== startTime) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new Error(`process ${pid} is still there after ${withinMs} ms`)
}
