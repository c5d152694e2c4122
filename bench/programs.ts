/** What the bench's programs share: their ask, their answer, and patience. */
import type { Ask, Told } from './contest.ts'

export const readAsk = (): Ask => JSON.parse(process.argv[2]!) as Ask

/** The last line that a program prints; then it ends. */
export const answer = (figures: Told['figures'], facts: Told['facts'] = {}): never => {
  const told: Told = { figures, delivery: null, facts }
  process.stdout.write(`\n${JSON.stringify(told)}\n`)
  return process.exit(0)
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Looks every `everyMs` until it is so. @throws when it is not so within `withinMs`. */
export const until = async (so: () => boolean | Promise<boolean>, everyMs: number, withinMs: number): Promise<void> => {
  const endMs = performance.now() + withinMs
  while (!(await so())) {
    if (performance.now() > endMs) throw new Error(`not so within ${withinMs} ms`)
    await pause(everyMs)
  }
}
