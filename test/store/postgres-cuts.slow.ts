/** The cut of an answer to a COMMIT, often enough to meet its rare moments. */
import { test } from 'vitest'
import { cutAnswers } from './faulty.ts'

test(
  'a hundred answers to a COMMIT are cut under load: each is unknown and never "failed", and all of it was written',
  { timeout: 180_000 },
  () => cutAnswers(100),
)
