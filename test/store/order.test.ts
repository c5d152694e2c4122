/** The order of starts, over random queues: nothing twice, nothing left out, and the share that was promised. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sharedStarts, startOrder, type Candidate } from '../../src/store/order.ts'

const waiting = fc.array(fc.record({ type: fc.constantFrom('a', 'b', 'c'), priority: fc.nat(9) }), { maxLength: 60 })
const queuesOf = (all: readonly Candidate[]): Candidate[][] =>
  ['a', 'b', 'c'].map((type) =>
    all.filter((one) => one.type === type).toSorted((one, two) => two.priority - one.priority || one.seq - two.seq),
  )

test('each task starts once, one start in ten at most goes past a higher priority, and the oldest gets it', () => {
  fc.assert(
    fc.property(waiting, fc.nat(30), fc.nat(40), (tasks, starts, slots) => {
      const all = tasks.map((one, index): Candidate => ({ ...one, seq: index + 1, createdMs: 0 }))
      const ask = { slots, turn: { starts, lastType: null }, nowMs: 60_000 }
      const longest = all.slice(0, sharedStarts(ask))
      const order = startOrder(queuesOf(all), longest, ask)
      expect(order).toHaveLength(Math.min(slots, all.length))
      expect(new Set(order.map((one) => one.seq)).size).toBe(order.length)
      const byPriority = order.filter((one) => !longest.includes(one)).map((one) => one.priority)
      expect(byPriority).toEqual(byPriority.toSorted((one, two) => two - one))
      if (slots >= sharedStarts(ask)) for (const one of longest) expect(order).toContain(one)
    }),
  )
})
