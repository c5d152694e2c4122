import { expect, test } from 'vitest'
import { addSettlement, json, openHouse } from './house.ts'

const sum = { currency: 'USD', cost: '0.0123', counted: '0.51', calls: 3, unknown: 1 }

test('what calls have cost is told by type of the last day, and in pages by others', async () => {
  await using house = await openHouse()
  const answer = await json(await house.call('/api/v1/costs?limit=2'))
  expect(answer).toMatchObject({
    by: 'type',
    fromMs: 1_000,
    totals: [sum],
    budgets: [],
    items: [
      { owner: 'writer', ...sum },
      { owner: 'reader', ...sum },
    ],
  })
  const { next } = answer as { next: string }
  const rest = await json(await house.call(`/api/v1/costs?limit=2&cursor=${encodeURIComponent(next)}`))
  expect(rest).toMatchObject({ items: [{ owner: '' }], next: null })
  await house.call('/api/v1/costs?by=agent&since=all')
  expect(house.told.filter(({ deed }) => deed === 'gate.costs').map(({ with: ask }) => ask)).toMatchObject([
    { by: 'type', offset: 0, limit: 2 },
    { by: 'type', offset: 2, limit: 2 },
    { by: 'agent', sinceMs: 0, offset: 0 },
  ])
})

test('questions that are none are refused, and nothing is shown as zero while the gate is away', async () => {
  await using house = await openHouse()
  for (const query of ['by=task', 'since=yesterday', 'since=0s', 'limit=0', 'cursor=5'])
    expect((await house.call(`/api/v1/costs?${query}`)).status, query).toBe(422)
  house.script.gateId = null
  expect((await house.call('/api/v1/costs')).status).toBe(503)
})

test('a settlement costs what its requests did; what is neither task nor settlement is not found', async () => {
  await using house = await openHouse()
  const id = await addSettlement(house.store, 'row-1')
  expect(await json(await house.call(`/api/v1/costs/${id}`))).toEqual({ id, sums: [], unknown: 0 })
  expect((await house.call('/api/v1/costs/set_none')).status).toBe(404)
  expect((await house.call('/api/v1/costs/tsk_none')).status).toBe(404)
})

test('costs are figures for Prometheus, and absent while the gate is away', async () => {
  await using house = await openHouse()
  const text = await (await house.call('/metrics')).text()
  expect(text).toContain('sitter_call_cost_total{upstream="writer",currency="USD"} 0.0123')
  expect(text).toContain('sitter_calls_of_unknown_cost_total{upstream="writer",currency="USD"} 1')
})
