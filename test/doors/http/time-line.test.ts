/** The time line of an incident: what went wrong, and what was done. */
import { expect, test } from 'vitest'
import { belongs, timeLine } from '../../../src/doors/http/routes/time-line.ts'
import type { EventView } from '../../../src/store/store.ts'

let seq = 0
const event = (kind: string, level: EventView['level'] = 'info'): EventView => {
  seq += 1
  return { seq, wallMs: seq, kind, level, subject: 's', message: kind, facts: {} }
}
const told = (oldestFirst: readonly EventView[]): readonly string[] =>
  timeLine(oldestFirst.filter(belongs).toReversed()).map(({ kind }) => kind)

test('A hold of restarts is told with each try and with its end, which are no warnings', () => {
  const story = [
    event('cell.lost', 'warn'),
    event('restarts.held', 'error'),
    event('restarts.tried'),
    event('cell.started'),
    event('task.partial'),
    event('cell.lost', 'warn'),
    event('restarts.tried'),
    event('restarts.released'),
    event('agent.restarted'),
  ]
  expect(told(story)).toEqual(story.map(({ kind }) => kind).filter((kind) => kind !== 'task.partial'))
})

test('Whatever is loud belongs to it, known or not', () => {
  expect(told([event('nobody.knows', 'warn'), event('nobody.cares')])).toEqual(['nobody.knows'])
})

test('Of deeds by the thousand the first and the last are told, and no warning is lost for them', () => {
  const started = Array.from({ length: 5_000 }, () => event('cell.started'))
  const story = [event('restarts.held', 'error'), ...started, event('cell.lost', 'warn'), event('restarts.released')]
  const kinds = told(story)
  expect([kinds.length, kinds[0], kinds.at(-1), kinds.includes('cell.lost')]).toEqual([
    102,
    'restarts.held',
    'restarts.released',
    true,
  ])
  const warned = Array.from({ length: 300 }, () => event('cell.lost', 'warn'))
  expect(told(warned).length).toBe(200)
})
