/** The races of the queue: end to end, drain, submit, latency. Every peer at the best settings found for it. */
import type { Scenario } from './contest.ts'
import type { Runner } from './rounds.ts'

const ours = (scenario: Scenario): Runner => ({
  name: 'ours, isolated in 10 cells',
  program: 'contest.ts',
  module: 'ours.ts',
  needs: 'nothing',
  options: { cells: 10, perCell: 100 },
  scenario,
})
const oursOnPostgres = (scenario: Scenario): Runner => ({
  ...ours(scenario),
  name: 'ours on PostgreSQL, isolated in 10 cells',
  needs: 'postgres',
})
const bullmq = (scenario: Scenario, concurrency: number, sandboxed: boolean): Runner => ({
  name: sandboxed ? `BullMQ sandboxed ×${concurrency}` : `BullMQ in-process, concurrency ${concurrency}`,
  program: 'contest.ts',
  module: 'bullmq.mjs',
  needs: 'redis',
  options: { concurrency, sandboxed },
  scenario,
})
const graphile = (scenario: Scenario, concurrency: number, localQueue: number): Runner => ({
  name: `graphile-worker in-process, concurrency ${concurrency}${localQueue > 0 ? `, prefetch ${localQueue}` : ''}`,
  program: 'contest.ts',
  module: 'graphile.mjs',
  needs: 'postgres',
  options: { concurrency, localQueue },
  scenario,
})
const pgBoss = (scenario: Scenario, concurrency: number, batchSize: number): Runner => ({
  name: `pg-boss in-process, ${concurrency} loops × ${batchSize}`,
  program: 'contest.ts',
  module: 'pg-boss.mjs',
  needs: 'postgres',
  options: { concurrency, batchSize },
  scenario,
})

const beside = (runner: Runner, figure: string, atLeast: number): Runner => ({ ...runner, floor: { figure, atLeast } })

/** With 100 in flight; a second of warming up, so that compilers and caches are where they stay. */
export const endToEnd = (short: boolean): readonly Runner[] => {
  const measureMs = short ? 2_000 : 3_000
  const scenario: Scenario = { kind: 'end-to-end', inFlight: 100, warmMs: 1_000, measureMs }
  return [
    ours(scenario),
    oursOnPostgres(scenario),
    beside(bullmq(scenario, 10, true), 'tasks/s', 3),
    beside(bullmq(scenario, 25, false), 'tasks/s', 1.5),
    bullmq(scenario, 100, false),
    graphile(scenario, 25, 0),
    pgBoss(scenario, 2, 100),
  ]
}

/** 50,000 in the short form too: of 20,000 more than half are over before the sitter's code is compiled, and the figure is that of warming up. */
export const drain = (): readonly Runner[] => {
  const scenario: Scenario = { kind: 'drain', count: 50_000 }
  return [
    ours(scenario),
    oursOnPostgres(scenario),
    bullmq(scenario, 10, true),
    bullmq(scenario, 100, false),
    beside(graphile(scenario, 24, 500), 'tasks/s', 1),
    pgBoss(scenario, 2, 1_000),
  ]
}

export const submit = (short: boolean): readonly Runner[] => {
  const scale = short ? 1 : 4
  const scenario = (count: number): Scenario => ({ kind: 'submit', count, inFlight: 100, bulk: 10_000 * scale })
  return [
    ours(scenario(10_000 * scale)),
    beside(bullmq(scenario(5_000 * scale), 10, false), 'single/s', 2),
    graphile(scenario(1_000 * scale), 10, 0),
    pgBoss(scenario(1_000 * scale), 2, 100),
  ]
}

export const latency = (short: boolean, perSecond: number): readonly Runner[] => {
  const scenario: Scenario = { kind: 'latency', count: short ? 200 : 1_000, perSecond }
  return [
    ours(scenario),
    bullmq(scenario, 10, true),
    bullmq(scenario, 25, false),
    graphile(scenario, 10, 0),
    pgBoss(scenario, 1, 10),
  ]
}
