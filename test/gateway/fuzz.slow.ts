/** Ten thousand damaged requests and three thousand damaged answers, 1 to 2 minutes each; see fuzzing.ts. */
import { test } from 'vitest'
import { fuzzAnswers, fuzzRequests } from './fuzzing.ts'

test('ten thousand damaged requests: never a crash, never another host, an answer to each', async () => {
  await fuzzRequests(10_000, 20_261_129)
}, 600_000)

test('three thousand damaged answers: never a crash, never a secret, one answer of each', async () => {
  await fuzzAnswers(3_000, 20_261_129)
}, 600_000)
