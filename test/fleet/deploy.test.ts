/** Other code for agents that run: a restart of the type takes it, with real hosts and the real module loader. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { agentType, openWorld } from './world.ts'
import { openYard, type Yard } from './yard.ts'

const sdk = join(import.meta.dirname, '..', '..', 'src', 'agent', 'agent.ts')
const codeThatSays = (said: string): string =>
  `import { defineAgent } from ${JSON.stringify(sdk)}\n` +
  `export default defineAgent({ tasks: { echo: () => ({ said: ${JSON.stringify(said)} }) } })\n`

const allIdle = (yard: Yard) => (): true | undefined => yard.fleet.summary().byState.idle === 9 || undefined
const pidsOf = (yard: Yard): readonly number[] => yard.fleet.cells().map(({ identity }) => identity.pid)

/** What each of the nine answers. */
const said = async (yard: Yard): Promise<readonly unknown[]> => {
  const before = yard.done.length
  for (const free of yard.fleet.take('villain', 9)) yard.run(free, `att_${free.agent}_${before}`, 'echo')
  await yard.until(() => yard.done.length === before + 9)
  return [...new Set(yard.done.slice(before).map(({ result }) => result['said']))]
}

test('a restart of a type begins new hosts, and they run the module as it is by then', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'deploy-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const module = join(folder, 'villain.ts')
  await writeFile(module, codeThatSays('old'))
  const yard = await openYard({ run: { module } })
  await yard.until(allIdle(yard))
  expect(await said(yard)).toEqual(['old'])
  const before = pidsOf(yard)
  await writeFile(module, codeThatSays('new'))
  const all = yard.fleet.list()
  await yard.fleet.restart([all[0]!], 'token:ada')
  await yard.until(() => yard.fleet.view(all[0]!)!.state === 'idle')
  // One agent of a pool is restarted in its host, and a host has loaded its code once.
  expect(pidsOf(yard)).toEqual(before)
  expect(await said(yard)).toEqual(['old'])
  await yard.fleet.restart(all, 'token:ada')
  await yard.until(() => yard.events('config.taken').length === 1)
  await yard.until(allIdle(yard))
  expect(pidsOf(yard).filter((pid) => before.includes(pid))).toEqual([])
  expect(await said(yard)).toEqual(['new'])
  expect(yard.lost).toEqual([])
})

test('a restart of a type leaves three quarters of its agents at work, and finishes what is in hand', async () => {
  const world = await openWorld({ types: [agentType({ count: 40 })] })
  await world.clock.advance(2_000)
  const busy = world.give('att_1')!
  const cell = world.cells.of(busy)
  await world.fleet.restart(world.fleet.list(), 'token:ada')
  let least = Infinity
  for (let step = 0; step < 300; step += 1) {
    await world.clock.advance(100)
    least = Math.min(least, [...world.cells.living].filter(({ seats }) => seats.size > 0).length)
    if (step === 20) await cell.finish(busy)
  }
  expect(least).toBeGreaterThanOrEqual(6)
  expect(world.lost).toEqual([])
  expect(world.cells.all.length).toBe(16)
  expect(world.fleet.summary().byState).toEqual({ idle: 40 })
})

test('new code that does not start costs one part; said again when it is mended, that part comes first', async () => {
  const world = await openWorld({ types: [agentType({ count: 40 })] })
  await world.clock.advance(2_000)
  world.cells.startMs = Infinity
  await world.fleet.restart(world.fleet.list(), 'token:ada')
  await world.clock.advance(120_000)
  expect(world.fleet.summary().byState.idle).toBe(30)
  expect(world.record.eventsOf('config.waits')).toHaveLength(1)
  world.cells.startMs = 100
  await world.fleet.restart(world.fleet.list(), 'token:ada')
  await world.clock.advance(120_000)
  expect(world.fleet.summary().byState).toEqual({ idle: 40 })
})
