/**
 * The sitter's care for its clock: it is kept for whoever comes next, and people hear when the machine's own clock
 * jumps, because the times that they are shown then differ from it.
 */
import { every, type Cancel, type Clock, type SteadyClock } from './std/std.ts'
import type { NewEvent, Store } from './store/store.ts'

const keepEveryMs = 60_000
const lookEveryMs = 5_000
/** A leap second, and what a busy machine makes of two clocks that are read one after the other, is no jump. */
const leastToldMs = 1_500

const seconds = (ms: number): string => `${(Math.abs(ms) / 1_000).toFixed(1)} s`
const ours = (aheadMs: number): string =>
  `the swarm's clock is ${seconds(aheadMs)} ${aheadMs < 0 ? 'ahead of' : 'behind'} the machine's`

const jumped = (byMs: number, aheadMs: number): NewEvent => ({
  kind: 'clock.jumped',
  level: 'warn',
  subject: 'clock',
  message:
    `the machine's clock went ${byMs < 0 ? 'back' : 'forward'} by ${seconds(byMs)}, and nothing that is due moves by ` +
    `it; ${ours(aheadMs)}, and follows by 1.8 s an hour`,
  facts: { byMs, aheadMs },
})

const begun = (aheadMs: number): NewEvent => ({
  kind: 'clock.differs',
  level: 'warn',
  subject: 'clock',
  message: `${ours(aheadMs)}, as it was before`,
  facts: { aheadMs },
})

export interface TimekeepingAsk {
  readonly clock: Clock & Pick<SteadyClock, 'aheadMs'> & { keep(): void }
  readonly store: Pick<Store, 'transact'>
  readonly failed: (error: unknown) => void
}

/** Gives what ends it. */
export const keepTime = ({ clock, store, failed }: TimekeepingAsk): Cancel => {
  let toldMs = clock.aheadMs()
  const tell = (event: NewEvent): void => {
    store.transact([{ kind: 'events.add', with: { events: [event], wallMs: clock.wallMs() } }]).catch(failed)
  }
  const keep = (): void => {
    try {
      clock.keep()
    } catch (error) {
      failed(error)
    }
  }
  keep()
  if (Math.abs(toldMs) >= leastToldMs) tell(begun(toldMs))
  const ends = [
    every(clock, keepEveryMs, keep),
    every(clock, lookEveryMs, () => {
      const aheadMs = clock.aheadMs()
      const byMs = aheadMs - toldMs
      // It comes nearer by itself: that is no news.
      toldMs = aheadMs
      if (Math.abs(byMs) >= leastToldMs) tell(jumped(byMs, aheadMs))
    }),
  ]
  return () => {
    for (const end of ends) end()
    keep()
  }
}
