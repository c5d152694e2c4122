/**
 * Random faults against the whole fleet on a virtual clock. Whatever happens: an attempt that was given is answered or
 * told as lost, once; every agent shows its way out; no agent and no cell is restarted more often than its policy
 * allows without a quarantine; and once the faults stop, everybody works again.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatAgent } from '../../src/model/model.ts'
import { Failure } from '../../src/std/std.ts'
import type { FakeCell } from './cells.ts'
import { agentType, openWorld, type World } from './world.ts'

const restart = { type: 'permanent', max: 3, withinMs: 60_000, baseMs: 100, capMs: 2_000 } as const
const types = [
  agentType({ count: 7, perCell: 3, restart, heartbeatMs: 1_000, stuckAfterMs: 8_000, startWithinMs: 3_000 }),
  agentType({
    name: 'notifier',
    count: 2,
    perCell: 1,
    restart,
    heartbeatMs: 1_000,
    stuckAfterMs: 8_000,
    startWithinMs: 3_000,
  }),
]

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('give' as const), count: fc.integer({ min: 1, max: 5 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('finish' as const),
      pick: fc.nat(99),
      how: fc.constantFrom('done', 'fail', 'park'),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 4_000 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'kill' as const,
        'hang' as const,
        'resume' as const,
        'vanish' as const,
        'break' as const,
        'forget' as const,
      ),
      pick: fc.nat(99),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('fail-starts' as const, 'heal-starts' as const, 'slow-record' as const, 'sleep' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('restart' as const, 'release' as const, 'take-only' as const),
      pick: fc.nat(99),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('order' as const), pick: fc.nat(99), what: fc.nat(4) }),
  },
)
const orders = ['start', 'stop', 'pause', 'resume', 'quarantine'] as const
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

class Run {
  readonly world: World
  readonly given = new Map<string, { answered: number; taken: string }>()
  #number = 0
  constructor(world: World) {
    this.world = world
    world.answer = async (_method, _agent, params) => {
      await new Promise<void>((resolve) => {
        world.clock.timer(5, resolve)
      })
      const told = this.given.get(params['attempt'] as string)!
      // What the work does: an attempt that was told as lost is over, and its late end is stale.
      if (world.lost.some((one) => one.attempt === params['attempt'])) throw new Failure('stale', 'it is over')
      told.answered += 1
      return null
    }
  }

  pick<Item>(items: Iterable<Item>, at: number): Item | undefined {
    const list = [...items]
    return list[at % Math.max(1, list.length)]
  }

  async step(one: Step): Promise<void> {
    const { world } = this
    const cells = [...world.cells.living]
    switch (one.do) {
      case 'give':
        for (let index = 0; index < one.count; index += 1) {
          const attempt = `att_${(this.#number += 1)}`
          const agent = world.give(attempt, index % 2 === 0 ? 'settler' : 'notifier')
          if (agent) this.given.set(attempt, { answered: 0, taken: agent })
        }
        return
      case 'finish': {
        const run = this.pick(
          cells.flatMap((cell) => [...cell.runs.values()].map((held) => ({ cell, held }))),
          one.pick,
        )
        if (run) void run.cell.finish(run.held.agent, one.how as 'done')
        return world.clock.settle()
      }
      case 'wait':
        return world.clock.advance(one.ms)
      case 'kill':
        this.pick(cells, one.pick)?.end()
        return
      case 'hang': {
        const cell = this.pick(cells, one.pick)
        if (cell) cell.hung = true
        return
      }
      case 'resume':
        for (const cell of cells) cell.hung = false
        return
      case 'vanish': {
        const cell = this.pick(cells, one.pick)
        this.drop(cell, this.pick(cell?.seats.keys() ?? [], one.pick))
        return
      }
      case 'forget': {
        const cell = this.pick(cells, one.pick)
        cell?.runs.delete(this.pick(cell.runs.keys(), one.pick) ?? '')
        return
      }
      case 'break': {
        const cell = this.pick(cells, one.pick)
        const agent = this.pick(cell?.seats.keys() ?? [], one.pick)
        if (cell && agent) void cell.say('agent.broken', { agent, error: { name: 'Error', message: 'chaos' } })
        this.drop(cell, agent)
        return
      }
      case 'fail-starts':
        world.cells.failing = () => 'chaos'
        return
      case 'heal-starts':
        world.cells.failing = null
        return
      case 'slow-record':
        world.cells.startMs = world.cells.startMs === 100 ? 1_500 : 100
        return
      case 'sleep':
        return world.clock.sleepThrough(10_000)
      case 'restart':
        return this.order('restart', one.pick)
      case 'release':
        return this.order('unquarantine', one.pick)
      case 'order':
        return this.order(orders[one.what]!, one.pick)
      case 'take-only':
        for (const free of world.fleet.take('settler', 2)) world.fleet.release(free.agent)
    }
  }

  drop(cell: FakeCell | undefined, agent: string | undefined): void {
    if (cell && agent) {
      cell.seats.delete(agent)
      cell.runs.delete(agent)
    }
  }

  async order(what: 'restart' | 'unquarantine' | (typeof orders)[number], at: number): Promise<void> {
    const { fleet } = this.world
    const agent = this.pick(fleet.list(), at)!
    const by = 'operator:chaos'
    const asked: Promise<unknown> =
      what === 'restart' || what === 'unquarantine'
        ? fleet[what]([agent], by)
        : fleet.order(what, [agent], { actor: by, reason: 'chaos' })
    await asked.catch((error: unknown) => {
      if (!(error instanceof Failure) || error.code !== 'conflict') throw error
    })
  }

  check(): void {
    const { world } = this
    const lost = new Map<string, number>()
    for (const one of world.lost) lost.set(one.attempt, (lost.get(one.attempt) ?? 0) + 1)
    for (const [attempt, { answered }] of this.given) {
      const told = lost.get(attempt) ?? 0
      expect(told, `${attempt} told as lost`).toBeLessThanOrEqual(1)
      if (told === 1) expect(answered, `${attempt} answered and lost`).toBe(0)
    }
    for (const agent of world.fleet.list()) {
      expect(agent.exit, agent.id).not.toBeNull()
      if (agent.exit!.kind === 'time') expect(agent.exit!.at, agent.id).toBeTypeOf('number')
      const seated = [...world.cells.living].filter((cell) => cell.seats.has(agent.id))
      if (agent.state === 'idle') expect(seated.length, `${agent.id} is idle`).toBeLessThanOrEqual(1)
    }
    const busy = world.fleet.list().filter((agent) => agent.attempt !== null)
    expect(new Set(busy.map((agent) => agent.attempt)).size).toBe(busy.length)
  }

  /** From the events alone: losses that an agent, or a cell, was charged with, and the quarantines among them. */
  checkIntensity(): void {
    const { events } = this.world.record
    const ofAgents = events
      .filter((event) => event.kind === 'agent.lost')
      .map((event) => ({ who: event.subject, event }))
    const ofCells = events
      .filter((event) => event.kind === 'cell.lost' && (event.facts['blamed'] as string[]).length === 0)
      .map((event) => ({ who: String(event.facts['agents']).slice(0, 13), event }))
    const releases = events.filter((event) => event.kind === 'agent.released').map((event) => event.wallMs)
    for (const list of Map.groupBy(ofAgents, (one) => one.who).values()) {
      for (const { event } of list) {
        const recent = list.filter(
          (one) => event.wallMs - one.event.wallMs >= 0 && event.wallMs - one.event.wallMs <= restart.withinMs,
        )
        const forgiven = releases.some((atMs) => event.wallMs - atMs >= 0 && event.wallMs - atMs <= restart.withinMs)
        // Who was paused stays so, whatever is lost.
        const isPaused = event.facts['state'] === 'paused'
        if (recent.length > restart.max && !forgiven && !isPaused)
          expect(event.facts['state'], event.message).toBe('quarantined')
      }
    }
    for (const { event } of ofCells) {
      if ((event.facts['lossesInWindow'] as number) > restart.max)
        expect(event.facts['next'], event.message).toBe('quarantine')
    }
  }

  async heal(): Promise<void> {
    const { world } = this
    world.cells.failing = null
    world.cells.startMs = 100
    for (const cell of world.cells.living) cell.hung = false
    await world.clock.advance(20_000)
    for (const { state, exit, ...agent } of world.fleet.list()) {
      if (exit?.kind !== 'owner') continue
      if (state === 'quarantined') await world.fleet.unquarantine([agent], 'operator:chaos')
      else
        await world.fleet.order(state === 'paused' ? 'resume' : 'start', [agent], {
          actor: 'operator:chaos',
          reason: '',
        })
    }
    for (
      let round = 0;
      round < 40 && (world.fleet.summary().byState.idle ?? 0) < world.fleet.list().length;
      round += 1
    ) {
      for (const cell of world.cells.living) for (const agent of cell.runs.keys()) void cell.finish(agent)
      await world.clock.advance(1_800_000)
    }
  }
}

test('over random faults every attempt ends once, nobody is stuck, and everybody works afterwards', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), fc.nat(), async (steps, seed) => {
      const world = await openWorld({ types, seed, startingAtOnce: 2 })
      const run = new Run(world)
      await world.clock.advance(500)
      for (const one of steps) {
        await run.step(one)
        run.check()
      }
      await run.heal()
      run.check()
      run.checkIntensity()
      expect(world.fleet.summary().byState).toEqual({ idle: 9 })
      const lost = new Set(world.lost.map((one) => one.attempt))
      for (const [attempt, { answered }] of run.given)
        expect(answered > 0 || lost.has(attempt), `${attempt} has an end`).toBe(true)
      expect([...lost].every((attempt) => run.given.has(attempt))).toBe(true)
      expect(world.lines.filter((line) => line.message.includes('threw'))).toEqual([])
      // What the record holds is what the fleet shows.
      for (const agent of world.fleet.list()) {
        expect(world.record.agents.get(formatAgent(agent)), agent.id).toMatchObject({
          state: agent.state,
          epoch: agent.epoch,
          restarts: agent.restarts,
        })
      }
    }),
    { numRuns: Number(process.env['FLEET_CHAOS_RUNS'] ?? 75) },
  )
})
