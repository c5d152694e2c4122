import { expect, test } from 'vitest'
import type { Spent } from '../../../src/fleet/modes/port.ts'
import { parksOf, sameParks, stepsOf } from '../../../src/fleet/modes/spent.ts'

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

test('Each is told when it is parked and when it comes back, and not in between', () => {
  const parks = parksOf([spent()], none, 1_000)
  expect(stepsOf(none, parks)).toMatchObject([
    { target: 'agent:payer/0001', from: 'active', to: 'parked', isDown: true },
  ])
  expect(stepsOf(parks, none)).toMatchObject([
    { target: 'agent:payer/0001', from: 'parked', to: 'active', isDown: false },
  ])
  expect(stepsOf(parks, parks)).toEqual([])
})
