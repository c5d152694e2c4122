/**
 * The steady clock of this machine, kept in a file of the data directory: the processes of a swarm, and those that come
 * after them, go by one clock. The sitter writes the file, once a minute; whoever starts reads it.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { steadyClock, type Kept, type SteadyClock } from '../steady.ts'
import { monoMs, realClock } from './clock.ts'

export interface KeptClock extends SteadyClock {
  /** @throws what the disk throws. */
  keep(): void
}

const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)

/** Null when there is none, or it cannot be read: then the machine's own clock is where it begins. */
const read = (path: string): Kept | null => {
  try {
    const { wallMs, monoMs, sleptMs, bootId } = Object(JSON.parse(readFileSync(path, 'utf8'))) as Partial<Kept>
    if (!isTime(wallMs) || !isTime(monoMs) || !isTime(sleptMs) || typeof bootId !== 'string') return null
    return { wallMs, monoMs, sleptMs, bootId }
  } catch {
    return null
  }
}

/** The time since the boot counts the machine's sleep, the monotonic clock does not. 0 where that is not told. */
const sleptMs = (): number => {
  try {
    return Math.max(0, Number.parseFloat(readFileSync('/proc/uptime', 'utf8')) * 1_000 - monoMs()) || 0
  } catch {
    return 0
  }
}

export const keptClock = (path: string): KeptClock => {
  const clock = steadyClock({ machine: realClock(), kept: read(path), sleptMs })
  return {
    ...clock,
    keep: () => {
      const next = `${path}.${process.pid}`
      writeFileSync(next, JSON.stringify(clock.kept()), { mode: 0o600 })
      renameSync(next, path)
    },
  }
}
