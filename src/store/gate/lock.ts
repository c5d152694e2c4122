/**
 * One gate per gate.db, held by the kernel for as long as the process lives. A gate whose watch was killed may still be
 * finishing its calls when the next one starts; two at once would call each other's calls lost, and send at twice the
 * rate.
 */
import { DatabaseSync } from 'node:sqlite'
import { failure, sleep, type Clock } from '../../std/std.ts'

/** Longer than a stopping gate may take to finish its calls (10 s). */
const patienceMs = 15_000
const retryMs = 50

export interface GateLock {
  release(): void
}

/** Waits for a gate that is just ending. @throws Failure `already-running` when another one keeps the lock. */
export const lockGate = async (path: string, clock: Clock): Promise<GateLock> => {
  const until = clock.monoMs() + patienceMs
  for (;;) {
    const db = new DatabaseSync(path)
    try {
      db.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE')
      return { release: () => db.close() }
    } catch (cause) {
      db.close()
      if (clock.monoMs() >= until) throw failure('already-running', 'another gate holds this data directory', { cause })
      await sleep(clock, retryMs)
    }
  }
}
