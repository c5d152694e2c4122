import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  bounded,
  counter,
  gauge,
  histogram,
  metricsText,
  openLoopLag,
  recordFamilies,
  summary,
} from '../../src/record/record.ts'
import { MovedClock } from '../doors/cli/fake.ts'

test('The text is what Prometheus reads, whatever stands in a label', () => {
  const text = metricsText([
    gauge('sitter_agents', 'Agents\nby "type".', [[{ type: 'a"b\\c\nd', state: 'idle' }, 3]]),
    counter('sitter_x_total', 'X.', [[{}, 0.1]]),
    summary('sitter_y_seconds', 'Y.', [{ labels: { type: 't' }, count: 7, p50: 1, p95: 2, p99: 3 }]),
  ])
  expect(text).toBe(
    [
      '# HELP sitter_agents Agents\\nby "type".',
      '# TYPE sitter_agents gauge',
      'sitter_agents{type="a\\"b\\\\c\\nd",state="idle"} 3',
      '# HELP sitter_x_total X.',
      '# TYPE sitter_x_total counter',
      'sitter_x_total 0.1',
      '# HELP sitter_y_seconds Y.',
      '# TYPE sitter_y_seconds summary',
      'sitter_y_seconds{type="t",quantile="0.5"} 1',
      'sitter_y_seconds{type="t",quantile="0.95"} 2',
      'sitter_y_seconds{type="t",quantile="0.99"} 3',
      'sitter_y_seconds_count{type="t"} 7',
      '',
    ].join('\n'),
  )
})

test('Series over the bound are left out, and their number is told', () => {
  const many = gauge(
    'sitter_many',
    'Many.',
    Array.from({ length: 50 }, (_, index) => [{ of: String(index) }, 1]),
  )
  expect(metricsText(bounded([many, counter('sitter_last_total', 'Last.', [[{}, 1]])], 20))).toContain(
    'sitter_metrics_dropped_series 31',
  )
  expect(metricsText(bounded([many], 50))).not.toContain('dropped')
  expect(bounded([gauge('sitter_none', 'None.', [])])).toEqual([])
})

const nothing = {
  taskCounts: async () => [],
  attemptCounts: async () => [],
  partialCounts: async () => [],
  settlementCounts: async () => [],
  costTotals: async () => ({ known: [], unknown: 0 }),
  auditHead: async () => ({ seq: 0, hash: '' }),
  taskDurations: async () => null,
  taskWaits: async () => null,
  leftCounts: async () => [],
}

test('Ends are counted by type and outcome, amounts of a channel over its currencies, and running work is no outcome', async () => {
  const families = await recordFamilies(
    {
      ...nothing,
      taskCounts: async () => [
        { type: 'settle', state: 'succeeded', count: 5 },
        { type: 'settle', state: 'running', count: 2 },
        { type: 'settle', state: 'dead', count: 1 },
      ],
      attemptCounts: async () => [
        { outcome: 'running', count: 2 },
        { outcome: 'transient', count: 4 },
      ],
      partialCounts: async () => [{ type: 'settle', count: 3 }],
      settlementCounts: async () =>
        (['XTS', 'EUR'] as const).flatMap((currency) => [
          { channel: 'bank', currency, state: 'settled' as const, count: 3, amountMinor: 1n, tries: 3, persons: 0 },
          { channel: 'bank', currency, state: 'unknown' as const, count: 1, amountMinor: 1n, tries: 1, persons: 0 },
        ]),
      costTotals: async () => ({ known: [{ currency: 'XTS', amount: '0.12', calls: 12 }], unknown: 0 }),
      auditHead: async () => ({ seq: 9, hash: '' }),
    },
    ['settle'],
    ['bank', 'other'],
  )
  const text = metricsText(families).split('\n')
  expect(text).toEqual(
    expect.arrayContaining([
      'sitter_tasks_finished_total{type="settle",outcome="succeeded"} 5',
      'sitter_tasks_finished_total{type="settle",outcome="dead"} 1',
      'sitter_tasks{type="settle",state="running"} 2',
      'sitter_dead_letters{type="settle"} 1',
      'sitter_attempts_total{outcome="transient"} 4',
      'sitter_tasks_partial_total{type="settle"} 3',
      'sitter_settlements_total{channel="bank",outcome="settled"} 6',
      'sitter_settlements{channel="bank",state="unknown"} 2',
      'sitter_settlement_cost_total{channel="any",currency="XTS"} 0.12',
      'sitter_explained_money_ratio 0.75',
      'sitter_audit_entries_total 9',
    ]),
  )
  expect(text.join('\n')).not.toMatch(/finished_total\{[^}]*running|attempts_total\{outcome="running/)
})

test('Without a settlement there is no share of explained ones, good or bad', async () => {
  expect(metricsText(await recordFamilies(nothing, ['settle'], ['bank']))).not.toContain('explained')
})

test('The loop is as late as its timers were, and what is long ago is forgotten', () => {
  const clock = new MovedClock()
  const lag = openLoopLag(clock)
  expect(lag.figures()).toBeNull()
  clock.next()
  clock.ms += 700
  clock.next()
  expect(lag.figures()!.max).toBeGreaterThan(0.6)
  expect(lag.figures()!.max).toBeLessThan(0.71)
  expect(lag.figures()!.p50).toBeLessThan(0.01)
  for (let index = 0; index < 200; index += 1) clock.next()
  expect(lag.figures()!.max).toBeLessThan(0.01)
  lag.stop()
  expect(clock.next()).toBe(false)
})

const project = join(import.meta.dirname, '../..')

test('Every alert has its page and the page its alert, and both speak of figures that there are', async () => {
  const rules = await readFile(join(project, 'deploy/prometheus/rules.yaml'), 'utf8')
  const guide = await readFile(join(project, 'docs/guides/operating.md'), 'utf8')
  const sources = await Promise.all(
    ['src/record/metrics/from-record.ts', 'src/doors/http/routes/metrics.ts'].map((path) =>
      readFile(join(project, path), 'utf8'),
    ),
  )
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map((match) => match[1]!)
  const linked = [...rules.matchAll(/runbook_url: docs\/guides\/operating\.md#(\w+)/g)].map((match) => match[1]!)
  expect(linked).toEqual(alerts.map((name) => name.toLowerCase()))
  const pages = guide
    .split(/^## /m)
    .slice(1)
    .filter((page) => page.includes('**Symptom.**'))
  expect(pages.map((page) => page.split('\n')[0])).toEqual(alerts)
  for (const page of pages) expect(page).toMatch(/Symptom[^]*Figure[^]*Do[^]*Well when/)
  const given = new Set(sources.flatMap((text) => [...text.matchAll(/'(sitter_[a-z_]+)'/g)].map((match) => match[1]!)))
  const named = [...rules.matchAll(/\bsitter_[a-z_]+/g), ...pages.join('').matchAll(/\bsitter_[a-z_]+/g)].map(String)
  expect([...new Set(named)].filter((name) => !given.has(name))).toEqual([])
})

test('A histogram counts what is below each bound, and what is longer in its end alone', () => {
  const text = metricsText([
    histogram('sitter_x_seconds', 'X.', [0.1, 1], { counts: [2, 3], count: 6, sumSeconds: 62.5 }),
  ])
  expect(text.split('\n').slice(1)).toEqual([
    '# TYPE sitter_x_seconds histogram',
    'sitter_x_seconds_bucket{le="0.1"} 2',
    'sitter_x_seconds_bucket{le="1"} 5',
    'sitter_x_seconds_bucket{le="+Inf"} 6',
    'sitter_x_seconds_sum 62.5',
    'sitter_x_seconds_count 6',
    '',
  ])
})

test('A dead letter that is given another life stays counted as an end: the counter never falls', async () => {
  const ends = async (state: 'dead' | 'ready' | 'cancelled', left: number): Promise<number[]> => {
    const families = await recordFamilies(
      {
        ...nothing,
        taskCounts: async () => [{ type: 'settle', state, count: 1 }],
        leftCounts: async () => (left === 0 ? [] : [{ type: 'settle', outcome: 'dead', count: left }]),
      },
      ['settle'],
      [],
    )
    const ended = families.find(({ name }) => name === 'sitter_tasks_finished_total')!
    return ended.samples.filter(({ labels }) => labels['outcome'] === 'dead').map(({ value }) => value)
  }
  // Dead, redriven, dead again, discarded.
  expect([await ends('dead', 0), await ends('ready', 1), await ends('dead', 1), await ends('cancelled', 2)]).toEqual([
    [1],
    [1],
    [2],
    [2],
  ])
})
