/** What the gate puts off is no try: the task waits in the record, and comes back from there. */
import { expect, test } from 'vitest'
import { execEnding } from '../../src/cell/process/verdict.ts'
import { seeded } from '../../src/std/std.ts'
import { openWork } from '../../src/work/work.ts'
import { waitFor, waitUntil } from '../../src/work/waits.ts'
import { asks, done, fail, settle, world } from './world.ts'

const error = (more: object = {}) => ({ name: 'E', message: 'no', ...more })

test('Which refusals of the gate are waits, and for what', () => {
  expect(waitFor(error({ code: 'limited', status: 429 }))).toBe('rate')
  expect(waitFor(error({ code: 'breaker-open', status: 503 }))).toBe('retry')
  expect(waitFor(error({ code: 'budget-spent', status: 429 }))).toBe('quota')
  expect(waitFor(error({ code: 'limited', kind: 'transient' }))).toBe('rate')
  expect(waitFor(error({ code: 'credential-unavailable', status: 503 }))).toBe('credential')
  expect(waitFor(error({ code: 'audit-behind', status: 503 }))).toBe('maintenance')
  // The agent says that it is one of its own, or that no other time will help.
  expect(waitFor(error({ code: 'limited', kind: 'permanent' }))).toBeUndefined()
  expect(waitFor(error({ code: 'upstream-unreachable', status: 503 }))).toBeUndefined()
  expect(waitFor(error({ code: 'constructor' }))).toBeUndefined()
  expect(waitFor(error({ status: 429 }))).toBeUndefined()
})

test('A program of one process a task hands on what the gate said on its stdout', () => {
  const output = Buffer.from(JSON.stringify({ error: { code: 'limited', retryAfterMs: 7_000 } }))
  const end = { code: 75, signal: null }
  const ending = execEnding({ end, output, tooMuch: false, errors: '', stopped: null })
  if (ending.method !== 'fail') throw new Error('it failed')
  expect(waitFor(ending.params.error)).toBe('rate')
  expect(ending.params.error.retryAfterMs).toBe(7_000)
  const permanent = execEnding({ end: { ...end, code: 65 }, output, tooMuch: false, errors: '', stopped: null })
  expect(permanent.method === 'fail' && waitFor(permanent.params.error)).toBeUndefined()
})

test('It is never looked at again before the time that was told, and those who were told the same come apart', () => {
  const random = seeded(4)
  const times = Array.from({ length: 100 }, () => waitUntil(1_000, 10_000, random))
  expect(Math.min(...times)).toBeGreaterThanOrEqual(11_000)
  expect(Math.max(...times)).toBeLessThanOrEqual(13_000)
  expect(new Set(times).size).toBeGreaterThan(90)
  expect(waitUntil(0, 1e12, random)).toBeLessThanOrEqual(4_500_000)
  expect(waitUntil(0, undefined, random)).toBeGreaterThanOrEqual(5_000)
})

test('A task that is put off a hundred times spends no try, holds no agent, and keeps why', async () => {
  const at = await world(1)
  await at.work.submit(asks(1))
  for (let count = 0; count < 100; count += 1) {
    await at.clock.move(0)
    const one = at.given.at(-1)!
    expect(one.number).toBe(1)
    await fail(at, one, { code: 'limited', status: 429, retryAfterMs: 3_000 })
    expect(at.given).toHaveLength(count + 1)
    const task = (await at.store.read.task(one.task))!
    expect(task.state).toMatchObject({ state: 'waiting', reason: 'rate' })
    const { untilMs } = task.state as { untilMs: number }
    expect(untilMs - at.clock.wallMs()).toBeGreaterThanOrEqual(3_000)
    at.idle.push(one.agent)
    await at.clock.move(2_999)
    expect(at.given).toHaveLength(count + 1)
    await at.clock.move(700)
  }
  const last = at.given.at(-1)!
  expect(await at.store.read.attempt(at.given[0]!.attempt)).toMatchObject({
    outcome: 'interrupted',
    error: { code: 'limited' },
  })
  await done(at, last)
  expect((await at.store.read.task(last.task))!.state.state).toBe('succeeded')
})

test('Nobody has to remember it: a new sitter finds the time in the record', async () => {
  const at = await world(1)
  await at.work.submit(asks(1))
  await at.clock.move(0)
  const one = at.given[0]!
  await fail(at, one, { code: 'breaker-open', status: 503, retryAfterMs: 5_000 })
  expect((await at.store.read.task(one.task))!.state).toMatchObject({ state: 'waiting', reason: 'retry' })
  await at.work.stop()
  const opening = { owner: 'here', bootId: 'b', wallMs: at.clock.wallMs() }
  await at.store.transact([{ kind: 'host.open', with: opening }])
  const given: string[] = []
  const next = openWork({
    tasks: { settle },
    store: at.store,
    clock: at.clock,
    random: seeded(1),
    newId: () => 'x',
    owner: 'here',
    epoch: 2,
    fleet: {
      take: (_, count) => (given.length === 0 && count > 0 ? [{ agent: 'settler/0009', cell: 'c', epoch: 1 }] : []),
      freeCount: () => 1,
      release: () => {},
      run: (runs) => {
        given.push(...runs.map(({ task }) => task))
      },
      cancel: () => {},
      asleep: () => 0,
      want: () => {},
    },
    waitsOutside: () => false,
    failed: (failed) => {
      throw failed
    },
  })
  next.start()
  await at.clock.move(4_900)
  expect(given).toEqual([])
  await at.clock.move(1_200)
  expect(given).toEqual([one.task])
})
