/**
 * The fleet with real processes and the real record: what is killed or hung from outside comes back, and nothing else
 * moves.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { poolCells } from '../../src/cell/cell.ts'
import { openFleet, type AgentView, type CellStatus, type Fleet, type FleetHooks } from '../../src/fleet/fleet.ts'
import { realClock, realDisk, realNet, realProc, realRandom } from '../../src/std/real/real.ts'
import { idMaker } from '../../src/std/std.ts'
import { openSqliteStore, type NewEvent, type Store } from '../../src/store/store.ts'
import { agentType } from './world.ts'

const owner = 'host-1'
const heartbeatMs = 600
const witness = join(import.meta.dirname, '..', 'villains', 'witness.ts')

interface Yard {
  readonly fleet: Fleet
  readonly store: Store
  readonly lost: Parameters<FleetHooks['lost']>[0][number][]
  readonly done: { readonly agent: string; readonly attempt: string; readonly result: Record<string, unknown> }[]
  /** Resolves when `look` gives something; looks again after each commit and each request of an agent. */
  until<Value>(look: () => Value | undefined | false): Promise<Value>
  run(agent: { agent: string; cell: string }, attempt: string, type: string, payload?: unknown): void
  events(kind: string): readonly NewEvent[]
}

const open: { stop(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.stop()
})

const openYard = async (directory?: string): Promise<Yard> => {
  const root = directory ?? (await mkdtemp(join(tmpdir(), 'fleet-')))
  const [clock, random, proc] = [realClock(), realRandom(), realProc()]
  const store = openSqliteStore(join(root, 'swarm.db'))
  const [opened] = await store.transact([
    { kind: 'host.open', with: { owner, bootId: 'boot', wallMs: clock.wallMs() } },
  ])
  if (!opened.ok) throw new Error(opened.detail)
  const looks = new Set<() => void>()
  const look = (): void => {
    for (const one of looks) one()
  }
  const told: NewEvent[] = []
  store.onCommit((committed) => {
    for (const { command } of committed) if (command.kind === 'events.add') told.push(...command.with.events)
    look()
  })
  const lost: Yard['lost'] = []
  const done: Yard['done'] = []
  const fleet = await openFleet({
    clock,
    random,
    proc,
    newId: idMaker(clock, random),
    store,
    owner,
    epoch: opened.value.epoch,
    cells: poolCells({ clock, proc, net: realNet(), disk: realDisk(), codeCache: join(root, 'code') }),
    gatelink: { openCell: () => {}, closeCell: () => {} },
    config: {
      agents: {
        villain: agentType({
          name: 'villain',
          run: { module: witness },
          count: 9,
          perCell: 3,
          heartbeatMs,
          stuckAfterMs: 30_000,
          startWithinMs: 20_000,
        }),
      },
    },
    directories: { cells: join(root, 'cells'), sockets: root },
    hooks: {
      free: look,
      lost: (attempts) => {
        lost.push(...attempts)
        look()
      },
      waitsOutside: () => false,
      request: async (method, agent, params) => {
        const { attempt, result } = params as { attempt: string; result?: Record<string, unknown> }
        if (method === 'done') done.push({ agent, attempt, result: result ?? {} })
        queueMicrotask(look)
        return null
      },
    },
    onLog: () => {},
  })
  open.push({
    stop: async () => {
      await fleet.stop(0)
      await store.close()
      await rm(root, { recursive: true, force: true })
    },
  })
  return {
    fleet,
    store,
    lost,
    done,
    until: (wanted) =>
      new Promise((resolve) => {
        const check = (): void => {
          const found = wanted()
          if (found === undefined || found === false) return
          looks.delete(check)
          resolve(found as Exclude<typeof found, false | undefined>)
        }
        looks.add(check)
        check()
      }),
    run: ({ agent, cell }, attempt, type, payload = {}) => {
      fleet.run([
        { agent, cell, attempt, task: `tsk_${attempt}`, type, payload, number: 1, deadline: null, key: attempt },
      ])
    },
    events: (kind) => told.filter((event) => event.kind === kind),
  }
}

const allIdle = (yard: Yard) => (): true | undefined => yard.fleet.summary().byState.idle === 9 || undefined
const byId = (cells: readonly CellStatus[]): Map<string, number> =>
  new Map(cells.map((cell) => [cell.id, cell.identity.pid]))
const view = (yard: Yard, id: string): AgentView =>
  yard.fleet.view({ type: 'villain', number: Number(id.split('/')[1]) })!

test('a host that is killed from outside takes nobody with it, and all its agents work again', async () => {
  const yard = await openYard()
  await yard.until(allIdle(yard))
  const before = byId(yard.fleet.cells())
  const victim = yard.fleet.cells()[1]!
  process.kill(victim.identity.pid, 'SIGKILL')
  await yard.until(() => yard.events('cell.lost').length === 1)
  await yard.until(allIdle(yard))
  const after = byId(yard.fleet.cells())
  before.delete(victim.id)
  for (const [id, pid] of before) expect(after.get(id)).toBe(pid)
  expect(after.size).toBe(3)
  expect(yard.events('cell.lost')[0]).toMatchObject({
    subject: victim.id,
    facts: { cause: 'killed', signal: 'SIGKILL', pid: victim.identity.pid, count: 3 },
  })
  expect(view(yard, 'villain/0004')).toMatchObject({ state: 'idle', epoch: 2, restarts: 1 })
  expect(view(yard, 'villain/0001')).toMatchObject({ state: 'idle', epoch: 1, restarts: 0 })

  // They really work: each of the nine once.
  for (const [index, free] of yard.fleet.take('villain', 9).entries())
    yard.run(free, `att_${index}`, 'echo', { text: 'hello' })
  await yard.until(() => yard.done.length === 9)
  expect(new Set(yard.done.map((one) => one.result['agent'])).size).toBe(9)
  expect(yard.lost).toEqual([])
})

test('a stopped host is found within three beats, killed, and replaced; the others answer all the time', async () => {
  const yard = await openYard()
  await yard.until(allIdle(yard))
  const before = byId(yard.fleet.cells())
  const victim = yard.fleet.cells()[0]!
  process.kill(victim.identity.pid, 'SIGSTOP')
  const stoppedAt = performance.now()
  await yard.until(() => yard.events('cell.lost').length === 1)
  expect(performance.now() - stoppedAt).toBeLessThan(3 * heartbeatMs + 1_500)
  await yard.until(allIdle(yard))
  expect(realProc().startTime(victim.identity.pid)).not.toBe(victim.identity.startTime)
  for (const [id, pid] of before) if (id !== victim.id) expect(byId(yard.fleet.cells()).get(id)).toBe(pid)
  expect(yard.events('cell.silent').map((event) => event.subject)).toEqual([victim.id])
  expect(yard.events('cell.lost')[0]!.facts).toMatchObject({
    killedFor: expect.stringContaining('silent for 3 beats'),
    blamed: [],
  })
})

test('an agent in an endless loop is found, named as the cause, and works again', async () => {
  const yard = await openYard()
  await yard.until(allIdle(yard))
  const [free] = yard.fleet.take('villain', 1)
  yard.run(free!, 'att_loop', 'loop')
  await yard.until(() => yard.lost.length === 1)
  expect(yard.lost).toMatchObject([{ attempt: 'att_loop', agent: free!.agent, collateral: false }])
  await yard.until(() => yard.events('cell.lost').length === 1)
  expect(yard.events('cell.lost')[0]!.facts['blamed']).toEqual([free!.agent])
  await yard.until(allIdle(yard))
  expect(view(yard, free!.agent)).toMatchObject({ state: 'idle', epoch: 2 })
})

test('an agent that breaks outside of its attempt is seated again in the same process', async () => {
  const yard = await openYard()
  await yard.until(allIdle(yard))
  const [free] = yard.fleet.take('villain', 1)
  yard.run(free!, 'att_timer', 'throwInTimer')
  await yard.until(() => yard.events('agent.lost').length === 1)
  await yard.until(allIdle(yard))
  expect(view(yard, free!.agent)).toMatchObject({ epoch: 2, cell: { id: free!.cell } })
  expect(yard.events('cell.lost')).toEqual([])
  expect(yard.events('agent.lost')[0]).toMatchObject({
    subject: free!.agent,
    facts: { cause: expect.stringContaining('thrown in a timer') },
  })
})

test('after a stop no host is left, and the record says how each ended', async () => {
  const yard = await openYard()
  await yard.until(allIdle(yard))
  const cells = yard.fleet.cells()
  const [free] = yard.fleet.take('villain', 1)
  yard.run(free!, 'att_slow', 'echo', { waitMs: 100 })
  await yard.fleet.stop(5_000)
  expect(yard.done.map((one) => one.attempt)).toEqual(['att_slow'])
  expect(yard.lost).toEqual([])
  for (const { id, identity } of cells) {
    expect(realProc().startTime(identity.pid)).not.toBe(identity.startTime)
    expect(await yard.store.read.cell(id)).toMatchObject({ cause: 'killed-by-us' })
    await expect(
      readFile(`/proc/${identity.pid}/cmdline`, 'utf8').then(
        (text) => text.includes(id),
        () => false,
      ),
    ).resolves.toBe(false)
  }
  expect(new Set((await yard.store.read.agents()).map((row) => row.state))).toEqual(new Set(['stopped']))
  expect(await yard.store.read.cellsAlive()).toEqual([])
})
