/** Tasks whose reason to wait has ended before their time: from the record and from what the gate says now. */
import { afterEach, expect, test } from 'vitest'
import type { Mode } from '../../src/model/model.ts'
import { openEarly, type Early } from '../../src/work/work.ts'
import { asks, done, fail, world, type World } from './world.ts'

let early: Early[] = []
afterEach(() => {
  for (const one of early) one.stop()
  early = []
})

/** A gate that says for how many calls each is open. */
const gateOf = () => {
  const gate = {
    gateId: 'gat_1' as string | null,
    open: new Map<string, number>(),
    asked: [] as (readonly string[])[],
    vacancies: async (of: readonly string[]) => {
      gate.asked.push(of)
      return of.map((one) => gate.open.get(one) ?? 0)
    },
  }
  return gate
}
const looking = (at: World, gatelink: ReturnType<typeof gateOf>): Early => {
  const opened = openEarly({
    store: at.store,
    gatelink,
    clock: at.clock,
    modeOf: () => at.mode as { readonly mode: Mode },
    onFault: (error) => {
      throw error
    },
  })
  early.push(opened)
  return opened
}

const waitsFor = 'call bank POST /v1/x'
const refusal = { code: 'breaker-open', status: 503, retryAfterMs: 600_000, waitsFor }
const parkAll = async (at: World, count: number, error: object = refusal): Promise<void> => {
  await at.work.submit(asks(count))
  await at.clock.move(0)
  const given = at.given.splice(0)
  expect(given).toHaveLength(count)
  for (const one of given) await fail(at, one, error)
  at.idle.push(...given.map(({ agent }) => agent))
}

test('When what it waits for is open a task starts long before its time, and it has spent no try', async () => {
  const at = await world(1)
  const gate = gateOf()
  looking(at, gate)
  await parkAll(at, 1)
  await at.clock.move(30_000)
  expect(at.given).toHaveLength(0)
  expect(gate.asked.at(-1)).toEqual([waitsFor])
  gate.open.set(waitsFor, 5)
  await at.clock.move(1_000)
  expect(at.given).toHaveLength(1)
  expect(at.given[0]!.number).toBe(1)
  await done(at, at.given[0]!)
})

test('As many start as the gate has room for, and more only when those have had time to get there', async () => {
  const at = await world(10)
  const gate = gateOf()
  looking(at, gate)
  await parkAll(at, 10)
  gate.open.set(waitsFor, 3)
  await at.clock.move(1_500)
  expect(at.given).toHaveLength(3)
  await at.clock.move(1_000)
  expect(at.given).toHaveLength(3)
  await at.clock.move(1_000)
  expect(at.given).toHaveLength(6)
  await at.clock.move(4_000)
  expect(at.given).toHaveLength(10)
})

test('A sitter that begins anew finds in the record what tasks wait for; while the gate is away they wait for their time', async () => {
  const at = await world(1)
  const gate = gateOf()
  const first = looking(at, gate)
  await parkAll(at, 1)
  first.stop()
  gate.open.set(waitsFor, 1)
  gate.gateId = null
  looking(at, gate)
  await at.clock.move(5_000)
  expect(gate.asked).toEqual([])
  expect(at.given).toHaveLength(0)
  gate.gateId = 'gat_2'
  await at.clock.move(1_000)
  expect(at.given).toHaveLength(1)
})

test('Whoever answers wrongly makes no loop: a task waits a second at least, each time', async () => {
  const at = await world(1)
  const gate = gateOf()
  looking(at, gate)
  gate.open.set(waitsFor, 100)
  await parkAll(at, 1)
  for (let count = 0; count < 20; count += 1) {
    await at.clock.move(500)
    for (const one of at.given) {
      if (one.number !== 1) throw new Error('it has spent a try')
    }
    const last = at.given.at(-1)
    const state = last && (await at.store.read.task(last.task))!.state.state
    if (last !== undefined && state === 'running') {
      await fail(at, last, refusal)
      at.idle.push(last.agent)
    }
  }
  // Ten seconds.
  expect(at.given.length).toBeGreaterThanOrEqual(3)
  expect(at.given.length).toBeLessThanOrEqual(6)
})

test('What a mode forbade starts again when the mode lets it, without asking the gate', async () => {
  const at = await world(1)
  const gate = gateOf()
  looking(at, gate)
  at.mode = { mode: 'readonly', person: true }
  await parkAll(at, 1, { code: 'mode-forbids', status: 403 })
  await at.clock.move(5_000)
  expect(at.given).toHaveLength(0)
  at.mode = { mode: 'active', person: false }
  await at.clock.move(1_000)
  expect(at.given).toHaveLength(1)
  expect(at.given[0]!.number).toBe(1)
  expect(gate.asked).toEqual([])
})

test('Where nothing waits for anything nobody is asked', async () => {
  const at = await world(1)
  const gate = gateOf()
  looking(at, gate)
  let reads = 0
  const { waitedFor } = at.store.read
  at.store.read.waitedFor = (...asked) => {
    reads += 1
    return waitedFor(...asked)
  }
  await at.work.submit(asks(1))
  await at.clock.move(60_000)
  expect(reads).toBeLessThanOrEqual(1)
  await fail(at, at.given[0]!, refusal)
  await at.clock.move(3_000)
  expect(reads).toBeGreaterThanOrEqual(3)
})
