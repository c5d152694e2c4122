/** One cause is told once, however many agents wait for it. */
import { expect, test } from 'vitest'
import { troublesOf } from '../../src/fleet/fleet.ts'
import { agentType, openWorld } from './world.ts'

const said = "the agents cannot be loaded: Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'x' imported from /a.ts"

test('cells that cannot load their module are one trouble of their type, told from the first loss on', async () => {
  const restart = { type: 'permanent', max: 3, withinMs: 600_000, baseMs: 100, capMs: 1_000 } as const
  const world = await openWorld({ types: [agentType({ count: 10, restart }), agentType({ name: 'reader', count: 3 })] })
  world.cells.startMs = 60_000
  for (let round = 0; round < 40; round += 1) {
    for (const cell of world.cells.living)
      if (cell.plan.agentType === 'settler') cell.end('start-failed', `exit code 78; last it said: ${said}`)
    if (round === 2)
      expect(world.fleet.summary().troubles.map(({ starts, quarantined }) => [starts, quarantined])).toEqual([
        [true, 0],
      ])
    await world.clock.advance(500)
  }
  const cause = "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'x' imported from /a.ts"
  const trouble = { type: 'settler', cause, starts: true, count: 10, quarantined: 10, agents: 'settler/0001-0010' }
  expect(world.fleet.summary().troubles).toMatchObject([trouble])
  expect(world.fleet.summary().quarantines).toBe(1)
  await world.fleet.unquarantine(
    world.fleet.list().filter(({ type }) => type === 'settler'),
    'token:ada',
  )
  expect(world.fleet.summary().troubles).toEqual([])
})

const held = (number: number, reason: string, type = 'settler') =>
  ({ id: `${type}/${number}`, type, number, state: 'quarantined', reason, sinceMs: 1_000 + number }) as const

test('causes differ by what was said, not by the cell in which it was said', () => {
  const why = 'more than 5 losses within 10 m 0 s; last: '
  const troubles = troublesOf([
    held(1, `${why}cell cel_01a3185c-5000-720f ended (exit): exit code 1`),
    held(2, `cell cel_01a3185c-9999-720f ended (exit): exit code 1`),
    held(3, 'quarantined by token:ada: pays the wrong people'),
    held(3, 'quarantined by token:ada: pays the wrong people', 'reader'),
    { ...held(4, 'cell cel_1 ended (exit): exit code 1'), state: 'backoff' },
  ])
  expect(troubles.map(({ agents, cause, starts, sinceMs }) => [agents, cause, starts, sinceMs])).toEqual([
    ['settler/0001-0002', 'its cell ended (exit): exit code 1', false, 1_001],
    ['reader/0003', 'quarantined by token:ada: pays the wrong people', false, 1_003],
    ['settler/0003', 'quarantined by token:ada: pays the wrong people', false, 1_003],
  ])
})

test('a line that a host prints before it is up names its agents; what a program prints to stderr is no warning', async () => {
  const program = agentType({
    name: 'script',
    run: { exec: ['./x'], directory: '/' },
    count: 1,
    cell: { kind: 'process', orWeaker: false },
  })
  const world = await openWorld({ types: [agentType({ count: 3 }), program] })
  await world.clock.advance(10)
  const cellOf = (type: string) => [...world.cells.living].find(({ plan }) => plan.agentType === type)!
  cellOf('settler').events.line('stderr', 'it cannot be loaded')
  await world.clock.advance(1_000)
  cellOf('settler').events.line('stderr', 'later')
  cellOf('script').events.line('stderr', '40 % done')
  expect(world.lines.map(({ level, agent, message, fields }) => ({ level, agent, message, fields }))).toEqual([
    { level: 'warn', agent: null, message: 'it cannot be loaded', fields: { agents: 'settler/0001-0003' } },
    { level: 'warn', agent: null, message: 'later', fields: undefined },
    { level: 'info', agent: 'script/0001', message: '40 % done', fields: undefined },
  ])
})
