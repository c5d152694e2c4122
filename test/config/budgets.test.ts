import { expect, test } from 'vitest'
import { parseConfig, type SwarmConfig } from '../../src/config/config.ts'
import type { Failure } from '../../src/std/std.ts'

const upstreams = {
  llm: { url: 'https://llm.test', allow: ['POST /v1/**'], cost: { call: '0.01 USD' } },
  free: { url: 'https://free.test', allow: ['GET /v1/**'] },
}
const parsed = (budgets: object): SwarmConfig =>
  parseConfig({ name: 'small', agents: { writer: { run: { module: '/a.ts' } } }, upstreams, budgets }, '/swarm')
const errorsOf = (budgets: object): string => {
  try {
    parsed(budgets)
  } catch (error) {
    return (error as Failure).message
  }
  return 'taken'
}

test('Little need be said of a budget', () => {
  const { budgets } = parsed({ hourly: { per: 'agent', spend: '2.00 USD', every: '1h' } })
  expect(budgets['hourly']).toEqual({
    name: 'hourly',
    per: 'agent',
    spend: { pico: 2_000_000_000_000n, currency: 'USD' },
    everyMs: 3_600_000,
    warn: 0.8,
    types: [],
    upstreams: [],
  })
})

test('A budget that nothing would ever count in is refused, and so is what it cannot be', () => {
  const base = { per: 'agent', spend: '2.00 USD', every: '1h' }
  expect(errorsOf({ one: { ...base, spend: '2.00 EUR' } })).toMatch(/currency in which nothing costs anything/)
  expect(errorsOf({ one: { ...base, upstreams: ['free'] } })).toMatch(/upstream without a price in USD/)
  expect(errorsOf({ one: { ...base, upstreams: ['lm'] } })).toMatch(/did you mean "llm"/)
  expect(errorsOf({ one: { ...base, types: ['writr'] } })).toMatch(/did you mean "writer"/)
  expect(errorsOf({ one: { ...base, spend: '0 USD' } })).toMatch(/more than nothing/)
  expect(errorsOf({ one: { ...base, spend: 2 } })).toMatch(/budgets\.one\.spend/)
  expect(errorsOf({ one: { ...base, every: '500ms' } })).toMatch(/a duration/)
  expect(errorsOf({ one: { ...base, per: 'task' } })).toMatch(/budgets\.one\.per/)
})
