/** The work room over the real record, with agents that the test plays. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Mode, TaskType } from '../../src/model/model.ts'
import { idMaker, seeded, type JsonText } from '../../src/std/std.ts'
import type { Store } from '../../src/store/store.ts'
import { openWork, type TaskAsk, type Work } from '../../src/work/work.ts'
import { movedClock, type MovedClock } from '../worlds/clock.ts'
import { openRecord } from '../store/record.ts'

export interface Given {
  readonly agent: string
  readonly attempt: string
  readonly task: string
  readonly type: string
  readonly number: number
  readonly payload: unknown
}
export interface World {
  readonly clock: MovedClock
  readonly store: Store
  readonly work: Work
  readonly given: Given[]
  readonly cancelled: string[]
  readonly idle: string[]
  /** Agents that sleep, and what the fleet was told of tasks that wait for them. */
  readonly sleepers: { count: number }
  readonly wanted: number[]
  /** What the gate was told of the urgency of work, and how much had been given out then. */
  readonly urgent: { readonly agent: string; readonly priority: number; readonly given: number }[]
  /** That holds for all of them. */
  mode: { readonly mode: Mode; readonly person: boolean }
}

export const settle: TaskType = {
  name: 'settle',
  agent: 'settler',
  retry: { max: 3, baseMs: 1_000, capMs: 10_000 },
  deadlineMs: null,
  priority: 5,
}

/** Agents free from the start; a finished one is free again at once, as the fleet does it. */
export const world = async (agents: number, ...types: TaskType[]): Promise<World> => {
  const known = types.length === 0 ? [settle] : types
  const clock = movedClock()
  const store: Store = openRecord(join(mkdtempSync(join(tmpdir(), 'sitter-work-')), 'swarm.db'), {
    quickMs: Infinity,
  })
  const random = seeded(5)
  await store.transact([{ kind: 'host.open', with: { owner: 'here', bootId: 'b', wallMs: clock.wallMs() } }])
  const idle = Array.from({ length: agents }, (_, index) => `settler/${String(index + 1).padStart(4, '0')}`)
  const given: Given[] = []
  const cancelled: string[] = []
  const sleepers = { count: 0 }
  const wanted: number[] = []
  const urgent: World['urgent'] = []
  const work = openWork({
    tasks: Object.fromEntries(known.map((type) => [type.name, type])),
    store,
    clock,
    random,
    owner: 'here',
    epoch: 1,
    newId: idMaker(clock, random),
    fleet: {
      take: (_, count) => idle.splice(0, count).map((agent) => ({ agent, cell: 'cel_1', epoch: 1 })),
      freeCount: () => idle.length,
      release: (agent) => {
        idle.push(agent)
      },
      run: (runs) => {
        given.push(...runs.map((one) => ({ ...one, payload: JSON.parse((one.payload as JsonText).text) as unknown })))
      },
      cancel: (_, attempt) => {
        cancelled.push(attempt)
      },
      asleep: () => sleepers.count,
      want: (_, waiting) => {
        wanted.push(waiting)
      },
    },
    modeOf: () => at.mode,
    urgent: (of) => {
      urgent.push(...of.map(([agent, priority]) => ({ agent, priority, given: given.length })))
    },
    waitsOutside: () => false,
    failed: (error) => {
      throw error
    },
  })
  const at: World = {
    clock,
    store,
    work,
    given,
    cancelled,
    idle,
    sleepers,
    wanted,
    urgent,
    mode: { mode: 'active', person: false },
  }
  work.start()
  return at
}

export const asks = (count: number, more: Partial<TaskAsk> = {}): TaskAsk[] =>
  Array.from({ length: count }, (_, index) => ({ type: 'settle', payload: { index }, key: `k${index}`, ...more }))

export const done = (at: World, one: Given): Promise<unknown> =>
  at.work.request({ method: 'done', params: { agent: one.agent, attempt: one.attempt, resultText: '1' } }, one.agent)
export const fail = (at: World, one: Given, error = {}): Promise<unknown> =>
  at.work.request(
    {
      method: 'fail',
      params: {
        agent: one.agent,
        attempt: one.attempt,
        error: { name: 'E', message: 'no', stack: 'E: no\n  at x', ...error },
      },
    },
    one.agent,
  )
export const stateOf = async (at: World, one: Given): Promise<string> =>
  (await at.store.read.task(one.task))!.state.state
