/** A part of the long run (fuzz.slow.ts, which has another seed each time). */
import { test } from 'vitest'
import { fuzzAnswers, fuzzRequests } from './fuzzing.ts'

const seed = 7

test('damaged requests are each answered, and what they make leave is what the rules allow', async () => {
  await fuzzRequests(300, seed)
})

test('damaged answers are each told as one answer, tell no secret, and are no part of the next', async () => {
  await fuzzAnswers(100, seed)
})
