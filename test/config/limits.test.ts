import { expect, test } from 'vitest'
import { parseConfig, planChange, type SwarmConfig } from '../../src/config/config.ts'
import type { Failure } from '../../src/std/std.ts'

const upstreams = { bank: { url: 'https://bank.test', allow: ['GET /v1/**'] } }
const base = { name: 'small', upstreams }
const agent = { run: { module: '/a.ts' } }
const raw = (limits: object, calls?: string, more: object = {}): object => ({
  ...base,
  agents: { writer: { ...agent, ...more, ...(calls !== undefined && { limits: { calls } }) }, reader: agent },
  limits,
})
const parsed = (...of: Parameters<typeof raw>): SwarmConfig => parseConfig(raw(...of), '/swarm')
const errorsOf = (limits: object): string => {
  try {
    parsed(limits)
  } catch (error) {
    return (error as Failure).message
  }
  return 'taken'
}

test('Calls of each agent of a type are a limit over upstreams, and little need be said of one', () => {
  const { limits, agents } = parsed({ all: { per: 'swarm', rate: '500/s' } }, '50/s', { weight: 3 })
  const common = { window: 'smooth', guard: 0.05, match: [], weights: [], upstreams: [] }
  expect({ ...limits }).toEqual({
    all: { name: 'all', per: 'swarm', rate: { count: 500, windowMs: 1_000 }, burst: 50, types: [], ...common },
    'agents.writer': {
      name: 'agents.writer',
      per: 'agent',
      rate: { count: 50, windowMs: 1_000 },
      burst: 5,
      types: ['writer'],
      ...common,
    },
  })
  expect(agents['writer']!.weight).toBe(3)
  expect(parsed({ one: { per: 'agent', concurrent: 2, types: ['reader'] } }).limits['one']).toEqual({
    name: 'one',
    per: 'agent',
    concurrent: 2,
    match: [],
    types: ['reader'],
    upstreams: [],
  })
})

test('What a limit over upstreams cannot be is refused, with what it can', () => {
  expect(errorsOf({ all: { per: 'swarm' } })).toMatch(/limits\.all: found neither of them/)
  expect(errorsOf({ all: { per: 'swarm', rate: '5/s', concurrent: 2 } })).toMatch(/both of them/)
  expect(errorsOf({ all: { per: 'swarm', concurrent: 2, burst: 2 } })).toMatch(/limits\.all\.burst/)
  expect(errorsOf({ all: { per: 'swarm', rate: '5/s', burst: 6 } })).toMatch(/inside the rate/)
  expect(errorsOf({ all: { per: 'credential', rate: '5/s' } })).toMatch(/limits\.all\.per/)
  expect(errorsOf({ all: { per: 'swarm', rate: '5/s', types: ['writr'] } })).toMatch(/did you mean "writer"/)
  expect(errorsOf({ all: { per: 'swarm', rate: '5/s', upstreams: ['bnk'] } })).toMatch(/did you mean "bank"/)
  expect(errorsOf({ all: { per: 'swarm', rate: '5/s', match: ['GET /x'] } })).toMatch(/limits\.all\.match/)
})

test('Another limit or weight is taken by the gate as it runs, and no agent begins anew', () => {
  const planned = (...of: Parameters<typeof raw>) => ({
    raw: raw(...of),
    baseDirectory: '/swarm',
    config: parsed(...of),
  })
  const before = planned({}, '50/s')
  expect(planChange(before, before).gate).toBe(false)
  for (const after of [planned({}, '20/s'), planned({}), planned({ a: { per: 'swarm', rate: '1/s' } }, '50/s')]) {
    expect(planChange(before, after)).toMatchObject({ gate: true, restarts: 'none', agents: [] })
  }
  const heavier = planChange(before, planned({}, '50/s', { weight: 2 }))
  expect(heavier).toMatchObject({ gate: true, agents: [{ restarts: 0, live: ['weight'] }] })
})
