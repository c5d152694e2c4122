/** Probes in virtual time: started, alive and ready are three questions, and only who does not live is ended. */
import { expect, test } from 'vitest'
import { afterProbe, beginState, mayWork } from '../../../src/fleet/probes/decide.ts'
import type { AgentType, Probe } from '../../../src/model/model.ts'
import { agentType, openWorld, type World, type WorldAsk } from '../world.ts'

const probe = (name: string): Probe => ({ command: [name, '{number}'], everyMs: 1_000, timeoutMs: 500, fails: 3 })
const program = (health: AgentType['health'], count = 1): AgentType =>
  agentType({
    name: 'notifier',
    run: { command: ['notifier'], directory: '/app' },
    cell: { kind: 'process', orWeaker: false },
    count,
    perCell: 1,
    ...(health && { health }),
  })

/** What the programs answer now, and how they were asked. */
const scene = async (
  health: AgentType['health'],
  count = 1,
  more: Pick<WorldAsk, 'seesItself'> = {},
): Promise<{ world: World; failing: Set<string>; asked: string[]; most: () => number; holdMs: { ms: number } }> => {
  const [failing, asked, holdMs] = [new Set<string>(), [] as string[], { ms: 0 }]
  let [open, most] = [0, 0]
  const late: { world?: World } = {}
  const world = await openWorld({
    ...more,
    types: [program(health, count)],
    probe: async ({ command = [] }) => {
      asked.push(command.join(' '))
      open += 1
      most = Math.max(most, open)
      if (holdMs.ms > 0)
        await new Promise<void>((resolve) => {
          late.world!.clock.timer(holdMs.ms, resolve)
        })
      open -= 1
      return failing.has(command[0]!) ? `${command[0]} is not well` : null
    },
  })
  late.world = world
  return { world, failing, asked, most: () => most, holdMs }
}

test('A pass begins anew, fails in a row count, and readiness never kills', () => {
  const has = { startup: false, liveness: true, readiness: true }
  const fail = (probe: 'liveness' | 'readiness') => ({ probe, failed: 'no', most: 2 })
  let { state } = afterProbe(beginState(has), { probe: 'readiness', failed: null, most: 2 })
  expect(mayWork(state)).toBe(true)
  for (const _ of [1, 2, 3, 4]) {
    const judged = afterProbe(state, fail('readiness'))
    expect(judged.isDead).toBe(false)
    ;({ state } = judged)
  }
  expect(mayWork(state)).toBe(false)
  ;({ state } = afterProbe(state, fail('liveness')))
  ;({ state } = afterProbe(state, { probe: 'liveness', failed: null, most: 2 }))
  expect(afterProbe(state, fail('liveness')).isDead).toBe(false)
  expect(afterProbe(afterProbe(state, fail('liveness')).state, fail('liveness')).isDead).toBe(true)
})

test('Until it has started a program gets no work; one that does not start in time is ended', async () => {
  const { world, failing } = await scene({ startup: { ...probe('started'), withinMs: 5_000 } })
  failing.add('started')
  await world.clock.advance(3_000)
  expect(world.fleet.freeCount('notifier')).toBe(0)
  expect(world.fleet.view(world.ref('notifier/0001'))!.exit!.what).toContain('started is not well')
  failing.delete('started')
  await world.clock.advance(1_000)
  expect(world.fleet.freeCount('notifier')).toBe(1)

  failing.add('started')
  world.cells.of('notifier/0001').end()
  await world.clock.advance(7_000)
  const facts = world.record.eventsOf('cell.lost').map((event) => event.facts['killedFor'])
  expect(facts).toContainEqual(expect.stringContaining('did not start within 5000 ms'))
})

test('The end of the time to start is no end while we do not see ourselves, nor of a program that was not let run', async () => {
  const sees = { itself: false }
  const health = { startup: { ...probe('started'), withinMs: 5_000 } }
  const { world, failing } = await scene(health, 1, { seesItself: () => sees.itself })
  failing.add('started')
  await world.clock.advance(1_000)
  const cell = world.cells.of('notifier/0001')
  await world.clock.advance(20_000)
  expect(cell.ended).toBe(false)
  const verdicts = (): unknown[] => world.record.eventsOf('cell.decision').map(({ facts }) => facts!['verdict'])
  expect(new Set(verdicts())).toEqual(new Set(['disarmed']))
  expect(world.record.eventsOf('cell.decision')[0]!.facts).toMatchObject({ step: 'judge', probe: 'startup' })
  // It waits for a processor all the time.
  world.efforts.set(cell.identity.pid, () => ({
    startTime: cell.identity.startTime,
    state: 'R',
    threads: new Map([[1, { state: 'R', ranMs: 0, waitedMs: world.clock.monoMs() }]]),
  }))
  await world.clock.advance(6_000)
  sees.itself = true
  await world.clock.advance(20_000)
  expect([cell.ended, verdicts().at(-1)]).toEqual([false, 'starved'])
  world.efforts.clear()
  await world.clock.advance(11_000)
  expect(cell.ended).toBe(true)
})

test('A program that is not ready gets no work and lives on; ready again, it gets some', async () => {
  const { world, failing } = await scene({ readiness: probe('ready'), liveness: probe('alive') })
  await world.clock.advance(2_000)
  expect(world.fleet.freeCount('notifier')).toBe(1)
  const cell = world.cells.of('notifier/0001')
  failing.add('ready')
  await world.clock.advance(60_000)
  expect([cell.ended, world.fleet.freeCount('notifier')]).toEqual([false, 0])
  expect(world.record.eventsOf('agent.not-ready').length).toBe(1)
  failing.delete('ready')
  await world.clock.advance(1_500)
  expect(world.fleet.freeCount('notifier')).toBe(1)
})

test('A program that does not pass its liveness probe three times in a row is ended, and comes back', async () => {
  const { world, failing } = await scene({ liveness: probe('alive') })
  await world.clock.advance(2_000)
  const cell = world.cells.of('notifier/0001')
  failing.add('alive')
  await world.clock.advance(1_500)
  expect(cell.ended).toBe(false)
  await world.clock.advance(2_000)
  expect(cell.ended).toBe(true)
  failing.delete('alive')
  await world.clock.advance(10_000)
  expect(world.state('notifier/0001')).toBe('idle')
  expect(world.record.eventsOf('cell.lost')[0]!.facts['killedFor']).toContain('liveness failed 3 times')
})

test('Hundreds of programs are asked eight at a time, each by its own number', async () => {
  const { world, asked, most, holdMs } = await scene({ readiness: probe('ready') }, 100)
  holdMs.ms = 10
  await world.clock.advance(20_000)
  expect(most()).toBe(8)
  expect(new Set(asked).size).toBe(100)
  expect(world.fleet.freeCount('notifier')).toBe(100)
})

test('Whoever depends on a program waits until its probes let it work, and so does the next part of a rolling restart', async () => {
  const failing = new Set(['ready'])
  const world = await openWorld({
    types: [
      program({ readiness: probe('ready') }, 2),
      { ...program(undefined), name: 'client', dependsOn: ['notifier'] },
    ],
    probe: async ({ command = [] }) => (failing.has(command[0]!) ? 'it is not well' : null),
  })
  await world.clock.advance(20_000)
  expect(world.state('client/0001')).toBe('starting')
  failing.delete('ready')
  await world.clock.advance(3_000)
  expect(world.state('client/0001')).toBe('idle')

  failing.add('ready')
  await world.fleet.roll('notifier', { agents: 1 }, 'token:ann')
  await world.clock.advance(120_000)
  const epochs = (): number[] => [1, 2].map((number) => world.fleet.view({ type: 'notifier', number })!.epoch)
  expect(epochs().toSorted((one, other) => one - other)).toEqual([1, 2])
  failing.delete('ready')
  await world.clock.advance(60_000)
  expect(epochs()).toEqual([2, 2])
})
