/** Questions to the person, and waiting: what several verbs share between their arguments and their deed. */
import { failure, sleep } from '../../std/std.ts'
import { guarded } from './text.ts'
import type { Invocation } from './verb.ts'

/** The argument at an index that the verb declares as required. */
export const required = (invocation: Invocation, index: number): string => {
  const value = invocation.arguments[index]
  if (value === undefined || value === '') throw failure('usage', 'an argument is missing')
  return value
}

/**
 * Asks before something large or final; `answer` is what must be typed. `--yes` answers it; without a terminal and
 * without `--yes` nothing is done.
 */
export const confirm = async (invocation: Invocation, question: string, answer: string): Promise<void> => {
  const { world, options } = invocation
  if (options.flag('yes')) return
  if (!world.stdin.isTerminal)
    throw failure('usage', `${question} Nobody is here to answer`, { facts: { wayOut: '--yes answers it' } })
  world.stderr.write(guarded(`${question} Type ${answer}: `))
  const typed = await world.stdin.readLine({ hidden: false })
  if (typed.trim() !== answer) throw failure('usage', 'not confirmed: nothing was done')
}

/** With `--dry-run`: says what would be done and gives true; the caller does nothing more. */
export const onlyDry = (invocation: Invocation, would: string, document: unknown): boolean => {
  if (!invocation.options.flag('dryRun')) return false
  invocation.printer.show({ dryRun: true, would: document }, () => [`would ${would}; nothing was done (--dry-run)`])
  return true
}

const pollEveryMs = 500
const defaultWaitMs = 600_000

/**
 * Looks again every 500 ms until `look` gives something, at most `--wait <within>` (default 10 min). Rejects `timed-
 * out`.
 */
export const waitUntil = async <Value>(
  invocation: Invocation,
  what: string,
  look: () => Promise<Value | undefined>,
): Promise<Value> => {
  const { clock } = invocation.world
  const withinMs = invocation.options.duration('wait') ?? defaultWaitMs
  const begunMs = clock.monoMs()
  for (;;) {
    const value = await look()
    if (value !== undefined) return value
    if (clock.monoMs() - begunMs >= withinMs)
      throw failure('timed-out', `${what} did not end within ${withinMs / 1_000} s`)
    await sleep(clock, pollEveryMs, invocation.interrupted)
  }
}
