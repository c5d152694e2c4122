/**
 * The clock by which the record and everything that is due go: the machine's, but for its jumps. Within one boot it
 * goes on by the monotonic clock from where it was, also in another process (`kept`), and comes nearer to the machine's
 * own so slowly that nothing is due more than a second early or late in half an hour. So a wall clock that is put right
 * or wrong by hours neither ends a lease, nor fires what is due early, nor stalls it.
 */
import type { Clock, Stamp } from './clock.ts'

/** Where the clock was, for whoever goes on with it. */
export interface Kept extends Stamp {
  /** For so long the machine itself has slept since its boot: the monotonic clock stands still then. */
  readonly sleptMs: number
}

export interface SteadyClock extends Clock {
  kept(): Kept
  civilMs(): number
  /** So far is the machine's own clock ahead of this one; negative: behind. */
  aheadMs(): number
}

/** As `adjtime` does: 1.8 s an hour. Two hours of difference are gone after half a year, or with the next boot. */
const slewed = 1 / 2_000
/** What is told of the machine's sleep is read from a file with hundredths of a second. */
const leastSleepMs = 1_000
const lookAtSleepMs = 1_000

export interface SteadyAsk {
  readonly machine: Clock
  /** Null = there was none before. */
  readonly kept: Kept | null
  /** How long the machine has slept since its boot; always 0 where nobody knows. */
  readonly sleptMs?: () => number
}

/** After a boot the machine's own clock is believed, unless it says that it is earlier than it was. */
const begin = ({ machine, kept, sleptMs }: Required<SteadyAsk>): Kept => {
  const { bootId, wallMs, monoMs } = machine.stamp()
  if (kept?.bootId === bootId && kept.monoMs <= monoMs) return kept
  return { bootId, wallMs: Math.max(wallMs, kept?.wallMs ?? wallMs), monoMs, sleptMs: sleptMs() }
}

export const steadyClock = (ask: SteadyAsk): SteadyClock => {
  const { machine, sleptMs = () => 0 } = ask
  let at = begin({ sleptMs, ...ask })
  let lookedMs = -Infinity

  const sleepSince = (monoMs: number): number => {
    if (monoMs - lookedMs < lookAtSleepMs) return 0
    lookedMs = monoMs
    const moreMs = sleptMs() - at.sleptMs
    return moreMs >= leastSleepMs ? moreMs : 0
  }
  const now = (): Kept => {
    const monoMs = machine.monoMs()
    const passedMs = monoMs - at.monoMs
    const overslept = sleepSince(monoMs)
    const plainMs = at.wallMs + passedMs + overslept
    const most = passedMs * slewed
    const stepMs = Math.min(most, Math.max(-most, machine.wallMs() - plainMs))
    at = { ...at, wallMs: plainMs + stepMs, monoMs, sleptMs: at.sleptMs + overslept }
    return at
  }
  const wallMs = (): number => Math.floor(now().wallMs)
  return {
    wallMs,
    civilMs: () => machine.wallMs(),
    monoMs: () => machine.monoMs(),
    stamp: () => {
      const { monoMs, bootId } = now()
      return { wallMs: Math.floor(at.wallMs), monoMs, bootId }
    },
    timer: (delayMs, fire) => machine.timer(delayMs, fire),
    kept: () => now(),
    aheadMs: () => Math.round(machine.wallMs() - now().wallMs),
  }
}
