import { expect, test } from 'vitest'
import type { Spent } from '../../../src/fleet/modes/port.ts'
import { parksOf, sameParks, tellingOf } from '../../../src/fleet/modes/spent.ts'

const spent = (more: Partial<Spent> = {}): Spent => ({
  per: 'agent',
  owner: 'payer/0001',
  budget: 'hourly',
  spent: '2.01 USD',
  most: '2.00 USD',
  endsMs: 3_600_000,
  ...more,
})
const none = new Map()

test('Who has spent all is parked until the last of its windows is over, since when it first was', () => {
  const first = parksOf([spent()], none, 1_000)
  const later = parksOf([spent({ budget: 'daily', endsMs: 86_400_000 }), spent({ spent: '2.05 USD' })], first, 2_000)
  expect([...later.values()]).toEqual([
    {
      target: 'agent:payer/0001',
      source: 'budget',
      mode: 'parked',
      reason: '2.01 USD of 2.00 USD spent, budget daily',
      actor: 'rule:budget',
      sinceMs: 1_000,
      exit: { kind: 'time', at: 86_400_000, what: 'the next window of its budget begins' },
    },
  ])
  expect(sameParks(first, parksOf([spent({ spent: '2.05 USD' })], first, 2_000))).toBe(true)
  expect(sameParks(first, later)).toBe(false)
  expect(
    parksOf([spent({ per: 'type', owner: 'payer' })], none, 0)
      .keys()
      .next().value,
  ).toBe('type:payer')
})

test('Each step is recorded once, down and up, in events and audit', () => {
  const parks = parksOf([spent()], none, 1_000)
  const kinds = (before: typeof parks, after: typeof parks): unknown[] =>
    tellingOf(before, after, 1_000).map((command) =>
      command.kind === 'events.add'
        ? command.with.events.map(({ kind, subject }) => [kind, subject])
        : command.kind === 'audit.append' && command.with.entries.map(({ action, object }) => [action, object]),
    )
  expect(kinds(none, parks)).toEqual([
    [['mode.stepped-down', 'payer/0001']],
    [['mode.stepped-down', 'agent:payer/0001']],
  ])
  expect(kinds(parks, none)).toEqual([[['mode.stepped-up', 'payer/0001']], [['mode.stepped-up', 'agent:payer/0001']]])
  expect(tellingOf(parks, parks, 1_000)).toEqual([])
})
