/** Real cells in a temporary directory, and their events as something to wait for. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { poolCells, type CellEnd, type CellPlan, type HousedCell, type PoolPorts } from '../../src/cell/cell.ts'
import { formatAgent } from '../../src/model/model.ts'
import { realClock, realDisk, realNet, realProc } from '../../src/std/real/real.ts'
import type { Run, Seat } from '../../src/wire/wire.ts'

export const villain = (name: string): string => join(import.meta.dirname, '..', 'villains', `${name}.ts`)

type Answer = (reply: { readonly result: unknown } | { readonly error: unknown }) => void
export interface Heard {
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
  readonly answer: Answer
}

/** Remembers what was told, and lets a test wait for what is still to come. */
export class Ear {
  readonly heard: Heard[] = []
  readonly refused: { readonly code: string; readonly detail: string }[] = []
  readonly lines: string[] = []
  readonly ends: CellEnd[] = []
  readies = 0
  /** How requests are answered; `null` leaves them open. */
  reply: ((heard: Heard) => void) | null = (heard) => heard.answer({ result: null })
  readonly #waiting = new Set<() => void>()

  readonly events = {
    ready: (): void => {
      this.readies += 1
      this.#changed()
    },
    frame: (method: string, params: unknown, answer: Answer): void => {
      const heard = { method, params: params as Record<string, unknown>, answer }
      this.heard.push(heard)
      this.reply?.(heard)
      this.#changed()
    },
    refused: (code: string, detail: string): void => {
      this.refused.push({ code, detail })
      this.#changed()
    },
    line: (_stream: 'stdout' | 'stderr', text: string): void => {
      this.lines.push(text)
      this.#changed()
    },
    gone: (end: CellEnd): void => {
      this.ends.push(end)
      this.#changed()
    },
  }

  /** Resolves with the first value of `look` that is not undefined; looks again after each event. */
  until<Value>(look: () => Value | undefined): Promise<Value> {
    return new Promise((resolve) => {
      const check = (): void => {
        const found = look()
        if (found === undefined) return
        this.#waiting.delete(check)
        resolve(found)
      }
      this.#waiting.add(check)
      check()
    })
  }

  frame(method: string, attempt?: string): Promise<Heard> {
    return this.until(() =>
      this.heard.find((one) => one.method === method && (attempt === undefined || one.params['attempt'] === attempt)),
    )
  }

  ready(): Promise<true> {
    return this.until(() => {
      if (this.readies > 0) return true
      if (this.ends.length > 0) throw new Error(`the cell ended before it was ready: ${this.ends[0]!.detail}`)
      return undefined
    })
  }

  /** With its socket and directory removed. */
  async gone(): Promise<CellEnd> {
    const end = await this.until(() => this.ends[0])
    await end.cleared
    return end
  }

  #changed(): void {
    for (const check of this.#waiting) check()
  }
}

export const seats = (count: number, epoch = 1): readonly Seat[] =>
  Array.from({ length: count }, (_, index) => ({
    agent: formatAgent({ type: 'villain', number: index + 1 }),
    epoch,
    mode: 'active',
    config: { greeting: 'hello' },
  }))

export const runOf = (
  agent: string,
  attempt: string,
  type: string,
  payload: unknown = {},
): { readonly jsonrpc: '2.0'; readonly method: 'run'; readonly params: Run } => ({
  jsonrpc: '2.0',
  method: 'run',
  params: { agent, attempt, task: `tsk_${attempt}`, type, payload, number: 1, deadline: null, key: `key-${attempt}` },
})

export type PlanChange = Partial<CellPlan> & { readonly module?: string }

export interface Yard {
  readonly directory: string
  readonly ports: PoolPorts
  readonly plan: (id: string, change?: PlanChange) => CellPlan
  readonly start: (id: string, change?: PlanChange) => Promise<{ readonly cell: HousedCell; readonly ear: Ear }>
  /** Kills what was started and removes the directory. */
  readonly clear: () => Promise<void>
}

/**
 * Where hosts find compiled code: in a run of the tests one place for all yards, for the first host of a module costs four
 * times what the next ones do. Hosts behind walls are other users, and have a place of their own.
 */
export const hostCode = join(tmpdir(), 'host-code')

export const openYard = async (
  change: Partial<PoolPorts> = {},
  wallsFor?: (codeCache: string) => NonNullable<PoolPorts['walls']>,
): Promise<Yard> => {
  const directory = await mkdtemp(join(tmpdir(), 'cells-'))
  const codeCache = wallsFor === undefined ? hostCode : join(directory, 'code')
  const ports: PoolPorts = {
    clock: realClock(),
    proc: realProc(),
    net: realNet(),
    disk: realDisk(),
    codeCache,
    startWithinMs: 20_000,
    ...(wallsFor && { walls: wallsFor(codeCache) }),
    ...change,
  }
  const kind = poolCells(ports)
  const running: { readonly cell: HousedCell; readonly ear: Ear }[] = []
  const plan: Yard['plan'] = (id, { module = villain('witness'), ...change } = {}) => {
    const own = join(directory, id)
    return {
      id,
      kind: 'pool',
      agentType: 'villain',
      run: { module },
      directory: own,
      gateSocket: join(own, 'gate.sock'),
      sitterSocket: join(own, 'sitter.sock'),
      seats: seats(3),
      env: {},
      memoryMb: 128,
      ...(change.kind === 'vm' && { vm: { memoryBytes: 8_000_000, sliceMs: 100, agents: 3 } }),
      ...change,
    }
  }
  return {
    directory,
    ports,
    plan,
    start: async (id, change) => {
      const ear = new Ear()
      const cell = await kind.start(plan(id, change), ear.events)
      running.push({ cell, ear })
      return { cell, ear }
    },
    clear: async () => {
      for (const { cell } of running) cell.kill('the test is over')
      await Promise.all(running.map(({ ear }) => ear.gone()))
      await rm(directory, { recursive: true, force: true })
    },
  }
}
