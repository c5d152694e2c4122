/** Every form in which providers state their limits, well-formed and not: a table. */
import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { goDurationMs, intervalMs, momentMs, resetMs } from '../../../src/limit/learn/numbers.ts'
import { readSignals, type Signal, type Told } from '../../../src/limit/learn/signals.ts'

const nowMs = Date.parse('2026-03-01T12:00:10Z')
const read = (headers: Readonly<Record<string, string>>): Told => readSignals(Object.entries(headers), nowMs)
const day = 86_400_000

const forms: readonly (readonly [string, Readonly<Record<string, string>>, readonly Partial<Signal>[]])[] = [
  [
    'the current draft: two policies, one of them with what is left',
    { 'RateLimit-Policy': '"burst";q=100;w=60,"daily";q=1000;w=86400', RateLimit: '"burst";r=50;t=30;pk=:YWJj:' },
    [
      { name: 'burst', unit: 'requests', limit: 100, remaining: 50, resetMs: 30_000, windowMs: 60_000 },
      { name: 'daily', limit: 1_000, remaining: null, resetMs: null, windowMs: day },
    ],
  ],
  [
    'the current draft: units',
    {
      'ratelimit-policy': '"size";q=65535;qu="content-bytes";w=10, "peak";q=8;qu="concurrent-requests"',
      ratelimit: '"size";r=0;t=9',
    },
    [
      { name: 'size', unit: 'bytes', remaining: 0, resetMs: 9_000 },
      { name: 'peak', unit: 'concurrent', limit: 8, windowMs: null },
    ],
  ],
  [
    'the current draft: how many calls at once, and how many more',
    { 'ratelimit-policy': '"peak";q=8;qu="concurrent-requests"', ratelimit: '"peak";r=3' },
    [{ name: 'peak', unit: 'concurrent', limit: 8, remaining: 3, resetMs: null, windowMs: null }],
  ],
  ['the current draft: a token for a name', { ratelimit: 'default;r=1;t=2' }, [{ name: 'default', remaining: 1 }]],
  [
    'draft 7: one dictionary',
    { ratelimit: 'limit=100, remaining=50, reset=5', 'ratelimit-policy': '100;w=60' },
    [{ name: 'default', limit: 100, remaining: 50, resetMs: 5_000, windowMs: 60_000 }],
  ],
  [
    'draft 7: the window is that of the policy with its limit',
    {
      ratelimit: 'limit=10, remaining=1, reset=2',
      'ratelimit-policy': '10;w=1;burst=1000, 1000;w=3600;comment="an hour"',
    },
    [{ limit: 10, remaining: 1, resetMs: 2_000, windowMs: 1_000 }],
  ],
  [
    'draft 6: three headers, with the window in a policy of its own',
    {
      'RateLimit-Limit': '1000',
      'RateLimit-Policy': '10;w=1, 1000;w=3600',
      'RateLimit-Remaining': '3',
      'RateLimit-Reset': '9',
    },
    [{ limit: 1_000, remaining: 3, resetMs: 9_000, windowMs: 3_600_000 }],
  ],
  [
    'draft 6: three headers, with the window beside the limit',
    { 'RateLimit-Limit': '100, 100;w=60', 'RateLimit-Remaining': '0', 'RateLimit-Reset': '7' },
    [{ limit: 100, remaining: 0, resetMs: 7_000, windowMs: 60_000 }],
  ],
  [
    'X-RateLimit with seconds from now',
    { 'X-RateLimit-Limit': '60', 'X-RateLimit-Remaining': '59', 'X-RateLimit-Reset': '41' },
    [{ limit: 60, remaining: 59, resetMs: 41_000 }],
  ],
  [
    'X-Rate-Limit with a Unix time in ms',
    { 'x-rate-limit-limit': '15', 'x-rate-limit-remaining': '3', 'x-rate-limit-reset': String(nowMs + 90_000) },
    [{ limit: 15, remaining: 3, resetMs: 90_000 }],
  ],
  [
    'GitHub: a Unix time in seconds, measured by its own clock',
    {
      date: 'Sun, 01 Mar 2026 12:00:00 GMT',
      'x-ratelimit-limit': '5000',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-used': '5000',
      'x-ratelimit-reset': String(Date.parse('2026-03-01T12:30:00Z') / 1_000),
      'x-ratelimit-resource': 'core',
    },
    [{ name: 'core', limit: 5_000, remaining: 0, used: 5_000, resetMs: 1_800_000 }],
  ],
  [
    'OpenAI: requests and tokens, with durations of Go',
    {
      'x-ratelimit-limit-requests': '60',
      'x-ratelimit-remaining-requests': '59',
      'x-ratelimit-reset-requests': '1s',
      'x-ratelimit-limit-tokens': '150000',
      'x-ratelimit-remaining-tokens': '0',
      'x-ratelimit-reset-tokens': '6m0s',
    },
    [
      { name: 'requests', unit: 'requests', limit: 60, remaining: 59, resetMs: 1_000 },
      { name: 'tokens', unit: 'tokens', limit: 150_000, remaining: 0, resetMs: 360_000 },
    ],
  ],
  [
    'Anthropic: moments of RFC 3339',
    {
      'anthropic-ratelimit-requests-limit': '50',
      'anthropic-ratelimit-requests-remaining': '49',
      'anthropic-ratelimit-requests-reset': '2026-03-01T12:00:11Z',
      'anthropic-ratelimit-input-tokens-limit': '30000',
      'anthropic-ratelimit-input-tokens-remaining': '0',
      'anthropic-ratelimit-input-tokens-reset': '2026-03-01T13:00:40+01:00',
    },
    [
      { name: 'requests', unit: 'requests', limit: 50, remaining: 49, resetMs: 1_000 },
      { name: 'input-tokens', unit: 'tokens', remaining: 0, resetMs: 30_000 },
    ],
  ],
  [
    'Anthropic: tokens, and those of the output apart',
    {
      'anthropic-ratelimit-tokens-limit': '80000',
      'anthropic-ratelimit-tokens-remaining': '79000',
      'anthropic-ratelimit-tokens-reset': '2026-03-01T12:00:12.5Z',
      'anthropic-ratelimit-output-tokens-limit': '16000',
      'anthropic-ratelimit-output-tokens-remaining': '15000',
      'anthropic-ratelimit-output-tokens-reset': '2026-03-01T12:01:10Z',
    },
    [
      { name: 'tokens', unit: 'tokens', limit: 80_000, remaining: 79_000, resetMs: 2_500 },
      { name: 'output-tokens', unit: 'tokens', limit: 16_000, remaining: 15_000, resetMs: 60_000 },
    ],
  ],
  [
    'Binance: seconds, hours and days of its own clock, and weights by account',
    {
      date: 'Sun, 01 Mar 2026 12:00:40 GMT',
      'x-mbx-used-weight-1s': '1',
      'x-mbx-used-weight-1h': '2',
      'x-mbx-order-count-1d': '3',
      'x-sapi-used-uid-weight-1m': '900',
    },
    [
      { name: 'weight-1S', unit: 'weight', used: 1, windowMs: 1_000, resetMs: 1_000, aligned: true },
      { name: 'weight-1H', unit: 'weight', used: 2, windowMs: 3_600_000, resetMs: 3_560_000, aligned: true },
      { name: 'orders-1D', unit: 'requests', used: 3, windowMs: day, resetMs: day / 2 - 40_000, aligned: true },
      { name: 'uid-weight-1M', unit: 'weight', used: 900, windowMs: 60_000, resetMs: 20_000, aligned: true },
    ],
  ],
  [
    'Binance: what was used of the provider’s own minute',
    {
      'X-MBX-USED-WEIGHT-1M': '5990',
      'x-mbx-order-count-10s': '9',
      'x-sapi-used-ip-weight-1m': '12',
      'x-mbx-used-weight': '7',
    },
    [
      { name: 'weight-1M', unit: 'weight', limit: null, used: 5_990, windowMs: 60_000, resetMs: 50_000 },
      { name: 'orders-10S', unit: 'requests', used: 9, windowMs: 10_000, resetMs: 10_000 },
      { name: 'ip-weight-1M', unit: 'weight', used: 12 },
    ],
  ],
]

for (const [title, headers, expected] of forms) {
  test(`Signals are read: ${title}`, () => {
    const { signals } = read(headers)
    expect(signals).toHaveLength(expected.length)
    for (const [index, one] of expected.entries()) expect(signals[index]).toMatchObject(one)
  })
}

const malformed: readonly Readonly<Record<string, string>>[] = [
  { ratelimit: '"default";r=-1;t=5' },
  { ratelimit: '"default";r=1.5' },
  { ratelimit: '"default"' },
  { ratelimit: '"default;r=5' },
  { ratelimit: ':YWJj:;r=5' },
  { ratelimit: '("a" "b");r=5' },
  { 'ratelimit-policy': '"burst";w=60' },
  { 'ratelimit-policy': '"peak";q=-8;qu="concurrent-requests"' },
  { 'ratelimit-policy': '"peak";q="8";qu="concurrent-requests"' },
  { 'ratelimit-limit': 'many', 'ratelimit-remaining': '-1' },
  { 'x-ratelimit-remaining': '1e9' },
  { 'x-ratelimit-remaining': '0x10' },
  { 'x-ratelimit-remaining': '99999999999999999999' },
  { 'x-ratelimit-remaining-tokens': 'NaN' },
  { 'anthropic-ratelimit-requests-remaining': '' },
  { ratelimit: 'limit=-1, remaining=many, reset=5' },
  { ratelimit: 'limit=100.5, remaining=1.5' },
  { ratelimit: 'reset=5' },
  { 'ratelimit-policy': '100;w=60' },
  { 'ratelimit-limit': '-100', 'ratelimit-remaining': '5;5', 'ratelimit-reset': '1' },
  { 'x-ratelimit-limit': '5,000', 'x-ratelimit-remaining': '' },
  { 'x-ratelimit-limit-requests': '1m', 'x-ratelimit-remaining-requests': '59s' },
  { 'anthropic-ratelimit-tokens-reset': '2026-03-01T12:00:11Z' },
  { 'anthropic-ratelimit-tokens-remaining': '79k', 'anthropic-ratelimit-tokens-limit': '∞' },
  { 'x-mbx-used-weight-1m': '-5' },
  { 'x-mbx-used-weight-1m': '5 of 6000' },
  { 'x-sapi-used-key-weight-1m': '5' },
  { 'retry-after': '-5', 'retry-after-ms': '1e3' },
  { 'x-mbx-used-weight-0m': '5' },
  { 'x-mbx-used-weight-1x': '5' },
  { ratelimit: `"default";r=1${', "x";r=1'.repeat(500)}` },
]
for (const headers of malformed) {
  test(`A malformed header is as good as none: ${JSON.stringify(headers).slice(0, 70)}`, () => {
    expect(read(headers)).toEqual({ retryAfterMs: null, signals: [] })
  })
}

test('A wait that was asked for is read as ms, seconds or date, the date by the provider’s own clock', () => {
  expect(read({ 'retry-after': '2' }).retryAfterMs).toBe(2_000)
  expect(read({ 'retry-after-ms': '1500', 'retry-after': '2' }).retryAfterMs).toBe(1_500)
  expect(read({ 'retry-after-ms': 'soon', 'retry-after': '2' }).retryAfterMs).toBe(2_000)
  const late = { date: 'Sun, 01 Mar 2026 11:00:00 GMT', 'retry-after': 'Sun, 01 Mar 2026 11:00:30 GMT' }
  expect(read(late)).toMatchObject({ retryAfterMs: 31_000 })
  expect(read({ 'retry-after': 'Sun, 01 Mar 2026 12:00:00 GMT' }).retryAfterMs).toBe(0)
  // Cut at a week: longer bans than that nobody imposes by a header.
  expect(read({ 'retry-after': '999999999999' }).retryAfterMs).toBe(604_800_000)
  for (const junk of ['', '-1', '1.5', 'soon', '1e3', 'Sunday?', '2026-03-01'])
    expect(read({ 'retry-after': junk }).retryAfterMs).toBeNull()
})

const resets: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ['of OpenAI', { 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '6 minutes' }],
  ['of Anthropic', { 'anthropic-ratelimit-tokens-remaining': '0', 'anthropic-ratelimit-tokens-reset': 'noon' }],
  ['of GitHub', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '-1' }],
  ['of draft 6', { 'ratelimit-remaining': '0', 'ratelimit-reset': '1h' }],
  ['of draft 7', { ratelimit: 'remaining=0, reset=1.5' }],
  ['of the current draft', { ratelimit: '"default";r=0;t=soon' }],
]
for (const [whose, headers] of resets) {
  test(`That nothing is left is kept when the end of the window is malformed: ${whose}`, () => {
    expect(read(headers).signals).toMatchObject([{ remaining: 0, resetMs: null }])
  })
}

test('Values that do not say when are kept without a when, and one name is told once', () => {
  const { signals } = read({ 'x-ratelimit-limit': '10', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': 'later' })
  expect(signals).toEqual([
    { name: 'default', unit: 'requests', limit: 10, remaining: 0, used: null, resetMs: null, windowMs: null },
  ])
  const both = read({ ratelimit: '"default";r=5;t=1', 'x-ratelimit-remaining': '9' })
  expect(both.signals).toMatchObject([{ name: 'default', remaining: 5 }])
})

test('Numbers and times of all dialects', () => {
  expect(['1s', '6m0s', '1h2m3.5s', '120ms', '0', '1m1', '-1s', 's', '1d', ''].map(goDurationMs)).toEqual([
    1_000,
    360_000,
    3_723_500,
    120,
    0,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ])
  expect(['1S', '10S', '1m', '5M', '1H', '1D', '0M', 'M', '1W'].map(intervalMs)).toEqual([
    1_000,
    10_000,
    60_000,
    300_000,
    3_600_000,
    86_400_000,
    undefined,
    undefined,
    undefined,
  ])
  expect(resetMs('1772366500', nowMs)).toBe(1_772_366_500_000 - nowMs)
  expect(resetMs('1000000000', nowMs)).toBe(0)
  expect(momentMs('2026-03-01', nowMs)).toBeUndefined()
})

property.prop([
  fc.array(
    fc.tuple(
      fc.constantFrom(
        'retry-after',
        'ratelimit',
        'ratelimit-policy',
        'x-ratelimit-reset',
        'x-ratelimit-remaining',
        'x-mbx-used-weight-1m',
        'anthropic-ratelimit-tokens-reset',
        'date',
        '__proto__',
      ),
      fc.string({ maxLength: 80 }),
    ),
    { maxLength: 12 },
  ),
])('Whatever a provider writes, nothing throws, and numbers are in their bounds', (pairs) => {
  const told = readSignals(pairs, nowMs)
  for (const signal of told.signals) {
    for (const value of [signal.limit, signal.remaining, signal.used]) expect(value === null || value >= 0).toBe(true)
    for (const ms of [signal.resetMs, signal.windowMs]) expect(ms === null || (ms >= 0 && ms <= 604_800_000)).toBe(true)
  }
  expect(told.signals.length).toBeLessThanOrEqual(16)
})
