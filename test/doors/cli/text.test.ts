/** Text, tables, errors and streams of events: pure parts of the CLI. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { explain, errorLines, Refusal } from '../../../src/doors/cli/refusal.ts'
import { sseReader } from '../../../src/doors/cli/sse.ts'
import { tableLines } from '../../../src/doors/cli/table.ts'
import { age, count, displayWidth, fit, plain, safeJson, tally } from '../../../src/doors/cli/text.ts'
import { plainProgress, progressOf, type Sample } from '../../../src/doors/cli/progress.ts'
import { failure } from '../../../src/std/std.ts'
import { anyText } from '../../any-text.ts'
import { batch, problem, swarm } from './documents.ts'

// oxlint-disable-next-line no-control-regex -- what must never be printed
const dangerous = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/

test('no text gets a control or bidi character through plain, and ordinary text passes as it is', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(plain(text)).not.toMatch(dangerous)
    }),
  )
  expect(plain('Zürich 株式会社 €12')).toBe('Zürich 株式会社 €12')
  expect(plain('a\u001b]52;c;x\u0007\nb\u{e0041}')).toBe('a\\u{1b}]52;c;x\\u{7}\\nb\\u{e0041}')
})

test('safe JSON is the same document without what a terminal obeys', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const json = JSON.stringify(value)
      expect(JSON.parse(safeJson(json))).toEqual(JSON.parse(json))
    }),
  )
  expect(safeJson(JSON.stringify('a\u009b\u202e\u{e0041}'))).toBe('"a\\u009b\\u202e\\udb40\\udc41"')
})

test('a cut text is never wider than its room', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 40 }), (text, columns) => {
      expect(displayWidth(fit(plain(text), columns))).toBeLessThanOrEqual(columns)
    }),
  )
  expect(displayWidth('株式')).toBe(4)
  expect(fit('株式会社', 5)).toBe('株式…')
})

test('a table is aligned by what the eye sees, cut only where a width is given and a column may shrink', () => {
  const rows = [
    { id: 'settler/0001', note: 'n'.repeat(60) },
    { id: '株', note: 'short' },
  ]
  const shape = [
    { head: 'ID', value: (row: (typeof rows)[number]) => row.id },
    { head: 'NOTE', value: (row: (typeof rows)[number]) => row.note, shrink: true as const },
  ]
  const whole = tableLines(rows, shape, null)
  expect(whole[1]).toContain('n'.repeat(60))
  expect(whole[2]).toBe(`株${' '.repeat(10)}  short`)
  const narrow = tableLines(rows, shape, 40)
  expect(narrow.every((line) => displayWidth(line) <= 40)).toBe(true)
  expect(narrow[1]).toContain('settler/0001')
  expect(narrow[1]).toContain('…')
})

test('on a narrow terminal free text is cut or goes, what may be dropped goes whole, and ids stay as they are', () => {
  const id = 'set_01a223a1-b3b4-7fba-a5c4-9683e061d08f'
  const shape = [
    { head: 'SETTLEMENT', value: () => id },
    { head: 'REFERENCE', value: () => 'invoice-2026-000017-of-a-long-customer-name' },
    { head: 'CELL', value: () => 'cel_01a223a1-b3b4-7fba-a5c4-9683e061d08f', drop: true as const },
    { head: 'REASON', value: () => 'r'.repeat(80), shrink: true as const },
  ]
  const [head, row] = tableLines([null], shape, 100)
  expect(row).toContain(`${id}  invoice-2026-000017-of-a-long-customer-name  rrr`)
  expect(displayWidth(row!)).toBeLessThanOrEqual(100)
  expect(head).not.toContain('CELL')
  // Too narrow for what is never cut: a line that wraps can be copied from.
  expect(tableLines([null], shape, 60)[1]).toBe(`${id}  invoice-2026-000017-of-a-long-customer-name`)
  expect(tableLines([null], shape, null)[1]).toContain('cel_01a223a1')
})

test('numbers and ages read as people write them', () => {
  expect([count(0), count(999), count(1_000), count(1_234_567)]).toEqual(['0', '999', '1,000', '1,234,567'])
  expect([
    age(1_000, null),
    age(5_000, 1_000),
    age(300_000, 0),
    age(10_800_000, 0),
    age(864_000_000, 0),
    age(0, 5_000),
  ]).toEqual(['–', '4 s', '5 m', '3 h', '10 d', '0 s'])
  expect(tally({ idle: 3, busy: 10, stopped: 0 })).toBe('10 busy · 3 idle')
})

test('an error says what, why and the way out, and lists at most twenty faults', () => {
  const paint = (_: string, text: string): string => text
  const faults = Array.from({ length: 25 }, (_, index) => `agents.a${index}: found 1, expected 2`)
  const lines = errorLines(
    explain(failure('config-invalid', 'x has 25 errors\n  agents.a0: …', { facts: { errors: faults } })),
    paint,
  )
  expect(lines[0]).toBe('error [config-invalid]: x has 25 errors')
  expect(lines.filter((line) => line.startsWith('  - '))).toHaveLength(20)
  expect(lines).toContain('  … and 5 more')
  expect(lines.some((line) => line.startsWith('  way out: '))).toBe(true)
  expect(explain(new Refusal(problem(409, 'conflict', 'no'))).exit).toBe(6)
  expect(explain(new Refusal(problem(503, 'of-tomorrow', 'no'))).exit).toBe(75)
  expect(explain(new Error('boom'))).toMatchObject({ code: 'bug', exit: 1 })
})

test('server-sent events arrive whole, whatever lies between them', () => {
  const read = sseReader()
  const lines = [': beat', '', 'id: 7', 'event: event', 'data: {"a":', 'data: 1}', '', 'data', '', 'retry: 5', '']
  expect(lines.map(read).filter((message) => message !== undefined)).toEqual([
    { id: '7', event: 'event', data: '{"a":\n1}' },
    { id: '7', event: 'message', data: '' },
  ])
})

const sample = (readMs: number, succeeded: number): Sample => ({
  readMs,
  view: swarm(),
  batch: batch({ tasks: { succeeded, ready: 10_000 - succeeded } }),
})

test('the rate is measured over the last ten seconds and is unknown before there is enough to measure', () => {
  expect(progressOf([sample(0, 100)])).toMatchObject({ rate: null, leftMs: null, toGo: 9_900 })
  const samples = Array.from({ length: 20 }, (_, second) =>
    sample(second * 1_000, second < 10 ? 0 : (second - 9) * 400),
  )
  expect(progressOf(samples)).toMatchObject({ rate: 400, toGo: 6_000, leftMs: 15_000 })
  expect(progressOf([sample(0, 5), sample(5_000, 5)])).toMatchObject({ rate: 0, leftMs: null })
})

test('tasks of a swarm that pays nobody are not called payments', () => {
  const view = swarm({ work: { ...swarm().work, byType: { probe: { succeeded: 3, ready: 2 } } } })
  const { settle } = view
  const sample = { readMs: 0, view: { ...view, settle: { ...settle, byState: {} } }, batch: null }
  const { what } = plainProgress(progressOf([sample]), { kind: 'live' }, 0)
  expect(what).toContain('2 tasks to go of 5')
  expect(what).not.toContain('settled')
})
