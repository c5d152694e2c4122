/** Why a process is silent: from its own time, never from the clock on the wall alone. */
import { expect, test } from 'vitest'
import { isExcused, whySilent, type SilenceFacts } from '../../../src/fleet/silence/decide.ts'
import { spentBetween, type Effort, type Spent } from '../../../src/std/std.ts'

const spent = (ranMs: number, waitedMs: number, state = 'S', spanMs = 1_000): Spent => ({
  spanMs,
  ranMs,
  waitedMs,
  sleptMs: spanMs - ranMs - waitedMs,
  state,
})
const facts = (change: Partial<SilenceFacts> & { readonly spent?: Spent | undefined }): SilenceFacts => ({
  answersForMs: 500,
  state: change.spent?.state,
  exists: true,
  cores: 1,
  stalled: null,
  seesItself: true,
  spent: undefined,
  ...change,
})

test.each([
  ['one that sleeps all the time hangs', facts({ spent: spent(1, 0) }), 'hung'],
  ['one that burnt its time is in a loop', facts({ spent: spent(980, 10, 'R') }), 'looping'],
  ['a loop that got half of its time is a loop still', facts({ spent: spent(500, 500, 'R') }), 'looping'],
  ['one that waited for a processor is starved', facts({ spent: spent(12, 950, 'R') }), 'starved'],
  ['one that never ran and never waited was stopped, when it is', facts({ spent: spent(0, 0, 'T') }), 'stopped'],
  [
    'one that waits for the disk of a host that waits is starved',
    facts({ spent: spent(0, 0, 'D'), stalled: { memory: 0.4, cpu: null, io: 0 } }),
    'starved',
  ],
  [
    'one that waits for the disk of a host that does not hangs',
    facts({ spent: spent(0, 0, 'D'), stalled: { memory: 0, cpu: 0, io: 0.01 } }),
    'hung',
  ],
  [
    'a loop that its own limit holds back answers for what it may use',
    facts({ spent: spent(50, 950, 'R'), cores: 0.05 }),
    'looping',
  ],
  ['one whose process is gone is gone', facts({ exists: false }), 'gone'],
  ['one that cannot be seen is judged by its silence alone', facts({}), 'unseen'],
  ['a sitter that does not see itself blames nobody', facts({ seesItself: false, exists: false }), 'disarmed'],
] as const)('%s', (_title, given, verdict) => {
  expect(whySilent(given)).toBe(verdict)
})

test('Starved and disarmed are the only excuses', () => {
  const all = ['looping', 'hung', 'stopped', 'gone', 'unseen', 'starved', 'disarmed'] as const
  expect(all.filter(isExcused)).toEqual(['starved', 'disarmed'])
})

const effort = (threads: Record<number, [string, number, number | null]>, startTime = '7'): Effort => ({
  startTime,
  state: threads[1]![0],
  threads: new Map(
    Object.entries(threads).map(([id, [state, ranMs, waitedMs]]) => [Number(id), { state, ranMs, waitedMs }]),
  ),
})

test('What a process did is what its thread did that wanted to run most', () => {
  const before = effort({ 1: ['S', 100, 50], 2: ['S', 10, 10] })
  expect(spentBetween(before, effort({ 1: ['S', 101, 50], 2: ['R', 60, 900] }), 1_000)).toEqual({
    spanMs: 1_000,
    ranMs: 50,
    waitedMs: 890,
    sleptMs: 60,
    state: 'S',
  })
})

test('A thread that its group holds back is in no queue, and waits all the same', () => {
  expect(spentBetween(effort({ 1: ['R', 100, null] }), effort({ 1: ['R', 120, null] }), 1_000)).toMatchObject({
    ranMs: 20,
    waitedMs: 980,
    sleptMs: 0,
  })
})

test('Another process with the same number says nothing about the one before', () => {
  const thread = { 1: ['S', 1, 1] } as Record<number, [string, number, number]>
  expect(spentBetween(effort(thread), effort(thread, '8'), 1_000)).toBeUndefined()
})
