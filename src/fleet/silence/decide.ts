/**
 * Why a process is silent: a pure comparison of what it did since it is suspected. Nobody is blamed for time in which
 * it was not let run: a host that is overloaded is not many hosts that hang.
 */
import { ownMs, type Effort, type PressureReading, type Spent } from '../../std/std.ts'

/** Silent, in its own time; `unseen`: what it did is not known, and its silence alone must do. */
export type Blame = 'looping' | 'hung' | 'stopped' | 'gone' | 'unseen'
/** Nobody's fault that we know of, so nobody is ended: it was starved, or we do not see our own beats. */
export type Excuse = 'starved' | 'disarmed'
export type WhySilent = Blame | Excuse

/** A look at a process that something is compared with later. */
export interface Look {
  readonly atMs: number
  readonly seen: Effort | undefined
}

export interface SilenceFacts {
  /** Silence that it answers for: a part of its own time as long as this. */
  readonly answersForMs: number
  /** What its process did since then; undefined = not seen. */
  readonly spent: Spent | undefined
  /** What its process does now, as in /proc; undefined = not seen. */
  readonly state: string | undefined
  /** Whether its process is there; null = it has none that we know. */
  readonly exists: boolean | null
  /** Cores that its own limit leaves it, at most 1: being held back by that is its own doing. */
  readonly cores: number
  readonly stalled: PressureReading['stalled'] | null
  /** We read our own beats in the record (decision 0025). */
  readonly seesItself: boolean
}

/** A process that waits for its disk or memory on a host that does so this much is starved of it. */
const stalledShare = 0.1

const isStalled = ({ stalled, state }: SilenceFacts): boolean =>
  state === 'D' && Math.max(stalled?.io ?? 0, stalled?.memory ?? 0) >= stalledShare

/** Its own time; what it ran counts by what its limit allows. */
const answeredFor = ({ cores }: SilenceFacts, spent: Spent): number =>
  Math.max(ownMs(spent), spent.sleptMs + spent.ranMs / Math.min(1, Math.max(0.01, cores)))

export const whySilent = (facts: SilenceFacts): WhySilent => {
  const { seesItself, exists, spent, state, answersForMs } = facts
  if (!seesItself) return 'disarmed'
  if (exists === false) return 'gone'
  if (state === 'T' || state === 't') return 'stopped'
  if (spent === undefined) return 'unseen'
  if (isStalled(facts) || answeredFor(facts, spent) < answersForMs) return 'starved'
  return spent.ranMs >= spent.sleptMs ? 'looping' : 'hung'
}

export const isExcused = (why: WhySilent): why is Excuse => why === 'starved' || why === 'disarmed'

const texts: Readonly<Record<WhySilent, string>> = {
  looping: 'it runs and does not answer: a loop',
  hung: 'it sleeps and does not answer: it hangs',
  stopped: 'somebody has stopped it',
  gone: 'its process is gone',
  unseen: 'what it did meanwhile cannot be seen',
  starved: 'it could not run: the host has no time for it',
  disarmed: 'we do not see our own beats in the record',
}

/** For people: what it is, and from what that was read. */
export const textOf = (why: WhySilent, spent: Spent | undefined): string => {
  if (spent === undefined) return texts[why]
  const [span, ran, waited, slept] = [spent.spanMs, spent.ranMs, spent.waitedMs, spent.sleptMs].map(Math.round)
  return `${texts[why]} (of ${span} ms it ran ${ran}, waited for a processor ${waited}, slept ${slept})`
}
