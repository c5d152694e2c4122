import { expect, test } from 'vitest'
import type { Modes } from '../src/fleet/fleet.ts'
import type { BudgetStanding, Standing } from '../src/gatelink/gatelink.ts'
import { budgetConditions, costIn, openSpending } from '../src/spending.ts'
import { VirtualClock } from './fleet/clock.ts'

const one = (more: Partial<BudgetStanding> = {}): BudgetStanding => ({
  budget: 'hourly',
  per: 'agent',
  owner: 'writer/0001',
  state: 'spent',
  spent: '2.00 USD',
  most: '2.00 USD',
  endsMs: Date.parse('2026-01-01T11:00:00Z'),
  ...more,
})

test('A budget is one incident, however many have spent theirs; what many share is worse', () => {
  const [agents, swarm] = budgetConditions([
    one(),
    one({ owner: 'writer/0002' }),
    one({ owner: 'writer/0003', state: 'warned', spent: '1.70 USD' }),
    one({ budget: 'all', per: 'swarm', owner: 'swarm' }),
  ])
  expect(agents).toMatchObject({
    key: 'budgets/hourly',
    severity: 'warning',
    title: 'budget hourly: writer/0001 (and 1 more) has spent 2.00 USD of 2.00 USD, until 2026-01-01T11:00:00.000Z',
    facts: { spent: 2, warned: 1 },
  })
  expect(swarm).toMatchObject({ key: 'budgets/all', severity: 'critical' })
  expect(budgetConditions([one({ per: 'swarm', state: 'warned' })])).toMatchObject([{ severity: 'warning' }])
})

test('What the gate says holds; while it is away, what it said last holds until its window is over', async () => {
  const clock = new VirtualClock()
  const parked: string[][] = []
  const gate = { gateId: 'gat_1' as string | null, says: { budgets: [], repeats: [] } as Standing }
  const spending = openSpending({
    gatelink: {
      get gateId() {
        return gate.gateId
      },
      standing: async () => gate.says,
      costs: async () => Promise.reject(new Error('nothing has a price')),
    },
    modes: {
      spent: (spent: Parameters<Modes['spent']>[0]) => void parked.push(spent.map(({ owner }) => owner)),
      repeating: () => {},
    },
    config: { upstreams: {} },
    clock,
    onFault: (error) => {
      throw error
    },
  })
  const looked = async (): Promise<string[] | undefined> => {
    await clock.advance(1_000)
    await clock.settle()
    return parked.at(-1)
  }
  const endsMs = clock.wallMs() + 10_000
  gate.says = {
    repeats: [],
    budgets: [
      one({ endsMs }),
      one({ owner: 'writer/0002', state: 'warned', endsMs }),
      one({ per: 'swarm', owner: 'swarm', endsMs }),
      one({ per: 'type', owner: 'reader', endsMs }),
    ],
  }
  // What all share is refused by the gate; those who spend nothing go on.
  expect(await looked()).toEqual(['writer/0001', 'reader'])
  gate.gateId = null
  expect(await looked()).toEqual(['writer/0001', 'reader'])
  expect(spending.conditions()).toHaveLength(1)
  await clock.advance(10_000)
  expect(await looked()).toEqual([])
  expect(spending.conditions()).toEqual([])
  spending.stop()
})

test('What an agent has cost is told with its beginning; who is not among all that were read cost nothing', () => {
  const usd = { currency: 'USD', cost: '0.0123', counted: '0.51', calls: 3, unknown: 1 }
  const costs = {
    fromMs: Date.parse('2026-01-01T09:00:00Z'),
    byAgent: new Map([['writer/0001', [usd, { ...usd, currency: 'EUR', unknown: 0 }]]]),
    isWhole: true,
  }
  expect(costIn(costs, 'writer/0001')).toBe('0.0123 USD and of 1 calls unknown + 0.0123 EUR since 09:00 UTC')
  expect(costIn(costs, 'writer/0002')).toBe('nothing since 09:00 UTC')
  expect(costIn({ ...costs, isWhole: false }, 'writer/0002')).toBeNull()
})

test('Costs are read page by page, seldom, and are not known any more when the gate is away for long', async () => {
  const clock = new VirtualClock()
  const asked: number[] = []
  const gate = { gateId: 'gat_1' as string | null }
  const sum = { currency: 'USD', cost: '0.01', counted: '0.01', calls: 1, unknown: 0 }
  const spending = openSpending({
    gatelink: {
      get gateId() {
        return gate.gateId
      },
      standing: async () => ({ budgets: [], repeats: [] }),
      costs: async ({ offset, limit }) => {
        asked.push(offset)
        const items = Array.from({ length: limit }, (_, at) => ({ owner: `writer/${offset + at}`, ...sum }))
        return { fromMs: 0, totals: [], items, more: offset < 1_000 }
      },
    },
    modes: { spent: () => {}, repeating: () => {} },
    config: { upstreams: { llm: { price: {} } } } as never,
    clock,
    onFault: (error) => {
      throw error
    },
  })
  expect(spending.costOf('writer/1500')).toBeNull()
  for (let second = 0; second < 20; second += 1) {
    await clock.advance(1_000)
    await clock.settle()
  }
  expect(asked).toEqual([0, 1_000])
  expect(spending.costOf('writer/1500')).toBe('0.01 USD since 00:00 UTC')
  gate.gateId = null
  await clock.advance(400_000)
  expect(spending.costOf('writer/1500')).toBeNull()
  spending.stop()
})
