/**
 * The time that a start may take, counted in time that was its own: not while this sitter stood still, nor while its
 * process waited for a processor. A host that is crowded makes starts late, and none of them failed. Bound: ten times
 * the time on the wall, whatever the host did. A sitter that does not see itself ends nobody, and waits on.
 */
import { ownMs, spentBetween, type Cancel, type Clock, type Effort } from '../std/std.ts'

const mostTimes = 10
const longestTickMs = 1_000
/** A tick this late is the loop's own unrest; a later one says that we stood still. */
const restlessMs = 500

/** How a cell is told of it: the time, and how any process is looked at. */
export interface StartTime {
  readonly withinMs: number
  readonly effort: (pid: number) => Effort | undefined
  /** Whether the sitter sees its own beats; it does where nobody says. */
  readonly seesItself?: (() => boolean) | undefined
}

export interface StartAsk {
  readonly withinMs: number
  /** What the process of the start has done with its time; undefined = not seen. */
  readonly effort: () => Effort | undefined
  readonly seesItself?: (() => boolean) | undefined
}

/** `late` is called once, unless it was cancelled before. */
export const startDeadline = (clock: Clock, { withinMs, effort, seesItself }: StartAsk, late: () => void): Cancel => {
  const beganMs = clock.monoMs()
  const tickMs = Math.min(longestTickMs, withinMs / 4)
  let usedMs = 0
  let before = { atMs: beganMs, seen: effort() }
  let cancel: Cancel = () => {}
  const look = (): void => {
    const now = { atMs: clock.monoMs(), seen: effort() }
    const passedMs = now.atMs - before.atMs
    const spent = spentBetween(before.seen, now.seen, passedMs)
    const awakeMs = passedMs > tickMs + restlessMs ? tickMs : passedMs
    usedMs += Math.min(awakeMs, spent === undefined ? awakeMs : ownMs(spent))
    before = now
    const leftMs = Math.min(withinMs - usedMs, mostTimes * withinMs - (now.atMs - beganMs))
    const isBlind = leftMs <= 0 && seesItself?.() === false
    // Its hello may lie unread: once more around the loop.
    if (leftMs <= 0 && !isBlind) cancel = clock.timer(0, late)
    else cancel = clock.timer(isBlind ? tickMs : Math.min(tickMs, Math.max(1, leftMs)), look)
  }
  cancel = clock.timer(Math.min(tickMs, withinMs), look)
  return () => cancel()
}
