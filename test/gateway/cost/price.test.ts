import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseConfig } from '../../../src/config/config.ts'
import { chargeOf, costText, mostOf, openPrice, type OpenPrice } from '../../../src/gateway/cost/price.ts'
import type { Usage } from '../../../src/gateway/cost/usage.ts'
import type { AnswerClass } from '../../../src/model/model.ts'
import { formatCost } from '../../../src/std/std.ts'

const priced = (cost: object): OpenPrice => {
  const upstream = { url: 'https://llm.test', allow: ['POST /v1/**', 'GET /v1/**'], profile: 'anthropic', cost }
  const raw = { name: 'small', agents: { one: { run: { module: '/a.ts' } } }, upstreams: { llm: upstream } }
  return openPrice(parseConfig(raw, '/swarm').upstreams['llm']!.price)!
}
const ask = (method: string, path: string) => ({ method, segments: path.split('/').slice(1) })
const messages = ask('POST', '/v1/messages')
const usageOf = (more: Partial<Usage> = {}): Usage => ({
  model: 'claude-sonnet',
  input: 0,
  output: 0,
  cacheRead: 0,
  cacheWrite: 0,
  ...more,
})
const ended = (usage?: Usage, of: AnswerClass | null = 'succeeded', answered = true) => ({ usage, class: of, answered })

const tokens = {
  match: ['POST /v1/messages'],
  input: '3.00 USD',
  output: '15.00 USD',
  cacheRead: '0.30 USD',
  cacheWrite: '3.75 USD',
  models: { 'claude-haiku*': { input: '0.25 USD', output: '1.25 USD' } },
  most: '0.50 USD',
}

test('A flat price is owed by whatever was sent; by weight, the first pattern that fits counts', () => {
  const flat = priced({ call: '0.01 XTS' })
  expect(costText(chargeOf(flat, messages, ended(undefined, 'unknown', false)).cost)).toBe('0.01 XTS')
  const weighed = priced({ call: '0.01 USD', weight: '0.0001 USD', weights: { 'GET /v1/orders': 20 } })
  expect(costText(chargeOf(weighed, ask('GET', '/v1/orders'), ended()).cost)).toBe('0.012 USD')
  expect(costText(chargeOf(weighed, messages, ended()).cost)).toBe('0.0101 USD')
})

test('Tokens are charged at the rates of the model that the answer names', () => {
  const price = priced({ tokens })
  const usage = usageOf({ input: 1_000, output: 100, cacheRead: 10, cacheWrite: 1 })
  expect(costText(chargeOf(price, messages, ended(usage)).cost)).toBe('0.00450675 USD')
  const small = usageOf({ model: 'claude-haiku-4-5', input: 1, output: 1 })
  expect(costText(chargeOf(price, messages, ended(small)).cost)).toBe('0.0000015 USD')
  // What tells no tokens by its route costs none.
  expect(costText(chargeOf(price, ask('GET', '/v1/models'), ended()).cost)).toBe('0.00 USD')
})

test('An answer that does not tell is of unknown cost and counts as the most; one that proves nothing was done is free', () => {
  const price = priced({ call: '0.01 USD', tokens })
  const open = { cost: 'unknown', counted: mostOf(price, messages) }
  expect(formatCost(open.counted)).toBe('0.51 USD')
  expect(chargeOf(price, messages, ended())).toEqual(open)
  expect(chargeOf(price, messages, ended(undefined, 'unknown'))).toEqual(open)
  expect(chargeOf(price, messages, ended(usageOf({ input: 5 }), 'succeeded', false)), 'cut').toEqual(open)
  for (const of of ['limited', 'credential', 'permanent', 'funds', 'transient'] as const)
    expect(costText(chargeOf(price, messages, ended(undefined, of)).cost), of).toBe('0.01 USD')
  // A model without a price is no guess at another's.
  const strict = priced({ tokens: { models: tokens.models, most: '1 USD' } })
  expect(chargeOf(strict, messages, ended(usageOf({ input: 5 }))).cost).toBe('unknown')
})

test('The cost of any usage is the sum of its exact parts', () => {
  const price = priced({ tokens })
  const count = fc.integer({ min: 0, max: 1_000_000_000 })
  fc.assert(
    fc.property(count, count, count, count, (input, output, cacheRead, cacheWrite) => {
      const { counted } = chargeOf(price, messages, ended(usageOf({ input, output, cacheRead, cacheWrite })))
      // Ten-thousandths of a cent per million tokens, as whole numbers.
      const parts = [30_000n * BigInt(input), 150_000n * BigInt(output), 3_000n * BigInt(cacheRead)]
      const sum = [...parts, 37_500n * BigInt(cacheWrite)].reduce((total, part) => total + part, 0n)
      expect(counted.pico).toBe(sum * 100n)
    }),
  )
})

test('Prices that cannot be exact, or are of two currencies, or have no place in answers, are refused', () => {
  const refused = (cost: object, more: object = {}): unknown => {
    const upstream = { url: 'https://llm.test', allow: ['POST /v1/**'], profile: 'anthropic', cost, ...more }
    const raw = { name: 'small', agents: { one: { run: { module: '/a.ts' } } }, upstreams: { llm: upstream } }
    return () => parseConfig(raw, '/swarm')
  }
  expect(refused({ tokens: { ...tokens, input: '3.0000001 USD' } })).toThrow(/at most 6 fraction digits/)
  expect(refused({ call: '0.01 EUR', tokens })).toThrow(/amounts of one currency/)
  expect(refused({})).toThrow(/at least one of call, weight and tokens/)
  expect(refused({ tokens: { input: '1 USD', most: '1 USD' } })).toThrow(/input and output together/)
  expect(refused({ tokens: { ...tokens, most: undefined } })).toThrow(/tokens\.most/)
  expect(refused({ tokens }, { profile: 'stripe' })).toThrow(/answers tell tokens \("openai" or "anthropic"\)/)
})
