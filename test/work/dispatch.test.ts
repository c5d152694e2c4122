/** How many agents a claim takes, and which it leaves for tasks that come meanwhile. */
import { expect, test } from 'vitest'
import type { FreeAgent } from '../../src/fleet/fleet.ts'
import type { Claimed, Slot } from '../../src/store/store.ts'
import { claimSize, openDispatch } from '../../src/work/dispatch.ts'

/** A fleet of `agents` free agents before a record in which `ready` tasks wait. */
const world = (agents: number, ready: number) => {
  const free: FreeAgent[] = Array.from({ length: agents }, (_, index) => ({
    agent: `worker/${index}`,
    cell: 'cel_1',
    epoch: 1,
  }))
  const claims: number[] = []
  const ran: string[] = []
  const seen = { waiting: ready, ids: 0, failed: undefined as unknown }
  const claimed = (slot: Slot): Claimed => ({
    task: `tsk_${(seen.ids += 1)}`,
    type: 'nothing',
    key: null,
    payload: '{}',
    agent: slot.agent,
    cell: slot.cell,
    attempt: `att_${seen.ids}.1`,
    number: 1,
    fence: 1,
    deadlineMs: null,
    batch: null,
    priority: 5,
    deaths: 0,
  })
  const dispatch = openDispatch({
    dateOf: (wallMs) => wallMs,
    fleet: {
      take: (_, count) => free.splice(0, count),
      freeCount: () => free.length,
      release: (agent) => void free.push({ agent, cell: 'cel_1', epoch: 1 }),
      run: (runs) => void ran.push(...runs.map((one) => one.attempt)),
    },
    claim: async (_, slots) => {
      claims.push(slots.length)
      const given = slots.slice(0, seen.waiting).map(claimed)
      seen.waiting -= given.length
      return { claimed: given, more: given.length === slots.length && seen.waiting > 0 }
    },
    short: () => {},
    begin: (all) => all,
    failed: (error) => {
      seen.failed = error
    },
  })
  return { dispatch, claims, ran, seen, free }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('a nudge for one task takes a handful of agents, however many are free, and gives the others back', async () => {
  const { dispatch, claims, ran, free } = world(5_000, 1)
  dispatch.ready('worker')
  await turn()
  expect(claims).toHaveLength(1)
  expect(claims[0]).toBeLessThanOrEqual(16)
  expect(ran).toHaveLength(1)
  expect(free).toHaveLength(4_999)
})

test('a backlog is claimed in growing batches, none larger than the bound, until nothing is left', async () => {
  const { dispatch, claims, ran, seen } = world(5_000, 4_000)
  dispatch.ready('worker')
  await turn()
  expect(ran).toHaveLength(4_000)
  expect(seen.waiting).toBe(0)
  expect(claims.length).toBeLessThan(10)
  expect(Math.max(...claims)).toBe(claimSize)
})

test('while a claim is under way, a new task may still take a free agent of its own', async () => {
  const { dispatch, claims } = world(100, 0)
  dispatch.ready('worker')
  expect(claims).toHaveLength(1)
  expect(dispatch.slotsFor('worker', 1)).toHaveLength(1)
  await turn()
})

test('while older tasks are known to wait, a new one takes no agent before them', async () => {
  const { dispatch, free } = world(10, 50)
  dispatch.ready('worker')
  await turn()
  free.push({ agent: 'worker/late', cell: 'cel_1', epoch: 1 })
  expect(dispatch.slotsFor('worker', 1)).toEqual([])
  dispatch.free('worker')
  await turn()
  expect(free).toEqual([])
})
