/** The inbox by cause: what is one thing to understand is one row, with an order that is for all of it. */
import { expect, test } from 'vitest'
import type { InboxItem } from '../../../src/doors/api.ts'
import { byCause } from '../../../src/doors/http/by-cause.ts'

const dead = (number: number, message: string, cause: string): InboxItem => ({
  kind: 'dead-letter',
  id: `tsk_${number}`,
  count: 1,
  what: `letters task gave up after 2 tries: ${message}`,
  cause: `letters: ${cause}`,
  sinceMs: 1_000 - number,
  wayOut: `sitter dlq show tsk_${number}, then sitter dlq redrive tsk_${number}`,
})

test('dead letters of one cause are one row, told by the oldest, redriven by what their errors have in common', () => {
  const all = [
    dead(1, 'database timeout host 10.0.0.1', 'database timeout host #.#.#.#'),
    dead(2, 'two refused', 'two refused'),
    dead(3, 'database timeout host 10.0.0.7', 'database timeout host #.#.#.#'),
  ]
  expect(byCause(all)).toEqual([
    {
      kind: 'dead-letter',
      cause: 'letters: database timeout host #.#.#.#',
      count: 2,
      ids: ['tsk_1', 'tsk_3'],
      what: '2 letters tasks gave up, the oldest: database timeout host 10.0.0.7',
      sinceMs: 997,
      wayOut:
        "sitter dlq show tsk_3 (one of them), then sitter dlq redrive --type letters --error 'database timeout host' --rate 10/s",
      like: { type: 'letters', error: 'database timeout host' },
    },
    expect.objectContaining({ count: 1, what: all[1]!.what, wayOut: all[1]!.wayOut }),
  ])
})

test('what an agent says cannot leave the quotes of the order that is proposed', () => {
  for (const cause of ["it's; rm -rf /", 'a\\', '#.#', '']) {
    const [group] = byCause([dead(1, 'x', cause), dead(2, 'x', cause)])
    expect(group!.wayOut.match(/'/g) ?? []).toHaveLength(0)
    expect(group!.wayOut).toContain('--type letters --rate')
  }
})

test('a row of many agents counts them, and names at most twenty ids', () => {
  const agents: InboxItem = { ...dead(1, '', ''), kind: 'quarantined', count: 300, what: '300 agents', cause: 'a: b' }
  expect(byCause([agents])).toMatchObject([{ count: 300, what: '300 agents' }])
  const many = Array.from({ length: 50 }, (_, at) => dead(at, 'gone', 'gone away'))
  expect(byCause(many)).toMatchObject([{ count: 50, ids: { length: 20 } }])
})
