/**
 * The fleet with real processes and the real record: what is killed or hung from outside comes back, and nothing else
 * moves.
 */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { AgentView, CellStatus } from '../../src/fleet/fleet.ts'
import { realProc } from '../../src/std/real/real.ts'
import { heartbeatMs, openYard, type Yard } from './yard.ts'

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
