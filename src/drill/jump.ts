/**
 * Loaded before the programs of a scratch swarm: their clock on the wall is as far off as a file says, so that a drill
 * can set it as an administrator would. The monotonic clock goes on. Looked at ten times a second.
 */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Beside the data directory of the scratch swarm; a process that has none keeps the true time. */
const at = process.argv.indexOf('--data-dir')
const file = at < 0 ? undefined : join(dirname(process.argv[at + 1]!), 'clock')
let offMs = 0
const look = (): void => {
  try {
    offMs = Number(readFileSync(file!, 'utf8')) || 0
  } catch {
    // Not written yet: the clock is right.
  }
}

if (file !== undefined) {
  const TrueDate = Date
  class SetDate extends TrueDate {
    constructor(...parts: readonly unknown[]) {
      if (parts.length === 0) super(TrueDate.now() + offMs)
      else super(...(parts as [number]))
    }
    static override now(): number {
      return TrueDate.now() + offMs
    }
  }
  globalThis.Date = SetDate as DateConstructor
  look()
  setInterval(look, 100).unref()
}
