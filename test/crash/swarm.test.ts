/** A crash run is stuck when what `up` prints says so, and not when it says how long it will take. */
import { expect, test } from 'vitest'
import { plainProgress, type Progress } from '../../src/doors/cli/progress.ts'
import { toGoIn } from './swarm.ts'

const line = (toGo: number, leftMs: number | null): string => {
  const progress: Progress = {
    name: 'crash',
    isTaking: false,
    ready: 100,
    agents: 100,
    total: 16_500,
    hasPayments: true,
    settled: 16_500 - toGo,
    rejected: 0,
    unknown: 0,
    failed: 0,
    toGo,
    restarts: 0,
    rate: 14,
    leftMs,
  }
  const { what, pace } = plainProgress(progress, { kind: 'live' }, 92)
  return `${what} · ${pace}\n`
}

test('What is to go is read from the last line of progress, whether or not it tells the time that is left', () => {
  const first = `${line(1_663, 118_000)}${line(1_648, null)}`
  expect(toGoIn(first)).toBe('1,648')
  expect(toGoIn(first + line(1_612, 103_000))).toBe('1,612')
  expect(toGoIn('starting …')).toBeUndefined()
})
