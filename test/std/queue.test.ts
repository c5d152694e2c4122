import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BoundedQueue } from '../../src/std/std.ts'

type Step = { readonly do: 'push' | 'shift' | 'peek' } | { readonly do: 'take'; readonly count: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.constant({ do: 'push' as const }) },
  { weight: 4, arbitrary: fc.constant({ do: 'shift' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'peek' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('take' as const), count: fc.integer({ min: 0, max: 40 }) }) },
)

/** Does one step on the queue and on a plain array, and gives both answers. */
const both = (
  queue: BoundedQueue<number>,
  model: number[],
  { step, item }: { step: Step; item: number },
): [unknown, unknown] => {
  switch (step.do) {
    case 'push': {
      const fits = model.length < queue.bound
      if (fits) model.push(item)
      return [queue.push(item), fits]
    }
    case 'shift':
      return [queue.shift(), model.shift()]
    case 'peek':
      return [queue.peek(), model[0]]
    case 'take':
      return [queue.take(step.count), model.splice(0, step.count)]
  }
}

test('The queue behaves like an array that refuses beyond its bound', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200 }), fc.array(step, { maxLength: 1_000, size: 'max' }), (bound, steps) => {
      const queue = new BoundedQueue<number>(bound)
      const model: number[] = []
      const [given, expected]: [unknown[], unknown[]] = [[], []]
      for (const [item, one] of steps.entries()) {
        const [answer, ofModel] = both(queue, model, { step: one, item })
        given.push([one, answer, queue.size])
        expected.push([one, ofModel, model.length])
      }
      // Once for all steps: a look at each of them costs a hundred times what the step does.
      expect(given).toEqual(expected)
    }),
  )
})

test('A long stream through a short queue comes out in order', () => {
  const queue = new BoundedQueue<number>(3)
  const out: (number | undefined)[] = []
  for (let item = 0; item < 10_000; item += 1) {
    queue.push(item)
    if (queue.size === 3) out.push(queue.shift())
  }
  out.push(...queue.take(3))
  expect(out).toEqual(Array.from({ length: 10_000 }, (_, item) => item))
})

test.for([NaN, Infinity, -1, 1.5])('%s is no bound', (bound) => {
  expect(() => new BoundedQueue(bound)).toThrow(expect.objectContaining({ code: 'bug' }))
})
