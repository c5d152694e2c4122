/**
 * No figure is a decoration: under faults each one that people see takes another value. A field that stays as it was
 * through deaths, hangs, orders and a host that runs short would be a claim, and no evidence.
 */
import { expect, test } from 'vitest'
import type { PressureReading } from '../../src/std/std.ts'
import { FakeCells } from './cells.ts'
import { VirtualClock } from './clock.ts'
import { agentType, openWorld, type World } from './world.ts'

/** Every leaf by its path, without the ids and numbers that name one of many. */
const leaves = (value: unknown, path: string, into: Map<string, string>): void => {
  if (typeof value === 'object' && value !== null && Object.keys(value).length > 0) {
    const isList = Array.isArray(value)
    for (const [key, one] of Object.entries(value)) leaves(one, `${path}.${isList ? '[]' : key}`, into)
    return
  }
  into.set(path, `${into.get(path) ?? ''}${JSON.stringify(value) ?? 'absent'}`)
}

/** What names a thing, or says how it was configured: these say nothing about health. */
const named = [
  /^agent\.(id|type|number|mode|housing\..*)$/,
  /^agent\.cell\.(kind)$/,
  /^agent\.apart\./,
  /^agent\.evidence\.(\w+\.fact|useful\.source)$/,
  // Asked of the process table each time; what it says is in `value`, how old it is in `atMs`.
  /^cell\.(kind|agentType|residentBytes)$/,
  // What the configuration asks for.
  /^summary\.(agents|held|troubles|standbys\.wanted)$/,
  /^summary\.(held|troubles)\.\[\]\./,
  /^summary\.admission\.reading\.(memory|stalled)\.(totalBytes|of|cpu|io|memory)$/,
]

const watch = (world: World, id: string, looks: Map<string, string>[]): void => {
  const seen = new Map<string, string>()
  looks.push(seen)
  const { evidence, exit, ...view } = world.fleet.view(world.ref(id))!
  leaves({ ...view, exit: exit === null ? null : { kind: exit.kind, what: exit.what } }, 'agent', seen)
  leaves(Object.fromEntries(evidence.map((one) => [one.fact, one])), 'agent.evidence', seen)
  leaves(world.fleet.summary(), 'summary', seen)
  for (const cell of world.fleet.cells()) leaves(cell, 'cell', seen)
}

test('Each figure of an agent, a cell and the swarm changes under faults', async () => {
  let freeBytes = 5e9
  const reading = (): PressureReading => ({
    memory: { freeBytes, totalBytes: 1e10, of: 'host' },
    stalled: { memory: 0, cpu: 0, io: 0 },
  })
  const clock = new VirtualClock()
  const world = await openWorld({
    types: [agentType({ heartbeatMs: 1_000, stuckAfterMs: 4_000, count: 10, perCell: 5 })],
    pressure: { read: reading },
    clock,
    cells: new FakeCells(clock, true),
  })
  const looks: Map<string, string>[] = []
  const id = 'settler/0001'
  const see = async (ms: number): Promise<void> => {
    for (let at = 0; at < ms; at += 250) {
      await world.clock.advance(250)
      watch(world, id, looks)
    }
  }
  watch(world, id, looks)
  await see(1_500)
  // Work: given, done, and one that hangs in hand until it is asked to give up.
  for (let round = 0; round < 10; round += 1) {
    const agent = world.give(`att_${round}`)!
    if (agent !== id) await world.cells.of(agent).finish(agent)
  }
  await see(3_000)
  await world.cells.of(id).finish(id)
  await see(1_000)
  // Its cell hangs, and is ended.
  world.cells.of(id).hung = true
  await see(6_000)
  // It breaks until it is quarantined.
  for (let round = 0; round < 20 && world.state(id) !== 'quarantined'; round += 1) {
    const cell = [...world.cells.living].find((one) => one.seats.has(id))
    await cell?.say('agent.broken', { agent: id, error: { name: 'Error', message: 'again' } })
    await see(4_000)
  }
  await world.fleet.unquarantine([world.ref(id)], 'operator:ada')
  await see(2_000)
  // Another kills its cell, and again: it gets one of its own.
  for (let round = 0; round < 2; round += 1) {
    const agent = 'settler/0007'
    world.cells.of(agent).endWith({ kind: 'blocked', source: 'watch', agent, forMs: 9_000, stack: ['at x'] })
    await see(4_000)
  }
  await world.fleet.order('pause', [world.ref('settler/0009')], { actor: 'operator:ada', reason: 'a look' })
  // The host runs short while a cell dies: its start waits.
  freeBytes = 1e8
  await see(1_500)
  world.cells.of('settler/0010').end()
  await see(3_000)
  freeBytes = 5e9
  await see(3_000)

  const paths = new Set(looks.flatMap((look) => [...look.keys()]))
  const constant = [...paths]
    .filter((path) => !named.some((one) => one.test(path)))
    .map((path) => [path, new Set(looks.map((look) => look.get(path)))] as const)
    .filter(([, values]) => values.size < 2)
    .map(([path, values]) => `${path} is always ${[...values][0]}`)
  expect(constant).toEqual([])
})
