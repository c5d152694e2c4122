/** What all drills of a scratch swarm have in common: it pays while something burns, and is looked at from outside. */
import type { DrillReport } from './report.ts'
import type { Scratch } from './scratch.ts'

export interface Drill {
  readonly name: string
  readonly what: string
  run(scratch: Scratch): Promise<DrillReport>
}

/** Payments that are under way while something burns. */
const rowsInAll = 12
export const recoverWithinMs = 60_000
/** A machine that does much else is late by itself: measured 4 s with a load of 17 on two cores, 0.1 s without. */
export const slackMs = 5_000

export const pay = (
  scratch: Scratch,
  name: string,
  count = rowsInAll,
  answered: () => void = () => {},
): Promise<readonly string[]> => {
  const id = `${name}-${scratch.clock.wallMs()}`
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const reference = `${id}-${index}`
      const task = await scratch.submit('pay', { reference, payee: 'Ada', amount: '1.00', currency: 'XTS' }, reference)
      answered()
      return task
    }),
  )
}

export const haveEnded = async (scratch: Scratch, tasks: readonly string[]): Promise<boolean> => {
  for (const task of tasks) if ((await scratch.stateOf(task)) !== 'succeeded') return false
  return true
}

/** Accepted more than once for one reference, by the bank's own word. */
export const doubles = (scratch: Scratch): number => {
  const accepted = scratch.bankLog().filter(({ kind }) => kind === 'accepted')
  return accepted.length - new Set(accepted.map(({ reference }) => reference)).size
}

export const newestSeq = async (scratch: Scratch): Promise<number> => (await scratch.events())[0]?.seq ?? 0
