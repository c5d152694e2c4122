/** When rotations begin: with jitter, not two of a pool at once, and not in blackouts. Pure. */
import type { Blackout, RotationRule } from '../../model/model.ts'

const minuteMs = 60_000
const dayMs = 86_400_000

/** The next due time after a version became active; `chance` in [0, 1). */
export const dueAfter = (rule: RotationRule, activeMs: number, chance: number): number =>
  activeMs + rule.everyMs * (1 + rule.jitter * (2 * chance - 1))

/** Whether a plan holds: there is one, and it is not later than the rule allows now. */
export const isPlanned = (rule: RotationRule, activeMs: number, dueMs: number | null, nowMs: number): boolean =>
  dueMs !== null && dueMs <= Math.max(activeMs + rule.everyMs * (1 + rule.jitter), nowMs)

const isIn = ({ days, fromMinute, toMinute }: Blackout, day: number, minute: number): boolean => {
  if (fromMinute < toMinute) return days.includes(day) && minute >= fromMinute && minute < toMinute
  // Over midnight: the day is the one on which it begins.
  return (days.includes(day) && minute >= fromMinute) || (days.includes((day + 6) % 7) && minute < toMinute)
}

const isDark = (blackouts: readonly Blackout[], atMs: number): boolean => {
  const days = Math.floor(atMs / dayMs)
  // 1970-01-01 was a Thursday.
  return blackouts.some((one) => isIn(one, (days + 4) % 7, Math.floor((atMs - days * dayMs) / minuteMs)))
}

/** The first moment from `atMs` on outside all blackouts; `atMs` + 8 days when they leave none. */
export const outsideBlackouts = (blackouts: readonly Blackout[], atMs: number): number => {
  if (blackouts.length === 0) return atMs
  for (let minute = 0; minute < 8 * 1_440; minute += 1) {
    const candidateMs = minute === 0 ? atMs : Math.ceil(atMs / minuteMs) * minuteMs + (minute - 1) * minuteMs
    if (!isDark(blackouts, candidateMs)) return candidateMs
  }
  return atMs + 8 * dayMs
}

/** What other members of the pool say: when they were done last, and whether one is at it. */
export interface Neighbour {
  readonly busy: boolean
  readonly doneMs: number | null
}

/** When a rotation that is due may begin; null = not while a neighbour is at it. */
export const mayBeginAt = (rule: RotationRule, dueMs: number, neighbours: readonly Neighbour[]): number | null => {
  if (neighbours.some(({ busy }) => busy)) return null
  const gapMs = Math.max(dueMs, ...neighbours.map(({ doneMs }) => (doneMs === null ? 0 : doneMs + rule.gapMs)))
  return outsideBlackouts(rule.blackouts, gapMs)
}
