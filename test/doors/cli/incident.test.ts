/** An incident as a person reads it at night: what is alike stands once, and times are times. */
import { expect, test } from 'vitest'
import { runCli } from '../../../src/doors/cli/cli.ts'
import { nowMs } from './documents.ts'
import { fakeWorld } from './fake.ts'

const env = { SITTER_URL: 'http://127.0.0.1:7700', SITTER_TOKEN: 'swt_0123456789abcdef' }
const lost = (number: number, cause: string) => ({
  seq: number,
  wallMs: nowMs + number * 1_000,
  kind: 'agent.lost',
  level: 'warn',
  subject: `crasher/000${number}`,
  message: `crasher/000${number} lost: ${cause}`,
  facts: {},
})

test('forty losses of one cause are one line with their number, and another cause beside them is seen', async () => {
  const timeLine = [...[1, 2, 3].map((number) => lost(number, 'no model server')), lost(4, 'out of memory')]
  const incident = {
    id: 'inc_1',
    key: 'agents/crasher',
    severity: 'critical',
    title: '4 of 4 agents of crasher are quarantined',
    facts: { sinceMs: nowMs, type: 'crasher', lastedMs: 12 },
    proposed: 'sitter release crasher',
    openedMs: nowMs,
    resolvedMs: null,
    resolvedBy: null,
    ackedBy: null,
    notices: [],
    timeLine,
  }
  const fake = fakeWorld({ env, api: () => incident })
  expect(await runCli(['incident', 'show', 'inc_1'], fake.world)).toBe(0)
  const lines = fake.out().split('\n')
  expect(lines.filter((line) => line.includes('agent.lost'))).toEqual([
    expect.stringMatching(/crasher\/0001 lost: no model server {2}\(and 2 more like it until 20.*Z\)$/) as string,
    expect.stringMatching(/crasher\/0004 lost: out of memory$/) as string,
  ])
  expect(lines.find((line) => line.startsWith('  since: '))).toMatch(/T.*Z$/)
  expect(lines).toContain('  lastedMs: 12')
  expect(lines).toContain('  type: crasher')
  const asked = fakeWorld({ env, api: () => incident })
  expect(await runCli(['describe', 'inc_1'], asked.world)).toBe(0)
  expect(asked.out()).toBe(fake.out())
})
