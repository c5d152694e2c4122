/**
 * When rotations begin: with jitter, not two of a pool at once, not in blackouts, and before a version ends by its
 * provider's word. Pure. Times are ours (decision 0029) but for blackouts, which are days and hours of people: what is
 * added to our time to come to theirs is `civilMs`.
 */
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
export const outsideBlackouts = (blackouts: readonly Blackout[], atMs: number, civilMs = 0): number => {
  if (blackouts.length === 0) return atMs
  const fromMs = atMs + civilMs
  for (let minute = 0; minute < 8 * 1_440; minute += 1) {
    const candidateMs = minute === 0 ? fromMs : Math.ceil(fromMs / minuteMs) * minuteMs + (minute - 1) * minuteMs
    if (!isDark(blackouts, candidateMs)) return candidateMs - civilMs
  }
  return atMs + 8 * dayMs
}

/** The version in use; `endsMs` by its provider's word, in our time; null = it told none. */
export interface Standing {
  readonly setMs: number
  readonly endsMs: number | null
}

/** How long before its end a version is replaced: as people are warned, but at most a third of its life. */
export const spareMs = (rule: RotationRule, { setMs }: Standing, endsMs: number): number =>
  Math.max(0, Math.min(rule.warnBeforeMs, (endsMs - setMs) / 3))

/** When a version is due: as planned, or earlier when it would end before. A person has until the end itself. */
export const dueOf = (
  rule: RotationRule,
  dueMs: number | null,
  standing: Standing,
  isAutomatic: boolean,
): number | null => {
  const { endsMs } = standing
  if (endsMs === null) return dueMs
  const byMs = isAutomatic ? endsMs - spareMs(rule, standing, endsMs) : endsMs
  return dueMs === null ? byMs : Math.min(dueMs, byMs)
}

/** What other members of the pool say: when they were done last, and whether one is at it. */
export interface Neighbour {
  readonly busy: boolean
  readonly doneMs: number | null
}

export interface Asked {
  readonly dueMs: number
  readonly standing: Standing
  readonly neighbours: readonly Neighbour[]
  readonly civilMs: number
}

/**
 * When a rotation that is due may begin; null = not while a neighbour is at it. A version that ends soon waits neither
 * for neighbours nor for the end of a blackout: a pool that has lost a key is worse than two that change at once.
 */
export const mayBeginAt = (rule: RotationRule, { dueMs, standing, neighbours, civilMs }: Asked): number | null => {
  const { endsMs } = standing
  const latestMs = endsMs === null ? Infinity : endsMs - spareMs(rule, standing, endsMs) / 2
  const isBusy = neighbours.some(({ busy }) => busy)
  if (isBusy) return latestMs === Infinity ? null : latestMs
  const gapMs = Math.max(dueMs, ...neighbours.map(({ doneMs }) => (doneMs === null ? 0 : doneMs + rule.gapMs)))
  return Math.min(latestMs, outsideBlackouts(rule.blackouts, gapMs, civilMs))
}
