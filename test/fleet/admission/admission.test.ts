/** What the fleet does when the host is short: with readings that the test says, and a moved clock. */
import { expect, test } from 'vitest'
import { usualBounds } from '../../../src/fleet/admission/bounds.ts'
import { admissionAfter, open, type AdmissionState } from '../../../src/fleet/admission/decide.ts'
import type { PressureReading } from '../../../src/std/std.ts'
import { agentType, openWorld, type World } from '../world.ts'

const reading = (freeShare: number, stalled = 0): PressureReading => ({
  memory: { freeBytes: freeShare * 1e10, totalBytes: 1e10, of: 'host' },
  stalled: { memory: stalled, cpu: 0.9, io: 0.9 },
})
const bounds = usualBounds.pressure

const run = (readings: readonly PressureReading[], more = bounds): (string | null)[] => {
  let state: AdmissionState = open
  return readings.map((one, second) => {
    state = admissionAfter(state, one, more, { monoMs: second * 1_000, wallMs: second * 1_000 })
    return state.short?.why ?? null
  })
}
const isShort = (...of: Parameters<typeof run>): boolean[] => run(...of).map((why) => why !== null)

test('Little memory left is short, and says how much there is and what the bound was', () => {
  expect(run([reading(0.04)])).toEqual(["400 MB of the host's memory are left, 4 %; the bound is 5 %"])
})

test('Waiting for memory is short though there seems to be some', () => {
  expect(run([reading(0.5, 0.11)])).toEqual([
    'everything waited for memory in 11 % of the last 10 s; the bound is 10 %',
  ])
})

test('A busy processor or disk alone stops nothing, unless a bound says so', () => {
  expect(isShort([reading(0.5)])).toEqual([false])
  expect(isShort([reading(0.5)], { ...bounds, cpuStalled: 0.8 })).toEqual([true])
  expect(isShort([reading(0.5)], { ...bounds, ioStalled: 0.8 })).toEqual([true])
})

test('It ends only when it has been well within the bound for five seconds, so that it does not flap', () => {
  const edge = [0.04, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06].map((free) => reading(free))
  expect(isShort(edge)).toEqual(edge.map(() => true))
  const better = [0.04, 0.08, 0.08, 0.08, 0.04, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08].map((free) => reading(free))
  expect(isShort(better)).toEqual([true, true, true, true, true, true, true, true, true, true, false, false])
})

test('What cannot be read is held against nobody, and ends nothing by itself but with time', () => {
  const unknown = { memory: null, stalled: { memory: null, cpu: null, io: null } }
  expect(isShort([unknown])).toEqual([false])
})

const kinds = ({ record }: World): string[] => record.events.map(({ kind }) => kind)
const programs = (count: number, hibernate?: { afterMs: number }) =>
  agentType({ run: { command: ['/bin/a'], directory: '/' }, perCell: 1, count, ...(hibernate && { hibernate }) })

test('While the host is short nothing new starts, what runs goes on, and it is told at its beginning and its end', async () => {
  const now = { reading: reading(0.5) }
  const world = await openWorld({ types: [programs(3)], pressure: { read: () => now.reading } })
  await world.clock.advance(2_000)
  expect(world.cells.living.size).toBe(3)
  const agent = world.give('att_1')!
  now.reading = reading(0.02)
  await world.clock.advance(1_000)
  const victim = world.cells.of('settler/0003' === agent ? 'settler/0002' : 'settler/0003')
  victim.end('exit', 'exit code 1')
  await world.clock.advance(60_000)
  expect(world.cells.living.size).toBe(2)
  expect(world.state(agent)).toBe('busy')
  const waiting = world.fleet.list().find(({ state }) => state === 'starting')!
  expect(waiting.exit).toMatchObject({ what: expect.stringContaining('200 MB of the host') as string })
  expect(world.fleet.summary().admission).toMatchObject({
    startsWaiting: 1,
    short: { why: expect.any(String) as string },
  })
  now.reading = reading(0.5)
  await world.clock.advance(7_000)
  expect(world.cells.living.size).toBe(3)
  expect(world.fleet.summary().admission.short).toBeNull()
  expect(kinds(world).filter((kind) => kind.startsWith('host.'))).toEqual(['host.short', 'host.relieved'])
})

test('While the host is short idle agents that may sleep do so before their time, and nobody is woken', async () => {
  const now = { reading: reading(0.5) }
  const types = [programs(10, { afterMs: 3_600_000 })]
  const world = await openWorld({ types, pressure: { read: () => now.reading } })
  world.fleet.want('settler', 4)
  await world.clock.advance(2_000)
  const agent = world.give('att_1')!
  world.fleet.want('settler', 0)
  await world.clock.advance(2_000)
  expect(world.fleet.summary().byState).toEqual({ idle: 3, busy: 1, hibernating: 6 })
  now.reading = reading(0.02)
  await world.clock.advance(4_000)
  expect(world.fleet.summary().byState).toEqual({ busy: 1, hibernating: 9 })
  expect([...world.cells.living].map((cell) => [...cell.seats.keys()])).toEqual([[agent]])
  world.fleet.want('settler', 5)
  await world.clock.advance(10_000)
  expect(world.cells.living.size).toBe(1)
  now.reading = reading(0.5)
  await world.clock.advance(8_000)
  expect(world.fleet.summary().byState).toMatchObject({ idle: 5, busy: 1 })
})

test('A host that is short from the beginning starts nobody before it is not', async () => {
  const now = { reading: reading(0.01) }
  const world = await openWorld({ types: [programs(2)], pressure: { read: () => now.reading } })
  await world.clock.advance(30_000)
  expect(world.cells.all).toEqual([])
  now.reading = reading(0.9)
  await world.clock.advance(8_000)
  expect(world.fleet.summary().byState).toEqual({ idle: 2 })
})
