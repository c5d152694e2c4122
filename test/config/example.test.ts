/** The payouts example is what it says it is. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { payoutsCsv } from '../../examples/payouts/make-payouts.ts'
import { loadConfig } from '../../src/config/config.ts'
import { parseAmount } from '../../src/std/std.ts'
import { realClock, realDisk, realProc } from '../../src/std/real/real.ts'

const folder = join(import.meta.dirname, '../../examples/payouts')

test('The committed payouts are the output of their script', async () => {
  expect(await readFile(join(folder, 'payouts.csv'), 'utf8')).toBe(payoutsCsv())
})

test('It is 10,000 rows with references of their own and amounts in XTS', () => {
  const [head, ...rows] = payoutsCsv().trimEnd().split('\n')
  expect(head).toBe('reference,payee,amount,currency,memo')
  expect(rows).toHaveLength(10_000)
  const cells = rows.map((row) => row.split(',') as [string, string, string, string, string])
  expect(new Set(cells.map(([reference]) => reference)).size).toBe(10_000)
  expect(cells.every(([, , amount, currency]) => currency === 'XTS' && parseAmount(amount, currency).minor > 0n)).toBe(
    true,
  )
})

test('Its config loads, with 5,000 agents in three languages, and its ports follow the environment', async () => {
  const environment = { REHEARSAL_PORT: '9333', SITTER_PORT: '7333' }
  const ports = { disk: realDisk(), proc: realProc(), clock: realClock() }
  const { config } = await loadConfig({ ...ports, environment, file: join(folder, 'swarm.config.ts') })
  const counts = Object.values(config.agents).map(({ name, count, cell }) => [name, count, cell.kind])
  expect(counts).toEqual([
    ['settler', 4_988, 'pool'],
    ['notifier', 10, 'sandbox'],
    ['report', 2, 'sandbox'],
  ])
  expect(config.api.port).toBe(7_333)
  expect(config.rehearsals['northbank']?.port).toBe(9_333)
  expect(config.upstreams['northbank']).toMatchObject({ url: 'http://127.0.0.1:9333', grant: ['127.0.0.1:9333'] })
})

test('The example with language models loads: every call has a price, the one that loops a budget, and its provider fits', async () => {
  const environment = { REHEARSAL_PORT: '9334', SITTER_PORT: '7334' }
  const ports = { disk: realDisk(), proc: realProc(), clock: realClock() }
  const file = join(import.meta.dirname, '../../examples/llm-agents/swarm.config.ts')
  const { config } = await loadConfig({ ...ports, environment, file })
  expect(config.upstreams['llm']).toMatchObject({ url: 'http://127.0.0.1:9334', profile: { name: 'anthropic' } })
  expect(config.upstreams['llm']!.price!.tokens!.models.map(({ model }) => model)).toEqual([
    'rehearsal-small',
    'rehearsal-large',
  ])
  expect(config.budgets['looper-daily']).toMatchObject({ per: 'agent', types: ['looper'] })
  expect(config.rehearsals['llm']).toMatchObject({
    kind: 'llm',
    port: 9_334,
    tokens: { count: 30_000, windowMs: 60_000 },
  })
})
