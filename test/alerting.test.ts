/** What wakes people: a table of what can be wrong, each one incident with its key, and nothing while nothing is. */
import { expect, test } from 'vitest'
import { conditionsOf } from '../src/alerting.ts'
import type { ModeSetting } from '../src/fleet/fleet.ts'
import { rooms, type Wrong } from './worlds/alerting.ts'
import { movedClock } from './worlds/clock.ts'

const nowMs = 1_000_000_000
const minute = 60_000
const told = async (wrong: Wrong): Promise<readonly string[]> =>
  (await conditionsOf(rooms({ clock: movedClock(nowMs), ...wrong }))()).map(({ key, severity }) => `${severity} ${key}`)

const cause = { key: 'exit code 1', cause: 'exit code 1', waiting: 12, failures: 1, trying: [], nextMs: nowMs }
const rule = (target: string, mode: ModeSetting['mode']): ModeSetting =>
  ({ target, mode, source: 'rule', reason: 'it fails', sinceMs: 1, exit: {} }) as unknown as ModeSetting
const breaker = (openMs: number, failedProbes: number) =>
  ({
    endpoint: 'GET /v1',
    credential: null,
    state: 'open',
    sinceMs: nowMs - openMs,
    nextProbeMs: nowMs,
    failedProbes,
  }) as const
const rolling = { type: 'settler', held: 'the new ones die', done: 1, total: 10, why: 'config' }
const group = { group: 'desk', agents: 'settler/1-2', count: 2, byType: { settler: 2 }, nextMs: 1 }
const freeze = { actor: 'ada', reason: 'odd payments', atMs: 1 }

test.each<[string, Wrong, readonly string[]]>([
  ['nothing is wrong', {}, []],
  ['many died of one cause', { summary: { held: [cause] as never } }, ['critical restarts/faaba62b']],
  [
    'many died of two causes',
    { summary: { held: [cause, { ...cause, key: 'other' }] as never } },
    ['critical restarts/faaba62b', 'critical restarts/d9298a10'],
  ],
  ['a rolling restart is held', { summary: { rolling: [rolling] as never } }, ['critical rolling/settler']],
  ['one goes on', { summary: { rolling: [{ ...rolling, held: null }] as never } }, []],
  [
    'a group is in quarantine, and its agents with it',
    { summary: { groupsHeld: [group] as never, byType: { settler: { quarantined: 2, idle: 8 } } } },
    ['critical group/desk'],
  ],
  [
    'a type waits too long for another',
    { summary: { waiting: [{ type: 'clerk', why: 'waits for settler', sinceMs: 1, late: true }] as never } },
    ['warning start/clerk'],
  ],
  [
    'a type waits for another',
    { summary: { waiting: [{ type: 'clerk', why: 'waits for settler', sinceMs: 1, late: false }] as never } },
    [],
  ],
  [
    'the host is short',
    { summary: { admission: { short: { sinceMs: 1, why: 'memory' }, reading: null, startsWaiting: 3 } } },
    ['warning host-short'],
  ],
  ['few are quarantined', { summary: { byType: { settler: { quarantined: 4 } } } }, ['warning agents/settler']],
  ['half are quarantined', { summary: { byType: { settler: { quarantined: 5 } } } }, ['critical agents/settler']],
  [
    'agents of a type stepped down',
    { modes: [rule('agent:settler/0001', 'throttled'), rule('agent:settler/0002', 'parked')] },
    ['critical modes/agents:settler'],
  ],
  ['a channel stepped down', { modes: [rule('channel:bank', 'throttled')] }, ['warning modes/channel:bank']],
  ['a person set a mode', { modes: [{ ...rule('swarm', 'parked'), source: 'person' } as never] }, []],
  ['the swarm is frozen', { file: freeze as never }, ['warning frozen']],
  ['nobody can read whether it is', { file: 'unreadable' }, ['warning frozen']],
  ['the gate is away', { gateId: null }, ['critical gate']],
  ['the disk is full', { fullSinceMs: 1 }, ['critical record-full']],
  ['the gate cannot write its journal', { journalRefuses: true }, ['critical gate-journal']],
  ['payments wait for a person', { persons: 2 }, ['warning payments/person']],
  [
    'a payment is unknown for long',
    { unknown: { count: 1, oldest: 'stl_1', sinceMs: nowMs - 15 * minute } },
    ['critical payments/unknown'],
  ],
  ['a payment is unknown', { unknown: { count: 1, oldest: 'stl_1', sinceMs: nowMs - minute } }, []],
  ['there are dead letters', { dead: 3 }, ['warning dead-letters/pay']],
  ['a breaker opened', { breakers: [breaker(minute, 3)] }, []],
  ['a breaker is open that nobody has tried again', { breakers: [breaker(60 * minute, 0)] }, []],
  ['a breaker does not close', { breakers: [breaker(5 * minute, 3)] }, ['warning breakers/bank']],
  [
    'breakers do not close for long',
    { breakers: [breaker(6 * minute, 4), breaker(16 * minute, 7)] },
    ['critical breakers/bank'],
  ],
  ['the sitter died twice', { deaths: [nowMs, nowMs - minute] }, []],
  ['it died three times, over hours', { deaths: [nowMs, nowMs - minute, nowMs - 11 * minute] }, []],
  ['it died three times', { deaths: [nowMs, nowMs - minute, nowMs - 9 * minute] }, ['critical sitter-restarts']],
])('%s', async (_what, wrong, keys) => {
  expect(await told(wrong)).toEqual(keys)
})

test('A sitter that dies again and again is told with whom it dies, and how they are kept out', async () => {
  const deaths = [nowMs, nowMs - 1_000, nowMs - 2_000]
  const ask = (count: number) =>
    conditionsOf(
      rooms({ clock: movedClock(nowMs), deaths, summary: { suspects: { agents: 'settler/0007', count } } }),
    )()
  const [one] = await ask(1)
  expect([one!.title, one!.proposed]).toEqual([
    'the sitter died 3 times within 10 minutes, each time just after settler/0007 had begun',
    expect.stringContaining('sitter quarantine settler/0007 keeps it out'),
  ])
  const [many] = await ask(2)
  expect(many!.proposed).toContain('sitter logs sitter --level error')
})

test('A sitter that lives on is no incident any more after ten minutes', async () => {
  const clock = movedClock(nowMs)
  const ask = conditionsOf(rooms({ clock, deaths: [nowMs, nowMs, nowMs] }))
  expect((await ask()).length).toBe(1)
  await clock.move(10 * minute)
  expect(await ask()).toEqual([])
})
