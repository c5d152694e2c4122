/** Work over the real fleet: real pool hosts, the real record, and agents that ask for more than their own task. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { poolCells } from '../../src/cell/cell.ts'
import { openFleet, readRequest, type FleetHooks } from '../../src/fleet/fleet.ts'
import type { TaskType } from '../../src/model/model.ts'
import { realClock, realDisk, realNet, realProc, realRandom } from '../../src/std/real/real.ts'
import { idMaker } from '../../src/std/std.ts'
import { openSqliteStore, type Store, type TaskView } from '../../src/store/store.ts'
import { openWork, type Work, type WorkRequest } from '../../src/work/work.ts'
import { hostCode } from '../cell/harness.ts'
import { agentType } from '../fleet/world.ts'

const owner = 'here'
const open: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

interface Yard {
  readonly work: Work
  readonly store: Store
  /** Resolves when the task is in this state; looks after each commit. */
  becomes(task: string, state: string): Promise<TaskView>
}

const type = (name: string): TaskType => ({
  name,
  agent: 'sharer',
  retry: { max: 9, baseMs: 1, capMs: 1 },
  deadlineMs: null,
  priority: 5,
})

const openYard = async (): Promise<Yard> => {
  const root = await mkdtemp(join(tmpdir(), 'work-'))
  const [clock, random, proc] = [realClock(), realRandom(), realProc()]
  const store = openSqliteStore(join(root, 'swarm.db'))
  await store.transact([{ kind: 'host.open', with: { owner, bootId: 'boot', wallMs: clock.wallMs() } }])
  const late: { work?: Work } = {}
  const hooks: FleetHooks = {
    free: (agent) => late.work?.free(agent),
    lost: (attempts) => late.work?.lost(attempts),
    waitsOutside: () => false,
    request: (method, agent, params) => late.work!.request(readRequest(method, params) as WorkRequest, agent),
  }
  const common = { clock, random, newId: idMaker(clock, random), store, owner, epoch: 1 }
  const failed = (error: unknown): void => {
    throw error
  }
  const fleet = await openFleet({
    ...common,
    proc,
    cells: poolCells({ clock, proc, net: realNet(), disk: realDisk(), codeCache: hostCode }),
    gatelink: { openCell: () => {}, closeCell: () => {} },
    config: {
      agents: {
        sharer: agentType({
          name: 'sharer',
          run: { module: join(import.meta.dirname, 'sharer.ts') },
          count: 2,
          perCell: 1,
          restart: { type: 'permanent', max: 9, withinMs: 60_000, baseMs: 1, capMs: 1 },
        }),
      },
    },
    directories: { cells: join(root, 'cells'), sockets: root },
    hooks,
    onLog: () => {},
  })
  await fleet.start()
  const tasks = Object.fromEntries(['count', 'spread', 'letters', 'hang', 'crash'].map((name) => [name, type(name)]))
  const work = openWork({ ...common, tasks, fleet, waitsOutside: () => false, failed })
  late.work = work
  work.start()
  open.push(async () => {
    await work.stop()
    await fleet.stop(0)
    await store.close()
    await rm(root, { recursive: true, force: true })
  })
  const becomes: Yard['becomes'] = (task, state) =>
    new Promise((resolve, reject) => {
      const look = async (): Promise<void> => {
        const view = await store.read.task(task)
        if (view?.state.state !== state) return
        stop()
        resolve(view)
      }
      const stop = store.onCommit(() => {
        look().catch(reject)
      })
      look().catch(reject)
    })
  return { work, store, becomes }
}

const add = async ({ work }: Yard, name: string, payload: unknown = {}): Promise<string> =>
  (await work.submit([{ type: name, payload }]))[0]!.id

test('an agent adds tasks, one after the other; they count in a shared value under a lock', async () => {
  const yard = await openYard()
  const { result } = await yard.becomes(await add(yard, 'spread'), 'succeeded')
  const [first, second] = JSON.parse(result!) as [string, string]
  const { result: last } = await yard.becomes(second, 'succeeded')
  expect(JSON.parse(last!)).toEqual({ fence: 2, freed: true, again: false })
  expect(await yard.work.state('count')).toMatchObject({ value: 5, version: 5 })
  const [before] = await yard.store.read.attempts(first)
  const [after] = await yard.store.read.attempts(second)
  expect(after!.startedMs).toBeGreaterThanOrEqual(before!.endedMs!)
}, 30_000)

test('a cancel reaches the agent in its cell, and the agent does other work afterwards', async () => {
  const yard = await openYard()
  const hanging = await Promise.all([add(yard, 'hang'), add(yard, 'hang')])
  await Promise.all(hanging.map((id) => yard.becomes(id, 'running')))
  const counting = await add(yard, 'count', { times: 1 })
  expect((await yard.store.read.task(counting))?.state.state).toBe('ready')
  await yard.work.move(hanging[0]!, 'cancel', 'operator:ann')
  await yard.becomes(counting, 'succeeded')
  expect((await yard.store.read.task(hanging[0]!))?.state.state).toBe('cancelled')
  expect((await yard.store.read.attempts(hanging[0]!)).map((one) => one.outcome)).toEqual(['interrupted'])
}, 30_000)

test('a task that ends the process of its cell twice is dead as poison, and its agents live on', async () => {
  const yard = await openYard()
  const poison = await add(yard, 'crash')
  await yard.becomes(poison, 'dead')
  expect(await yard.store.read.deadLettersOf(poison)).toMatchObject([{ reason: 'poison', outcome: 'poison' }])
  expect(await yard.store.read.attempts(poison)).toHaveLength(2)
  await yard.becomes(await add(yard, 'count', { times: 1 }), 'succeeded')
}, 60_000)

test('a task that did part of its work is tried for the rest alone, and its redrive does the rest alone', async () => {
  const yard = await openYard()
  const letters = await add(yard, 'letters', { to: ['a', 'b', 'c', 'd', 'e', 'x', 'f'] })
  const after = (
    await yard.work.submit([{ type: 'count', payload: { times: 1 }, after: [letters], onFailed: 'block' }])
  )[0]!.id
  const dead = await yard.becomes(letters, 'dead')
  expect(dead).toMatchObject({ payload: '{"to":["x","f"]}', error: { partial: { done: ['e'], restVersion: 4 } } })
  expect((await yard.work.state('sent')).value).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect((await yard.store.read.task(after))?.state.state).toBe('blocked')
  await yard.work.putState({ name: 'mended', value: true, version: 0 }, 'operator:ann')
  await yard.work.move(letters, 'redrive', 'operator:ann')
  const { result } = await yard.becomes(letters, 'succeeded')
  expect(JSON.parse(result!)).toEqual(['x', 'f'])
  expect((await yard.work.state('sent')).value).toEqual(['a', 'b', 'c', 'd', 'e', 'x', 'f'])
  await yard.becomes(after, 'succeeded')
  const events = (await yard.store.read.events({ limit: 100, after: null, subject: letters })).items
  expect(events.map(({ kind, facts }) => [kind, facts['next']])).toEqual([
    ['task.partial', 'retry'],
    ['task.partial', 'retry'],
    ['task.partial', 'give-up'],
    ['task.died', undefined],
  ])
}, 30_000)
