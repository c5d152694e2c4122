/** Hosts that stand by, with real processes: taken, lost, stopped, and what it means for agents. */
import { expect, test } from 'vitest'
import type { CellStatus } from '../../src/fleet/fleet.ts'
import { realDisk, realProc } from '../../src/std/real/real.ts'
import { openYard, type Yard } from './yard.ts'

const idle = (yard: Yard, count = 9): true | undefined => yard.fleet.summary().byState.idle === count || undefined
const ready = (yard: Yard, count = 1): readonly CellStatus[] | undefined => {
  const standing = yard.fleet.standbys().filter(({ standsBy }) => standsBy === 'ready')
  return standing.length === count ? standing : undefined
}
const open = async (standby = 1): Promise<{ yard: Yard; standing: readonly CellStatus[] }> => {
  const yard = await openYard({ cell: { kind: 'pool', orWeaker: false, standby } })
  await yard.until(() => idle(yard))
  return { yard, standing: await yard.until(() => ready(yard, standby)) }
}
const kill = ({ identity }: CellStatus, signal: NodeJS.Signals = 'SIGKILL'): void => {
  process.kill(identity.pid, signal)
}
const isThere = ({ identity }: CellStatus): boolean => realProc().startTime(identity.pid) === identity.startTime
const pids = (cells: readonly CellStatus[]): number[] => cells.map(({ identity }) => identity.pid)

test('A killed cell goes on in the host that stood by, its agents work there, and then another stands by', async () => {
  const { yard, standing } = await open()
  const [ahead] = standing
  expect((await yard.store.read.cellsAlive()).map(({ id }) => id)).toContain(ahead!.id)
  const [victim, ...others] = yard.fleet.cells()
  kill(victim!)
  await yard.until(() => yard.events('cell.lost').length === 1)
  await yard.until(() => idle(yard))
  expect(pids(yard.fleet.cells())).toEqual([...pids(others), ahead!.identity.pid])
  expect(yard.fleet.cells().at(-1)).toMatchObject({ id: ahead!.id, agents: 3, answeredAgents: 3 })
  const started = await yard.until(() => yard.events('cell.started').find(({ subject }) => subject === ahead!.id))
  expect(started).toMatchObject({ facts: { stoodBy: true, count: 3 } })
  const [next] = await yard.until(() => ready(yard))
  expect(next!.id).not.toBe(ahead!.id)
  expect(yard.fleet.summary()).toMatchObject({ cells: 3, cellsLost: 1, standbys: { ready: 1, wanted: 1 } })

  for (const [index, free] of yard.fleet.take('villain', 20).entries()) yard.run(free, `att_${index}`, 'echo')
  await yard.until(() => yard.done.length === 9)
  expect(new Set(yard.done.map(({ result }) => result['pid']))).toEqual(new Set(pids(yard.fleet.cells())))
  expect(yard.lost).toEqual([])
})

test('A host that stands by is given no agent and no work, whatever there is to do', async () => {
  const { yard, standing } = await open(2)
  expect(
    yard.fleet
      .take('villain', 20)
      .map(({ cell }) => cell)
      .every((cell) => !standing.some(({ id }) => id === cell)),
  ).toBe(true)
  expect(yard.fleet.freeCount('villain')).toBe(0)
  expect(yard.fleet.standbys()).toMatchObject([
    { agents: 0, busy: 0, answeredAgents: 0 },
    { agents: 0, busy: 0, answeredAgents: 0 },
  ])
  expect(yard.fleet.list().some((agent) => standing.some(({ id }) => id === agent.cell?.id))).toBe(false)
})

test('A killed standby is replaced, and nobody else notices', async () => {
  const { yard, standing } = await open()
  const before = pids(yard.fleet.cells())
  kill(standing[0]!)
  await yard.until(() => yard.events('standby.lost').length === 1)
  const [next] = await yard.until(() => ready(yard))
  expect(next!.id).not.toBe(standing[0]!.id)
  expect(pids(yard.fleet.cells())).toEqual(before)
  expect(yard.fleet.summary()).toMatchObject({ cellsLost: 0, restarts: 0, byState: { idle: 9 } })
  expect(await yard.store.read.cell(standing[0]!.id)).toMatchObject({ cause: 'killed' })
})

test('A standby that stopped is found by its beats, ended and replaced', async () => {
  const { yard, standing } = await open()
  kill(standing[0]!, 'SIGSTOP')
  await yard.until(() => yard.events('standby.lost').length === 1)
  expect(isThere(standing[0]!)).toBe(false)
  await yard.until(() => ready(yard))
  expect(yard.fleet.summary()).toMatchObject({ cellsLost: 0, restarts: 0 })
})

test('Of two cells that die at once one goes on in the standby, the other in a process of its own', async () => {
  const { yard, standing } = await open()
  const [one, two, three] = yard.fleet.cells()
  kill(one!)
  kill(two!)
  await yard.until(() => yard.events('cell.lost').length === 2)
  await yard.until(() => idle(yard))
  const after = pids(yard.fleet.cells())
  expect(after).toHaveLength(3)
  expect(after).toContain(three!.identity.pid)
  expect(after).toContain(standing[0]!.identity.pid)
  const started = yard.events('cell.started').slice(-2)
  expect(new Set(started.map(({ facts }) => facts?.['stoodBy']))).toEqual(new Set([true, false]))
})

test('A standby that is dead or stopped when it is needed costs no agent anything: a fresh process is started', async () => {
  const { yard, standing } = await open(2)
  kill(standing[0]!, 'SIGSTOP')
  kill(standing[1]!, 'SIGSTOP')
  kill(yard.fleet.cells()[0]!)
  await yard.until(() => yard.events('cell.lost').length === 1)
  await yard.until(() => idle(yard))
  expect(yard.events('cell.lost')).toHaveLength(1)
  expect(yard.events('cell.started').at(-1)).toMatchObject({ facts: { stoodBy: false } })
  expect(yard.fleet.view({ type: 'villain', number: 1 })).toMatchObject({ epoch: 2, restarts: 1 })
  await yard.until(() => yard.events('standby.lost').length === 2)
  expect(standing.some(isThere)).toBe(false)
})

test('After a stop none stands by, no directory is left, and the record says how each ended', async () => {
  const { yard, standing } = await open()
  const alive = await yard.store.read.cellsAlive()
  expect(alive).toHaveLength(4)
  await yard.fleet.stop(1_000)
  for (const { directory } of alive) expect(await realDisk().exists(directory)).toBe(false)
  expect(standing.some(isThere)).toBe(false)
  expect(yard.fleet.standbys()).toEqual([])
  expect((await yard.store.read.cell(standing[0]!.id))?.cause).toBe('killed-by-us')
  expect(await yard.store.read.cellsAlive()).toEqual([])
})

test('A stop waits until what a dead cell left is removed', async () => {
  const { yard } = await open()
  const alive = await yard.store.read.cellsAlive()
  kill(yard.fleet.cells()[0]!)
  await yard.until(() => yard.events('cell.lost').length === 1)
  await yard.fleet.stop(0)
  for (const { directory } of alive) expect(await realDisk().exists(directory)).toBe(false)
})

test('Another configuration takes away hosts that stand by for nothing, and the cells stay as they are', async () => {
  const { yard, standing } = await open(2)
  const cells = pids(yard.fleet.cells())
  const one: typeof yard.settings = { ...yard.settings, cell: { kind: 'pool', orWeaker: false, standby: 1 } }
  await yard.fleet.reconfigure({ villain: one }, 'token:ada')
  await yard.until(() => ready(yard) && standing.filter(isThere).length === 1)
  expect(yard.fleet.summary().standbys).toEqual({ ready: 1, wanted: 1 })
  await yard.fleet.reconfigure(
    { villain: { ...one, cell: { kind: 'pool', orWeaker: false, standby: 0 } } },
    'token:ada',
  )
  await yard.until(() => yard.fleet.standbys().length === 0 && !standing.some(isThere))
  expect(pids(yard.fleet.cells())).toEqual(cells)
  expect(yard.events('standby.lost')).toEqual([])
})
