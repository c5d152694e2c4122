/** Many agents in one real host and one of them bad: how it is opened, made to misbehave, and looked at. */
import { afterAll, expect } from 'vitest'
import { probeMachine, type Machine } from '../../src/cell/cell.ts'
import type { AgentView, FreeAgent } from '../../src/fleet/fleet.ts'
import { openYard, type Yard } from './yard.ts'

export const culprit = 'villain/0042'
export const culprit12 = 'villain/0007'
export const view = (yard: Yard, id: string): AgentView =>
  yard.fleet.view({ type: 'villain', number: Number(id.split('/')[1]) })!
export const idle = (yard: Yard, count: number): true | undefined =>
  yard.fleet.summary().byState.idle === count || undefined

const machine = await probeMachine({ name: `swarmsitter-apart-${process.pid}`, settle: true })
afterAll(() => machine.limits.close())

/** Whoever does not wait for a time is back. */
export const settled = (yard: Yard): true | undefined =>
  yard.fleet.list().every(({ state }) => state === 'idle' || state === 'quarantined') || undefined

/** All but the culprit are together again in one host, and each of them does its work there. */
export const theOthersWork = async (yard: Yard, bad = culprit): Promise<void> => {
  const others = yard.fleet.list().filter(({ id }) => id !== bad)
  const together = (): boolean => {
    const cells = new Set(others.map(({ id }) => view(yard, id).cell?.id))
    return cells.size === 1 && others.every(({ id }) => view(yard, id).state === 'idle')
  }
  await yard.until(together)
  expect(view(yard, bad)).toMatchObject({ state: 'quarantined', cell: null })
  for (const one of yard.fleet.take('villain', 200)) yard.run(one, `att_work_${one.agent}`, 'echo')
  const done = (): Yard['done'] => yard.done.filter(({ attempt }) => attempt.startsWith('att_work_'))
  await yard.until(() => done().length === others.length)
  expect(new Set(done().map(({ result }) => result['pid'])).size).toBe(1)
}

/** Dying for want of memory takes the engine a second, and five on a busy machine. */
export const patienceMs = 90_000

let attempts = 0
/** Gives the task to the one, once it is free, and something harmless to some others, so that it is not alone at work. */
export const misbehave = async (yard: Yard, task: string, mates = 3, bad = culprit): Promise<void> => {
  // Given back while we look they would be free at once, and this would look again, for ever.
  const all: FreeAgent[] = []
  await yard.until(() => {
    all.push(...yard.fleet.take('villain', 200))
    return all.some(({ agent }) => agent === bad)
  })
  const others = all.filter(({ agent }) => agent !== bad)
  const run = (one: FreeAgent, type: string, payload = {}): void =>
    yard.run(one, `att_${(attempts += 1)}`, type, payload)
  for (const one of others.slice(0, mates)) run(one, 'echo', { waitMs: task === 'leakSlowly' ? 60_000 : 300 })
  for (const { agent } of others.slice(mates)) yard.fleet.release(agent)
  run(
    all.find(({ agent }) => agent === bad)!,
    task,
  )
}

/** Behind walls the process that the sitter knows is the wall, and what a host leaves behind lies on its own disk. */
export const surroundings = [
  ['no walls', undefined] as const,
  ...(machine.bwrap === null ? [] : [['walls', machine] as const]),
]

/** One type in one host. */
export const openApart = (around: Machine | undefined, count: number, memoryBytes = 256_000_000): Promise<Yard> =>
  openYard(
    {
      count,
      perCell: count,
      memoryBytes,
      restart: { type: 'permanent', max: 1, withinMs: 600_000, baseMs: 200, capMs: 1_000 },
      cell: { kind: 'pool', orWeaker: false, standby: 0 },
    },
    around,
  )

/** Walls where the machine has them. */
export const [usualPlace, usual] = surroundings.at(-1)!

/** An agent that loops is named with its stack, lives alone after its second time, and is quarantined at the third. */
export const loopsAmongAHundred = async (around: Machine | undefined): Promise<void> => {
  const yard = await openApart(around, 100)
  await yard.until(() => idle(yard, 100))
  for (let round = 1; round <= 3; round += 1) {
    await misbehave(yard, 'loopLater', round < 3 ? 3 : 0)
    await yard.until(() => yard.events('cell.lost').length === round)
    if (round < 3) await yard.until(() => idle(yard, 100))
  }
  const lost = yard.events('cell.lost')
  // The first time nobody watched: the engine's own print, in which no frame is the host's any more.
  expect(lost[0]!.facts).toMatchObject({ blamed: [], witness: { kind: 'blocked', source: 'stack', agent: null } })
  expect(JSON.stringify(lost[0]!.facts['witness'])).toContain('witness.ts')
  expect(lost[1]!.facts).toMatchObject({ blamed: [culprit], count: 100 })
  expect(lost[1]!.facts['witness']).toMatchObject({ kind: 'blocked', source: 'watch', agent: culprit })
  expect(JSON.stringify(lost[1]!.facts['witness'])).toContain('loopLater')
  expect(lost[2]!.facts).toMatchObject({ blamed: [culprit], count: 1 })
  await theOthersWork(yard)
}
