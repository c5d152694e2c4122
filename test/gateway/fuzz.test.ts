/** A part of the long run (fuzz.slow.ts), with another seed each time; a failure prints it. */
import { test } from 'vitest'
import { fuzzAnswers, fuzzRequests } from './fuzzing.ts'

const seed = Date.now() % 1_000_000_007

test('damaged requests are each answered, and what they make leave is what the rules allow', async () => {
  await fuzzRequests(300, seed)
})

test('damaged answers are each told as one answer, tell no secret, and are no part of the next', async () => {
  await fuzzAnswers(300, seed)
})
