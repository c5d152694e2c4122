/** What is told as not built, beside what a configuration is refused for. */
import { expect, test } from 'vitest'
import { thingsNotYet } from '../src/config/not-yet.ts'
import { notBuilt } from '../src/not-built.ts'

test('all that a configuration is refused for as not there yet is told as not built, in the same words', () => {
  const told = notBuilt.join('; ')
  expect(thingsNotYet.size).toBeGreaterThan(10)
  expect([...thingsNotYet].filter((thing) => !told.includes(thing))).toEqual([])
})
