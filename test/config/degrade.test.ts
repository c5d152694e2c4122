import { expect, test } from 'vitest'
import { parseConfig, type SwarmConfig } from '../../src/config/config.ts'

const parsed = (degrade: object | undefined, overrides: object = {}): SwarmConfig =>
  parseConfig(
    {
      name: 'small',
      agents: { settler: { run: { module: '/a.ts' }, count: 9, overrides } },
      upstreams: { bank: { url: 'http://bank.test', allow: ['POST /v1/payouts'], money: ['POST /v1/payouts'] } },
      channels: { northbank: { kind: 'http', upstream: 'bank', pay: 'POST /v1/payouts', body: { r: '{reference}' } } },
      ...(degrade && { degrade }),
    },
    '/swarm',
  )

test('An agent may be overridden to any mode, and rules watch types and agents unless told otherwise, channels when named', () => {
  const taken = parsed(undefined, { 'settler/7': { mode: 'shadow' } })
  expect(taken.agents['settler']!.overrides).toEqual({ 'settler/0007': { mode: 'shadow' } })
  const usual = { failures: 0.5, over: 20, withinMs: 60_000, holdMs: 30_000, longestMs: 600_000, calls: false }
  const gentle = { ...usual, least: 'throttled' }
  const repeats = { calls: 100, withinMs: 60_000, holdMs: 30_000, longestMs: 600_000, least: 'throttled' }
  expect(taken.degrade).toEqual({ types: gentle, agents: gentle, repeats, channels: {} })
  const channels = { northbank: { over: 4, hold: '1s' } }
  expect(parsed({ types: { least: 'parked' }, agents: false, repeats: false, channels }).degrade).toEqual({
    types: { ...usual, least: 'parked' },
    agents: null,
    repeats: null,
    channels: { northbank: { ...usual, over: 4, holdMs: 1_000, least: 'parked' } },
  })
  expect(() => parsed({ channels: { nortbank: {} } })).toThrow(/degrade.channels.nortbank.*did you mean "northbank"\?/)
  expect(() => parsed({ repeats: { calls: 3 } })).toThrow(/degrade.repeats/)
})
