/** What the watch makes of what it has heard: a table of moments. */
import { expect, test } from 'vitest'
import { Life, type Bounds } from '../src/watch-life.ts'

const bounds: Bounds = { readyWithinMs: 60_000, silentAfterMs: 15_000, idleAfterMs: 60_000 }

/** One that lives from 0 on: it is looked at each second; gives when it was ended, and for what. */
const lived = (
  untilMs: number,
  says: (life: Life, nowMs: number) => void,
  more: Partial<Bounds> = {},
): string | undefined => {
  const life = new Life({ ...bounds, ...more }, 0)
  life.ready(0)
  for (let nowMs = 1_000; nowMs <= untilMs; nowMs += 1_000) {
    says(life, nowMs)
    const verdict = life.look(nowMs)
    if (verdict) return `${verdict.is} at ${nowMs}`
  }
  return undefined
}
const beats = (life: Life, nowMs: number): void => life.heard(nowMs)

test.each([
  ['it says nothing', () => {}, 'silent at 16000'],
  ['it beats and makes no progress', beats, 'idle at 61000'],
  [
    'it makes progress, and then none',
    (life: Life, nowMs: number) => (beats(life, nowMs), nowMs <= 30_000 && life.progress(nowMs)),
    'idle at 91000',
  ],
  [
    'it says why once, and no more',
    (life: Life, nowMs: number) => (beats(life, nowMs), nowMs === 50_000 && life.idle('the disk is full', nowMs)),
    'idle at 111000',
  ],
  [
    'it ends in order, and hangs',
    (life: Life, nowMs: number) => (beats(life, nowMs), nowMs === 50_000 && life.ending(nowMs)),
    'idle at 111000',
  ],
])('It is ended when %s', (_what, says, when) => {
  expect(lived(300_000, says)).toBe(when)
})

test.each<[string, (life: Life, nowMs: number) => void, Partial<Bounds>]>([
  ['it makes progress', (life, nowMs) => (beats(life, nowMs), nowMs % 5_000 === 0 && life.progress(nowMs)), {}],
  ['it says why it makes none', (life, nowMs) => (beats(life, nowMs), life.idle('the disk is full', nowMs)), {}],
  ['nobody asks for its progress', beats, { idleAfterMs: null }],
])('It goes on while %s', (_what, says, more) => {
  expect(lived(3_600_000, says, more)).toBeUndefined()
})

test('What is not ready in time is late', () => {
  const life = new Life(bounds, 0)
  expect(life.look(1_000)).toBeUndefined()
  for (let nowMs = 2_000; nowMs <= 60_000; nowMs += 1_000) life.look(nowMs)
  expect(life.look(61_000)).toMatchObject({ is: 'late' })
})

test('Time in which the watch itself was held is nobody’s silence', () => {
  const life = new Life(bounds, 0)
  life.ready(0)
  life.heard(1_000)
  expect(life.look(1_000)).toBeUndefined()
  expect(life.look(121_000)).toBeUndefined()
  life.heard(121_500)
  expect(life.look(122_000)).toBeUndefined()
  for (let nowMs = 123_000; nowMs < 137_000; nowMs += 1_000) expect(life.look(nowMs)).toBeUndefined()
  expect(life.look(137_000)).toMatchObject({ is: 'silent' })
})

test('A reason is news once, and so is its end', () => {
  const life = new Life(bounds, 0)
  expect([life.idle('a', 1), life.idle('a', 2), life.idle('b', 3)]).toEqual([true, false, true])
  expect([life.progress(4), life.progress(5)]).toEqual([true, false])
})
