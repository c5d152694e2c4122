import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openBudgets, placesOf, type Reservation, type SavedSum } from '../../../src/gateway/cost/budgets.ts'
import type { Budget } from '../../../src/model/model.ts'
import { handClock } from '../../limit/clock.ts'

const hourMs = 3_600_000
const usd = (pico: bigint) => ({ pico, currency: 'USD' })
const budgetOf = (more: Partial<Budget> = {}): Budget => ({
  name: 'hourly',
  per: 'agent',
  spend: usd(100n),
  everyMs: hourMs,
  warn: 0.8,
  types: [],
  upstreams: [],
  ...more,
})
const one = { agent: 'writer/0001', upstream: 'llm' }
const two = { agent: 'writer/0002', upstream: 'llm' }

const reserved = (found: unknown): Reservation => {
  expect(found).toHaveProperty('places')
  return found as Reservation
}

test('What is spent and reserved never passes the budget by more than one call, however calls come and end', () => {
  const ask = fc.record({ do: fc.constant('ask' as const), most: fc.bigInt(1n, 30n), agent: fc.constantFrom(one, two) })
  const end = fc.record({ do: fc.constant('end' as const), which: fc.nat(), part: fc.integer({ min: 50, max: 100 }) })
  const step = fc.oneof(
    { weight: 20, arbitrary: ask },
    { weight: 15, arbitrary: end },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('drop' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: hourMs }) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { minLength: 50, maxLength: 200 }), (steps) => {
      const clock = handClock()
      const budgets = openBudgets(clock, [budgetOf()])
      const open: { at: number; agent: string; reservation: Reservation }[] = []
      /** By window and agent, as an upstream would count. */
      const spent = new Map<string, bigint>()
      let largest = 0n
      for (const now of steps) {
        if (now.do === 'wait') clock.advance(now.ms)
        else if (now.do === 'ask') {
          const found = budgets.reserve(now.agent, usd(now.most), false)
          if ('why' in found) continue
          largest = now.most > largest ? now.most : largest
          open.push({ at: Math.floor(clock.wallMs() / hourMs), agent: now.agent.agent, reservation: found })
        } else if (open.length > 0) {
          const [call] = open.splice(now.which % open.length, 1)
          if (now.do === 'drop') budgets.release(call!.reservation)
          else {
            const cost = (call!.reservation.most.pico * BigInt(now.part)) / 100n
            budgets.settle(call!.reservation, usd(cost))
            const key = `${call!.at} ${call!.agent}`
            spent.set(key, (spent.get(key) ?? 0n) + cost)
          }
        }
      }
      for (const sum of spent.values()) expect(sum).toBeLessThan(100n + largest)
    }),
  )
})

test('All of a budget can be spent, and the next call is refused until its window is over', () => {
  const clock = handClock()
  const budgets = openBudgets(clock, [budgetOf()])
  for (let at = 0; at < 10; at += 1) budgets.settle(reserved(budgets.reserve(one, usd(10n), false)), usd(10n))
  expect(budgets.look(one, usd(10n))).toMatchObject({ why: 'spent', place: { owner: 'writer/0001' } })
  expect(budgets.look(two, usd(10n)), 'others are unaffected').toBeUndefined()
  expect(budgets.look(one, usd(0n)), 'what is free is free').toBeUndefined()
  expect(budgets.standing(10)).toMatchObject([{ owner: 'writer/0001', spent: 100n }])
  clock.advance(hourMs)
  expect(budgets.look(one, usd(10n))).toBeUndefined()
  expect(budgets.standing(10)).toEqual([])
})

test('What is left may be reserved by calls under way; when they cost less it is free again', () => {
  const budgets = openBudgets(handClock(), [budgetOf()])
  const first = reserved(budgets.reserve(one, usd(60n), false))
  reserved(budgets.reserve(one, usd(60n), false))
  expect(budgets.reserve(one, usd(1n), false)).toMatchObject({ why: 'reserved' })
  budgets.settle(first, usd(5n))
  reserved(budgets.reserve(one, usd(1n), false))
  // Asking what became of a payment is never refused, and counts.
  budgets.settle(reserved(budgets.reserve(one, usd(500n), true)), usd(500n))
  expect(budgets.look(one, usd(1n))).toMatchObject({ why: 'spent' })
})

test('A call that ends after its window counts in none of the next, and a clock set back begins none anew', () => {
  const clock = handClock()
  const budgets = openBudgets(clock, [budgetOf()])
  const late = reserved(budgets.reserve(one, usd(90n), false))
  clock.advance(hourMs)
  budgets.settle(reserved(budgets.reserve(one, usd(50n), false)), usd(50n))
  budgets.settle(late, usd(90n))
  expect(budgets.look(one, usd(1n))).toBeUndefined()
  budgets.settle(reserved(budgets.reserve(one, usd(50n), false)), usd(50n))
  clock.jump(-hourMs)
  expect(budgets.look(one, usd(1n))).toMatchObject({ why: 'spent' })
})

test('Whose calls count, and for whom, by agent, type, upstream and swarm', () => {
  const budgets = [
    budgetOf(),
    budgetOf({ name: 'type', per: 'type', types: ['writer'] }),
    budgetOf({ name: 'upstream', per: 'upstream', upstreams: ['llm'] }),
    budgetOf({ name: 'swarm', per: 'swarm' }),
    budgetOf({ name: 'euros', per: 'swarm', spend: { pico: 1n, currency: 'EUR' } }),
  ]
  const owners = (agent: string | null, upstream: string): string[] =>
    placesOf(budgets, { agent, upstream }, usd(1n), 0).map(({ budget, owner }) => `${budget.name}: ${owner}`)
  expect(owners('writer/0001', 'llm')).toEqual(['hourly: writer/0001', 'type: writer', 'upstream: llm', 'swarm: swarm'])
  expect(owners('reader/0001', 'maps')).toEqual(['hourly: reader/0001', 'swarm: swarm'])
  expect(owners(null, 'llm')).toEqual(['upstream: llm', 'swarm: swarm'])
})

test('Another configuration forgets nothing that was spent, and a restart goes on with what was saved', () => {
  const clock = handClock()
  const budgets = openBudgets(clock, [budgetOf()])
  budgets.settle(reserved(budgets.reserve(one, usd(90n), false)), usd(90n))
  budgets.take([])
  expect(budgets.look(one, usd(50n))).toBeUndefined()
  budgets.take([budgetOf({ spend: usd(90n) })])
  expect(budgets.look(one, usd(1n))).toMatchObject({ why: 'spent' })
  const windowMs = Math.floor(clock.wallMs() / hourMs) * hourMs
  const saved: SavedSum[] = [
    { budget: 'hourly', owner: 'writer/0001', windowMs, spent: 100n },
    { budget: 'hourly', owner: 'writer/0002', windowMs: windowMs - hourMs, spent: 100n },
  ]
  const next = openBudgets(clock, [budgetOf()], saved)
  expect(next.look(one, usd(1n))).toMatchObject({ why: 'spent' })
  expect(next.look(two, usd(1n))).toBeUndefined()
  expect(next.standing(10)).toMatchObject([{ owner: 'writer/0001' }])
  // The clock was set back over the hour while no gate ran.
  clock.jump(-hourMs)
  expect(openBudgets(clock, [budgetOf()], saved).look(one, usd(1n))).toMatchObject({ why: 'spent' })
})
