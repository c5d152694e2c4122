import { expect, test } from 'vitest'
import { world } from './world.ts'

const sum = { currency: 'USD', cost: '1204.0123', counted: '1204.51', calls: 3_000, unknown: 1 }
const costs = {
  by: 'agent',
  fromMs: Date.parse('2026-01-01T09:00:00Z'),
  totals: [sum],
  items: [
    { owner: 'writer/0001', ...sum },
    { owner: '', ...sum, cost: '0.01', unknown: 0 },
  ],
  next: null,
  budgets: [
    {
      budget: 'hourly',
      per: 'agent',
      owner: 'writer/0001',
      state: 'spent',
      spent: '2.00 USD',
      most: '2.00 USD',
      endsMs: Date.parse('2026-01-01T11:00:00Z'),
    },
  ],
}

test('cost tells who spent what, the sum, and which budgets are spent', async () => {
  const { sitter, server } = await world({ 'GET /api/v1/costs': costs })
  const { code, stdout } = await sitter('cost', '--by', 'agent', '--since', '7d')
  expect(code).toBe(0)
  expect(stdout).toMatch(/^AGENT +COST +CALLS +UNKNOWN\nwriter\/0001 +1204\.0123 USD +3,000 +1, at most 1204\.51 USD/)
  expect(stdout).toMatch(/\nnobody +0\.01 USD/)
  expect(stdout).toContain('1204.0123 USD for 3,000 calls; of 1 of them nobody knows it: at most 1204.51 USD with all')
  expect(stdout).toContain('hourly: writer/0001 has spent 2.00 USD of 2.00 USD')
  expect(server.asked[0]!.query.toString()).toBe('by=agent&limit=100&since=7d')
  const json = await sitter('cost', '--json')
  expect(JSON.parse(json.stdout)).toEqual(costs)
})

test('nothing spent is said as such, and is an empty document', async () => {
  const empty = { ...costs, items: [], totals: [], budgets: [] }
  const { sitter } = await world({ 'GET /api/v1/costs': empty })
  const { code, stdout, stderr } = await sitter('cost')
  expect([code, stdout]).toEqual([0, ''])
  expect(stderr).toContain('nothing was charged (prices: upstreams.*.cost')
  expect(JSON.parse((await sitter('cost', '--json')).stdout)).toEqual(empty)
  expect(await sitter('cost', '--by', 'colour')).toMatchObject({ code: 2 })
})

test('of one task or settlement cost tells its calls', async () => {
  const { sitter } = await world({
    'GET /api/v1/costs/tsk_1': { id: 'tsk_1', sums: [sum], unknown: 1 },
    'GET /api/v1/costs/set_1': { id: 'set_1', sums: [], unknown: 2 },
    'GET /api/v1/costs/set_2': { id: 'set_2', sums: [], unknown: 0 },
  })
  expect((await sitter('cost', 'tsk_1')).stdout).toContain('1204.0123 USD for 3,000 calls')
  expect((await sitter('cost', 'set_1')).stdout).toBe('of 2 calls nobody knows it\n')
  expect((await sitter('cost', 'set_2')).stdout).toContain('set_2: nothing was charged')
})
