/** What a rule remembers, as text in the record: the step it is on, not the outcomes it was counting. */
import type { Stamp } from '../../std/std.ts'
import { remainingMs } from '../../std/std.ts'
import { freshRule, type RuleState } from './decide.ts'

export const saveRule = ({ mode, trips, holdMs, nextMs, probation }: RuleState, now: Stamp): string =>
  JSON.stringify({ at: now, mode, trips, holdMs, waitMs: nextMs === null ? null : nextMs - now.monoMs, probation })

type Loose = Readonly<Record<string, unknown>>
const isAmount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0

const stampOf = (value: unknown): Stamp | undefined => {
  const { wallMs, monoMs, bootId } = (value ?? {}) as Loose
  return typeof wallMs === 'number' && typeof monoMs === 'number' && typeof bootId === 'string'
    ? { wallMs, monoMs, bootId }
    : undefined
}

const objectOf = (text: string): Loose | undefined => {
  try {
    const value = JSON.parse(text) as unknown
    return typeof value === 'object' && value !== null ? (value as Loose) : undefined
  } catch {
    return undefined
  }
}

/**
 * Goes on where the last sitter was, and waits no longer than it would have. Undefined when the text is not what
 * `saveRule` writes: then the mode of the row is kept for its first hold, for nobody knows that it is well.
 */
export const readRule = (text: string, now: Stamp): RuleState | undefined => {
  const value = objectOf(text)
  const at = stampOf(value?.['at'])
  if (value === undefined || at === undefined) return undefined
  const { mode, trips, holdMs, waitMs, probation } = value
  if (mode !== 'active' && mode !== 'throttled' && mode !== 'parked') return undefined
  if (!isAmount(trips) || !isAmount(holdMs) || !(waitMs === null || typeof waitMs === 'number')) return undefined
  const leftMs = waitMs === null ? null : remainingMs(now, at, Math.max(0, waitMs))
  const nextMs = leftMs === null ? null : now.monoMs + leftMs
  return { ...freshRule, mode, trips, holdMs, nextMs, probation: probation === true }
}

/** A person's word for a time, by the clock that does not jump. */
export const saveUntil = (set: Stamp, forMs: number): string => JSON.stringify({ set, forMs })
export const leftOfWord = (text: string, now: Stamp): number | undefined => {
  const value = objectOf(text)
  const set = stampOf(value?.['set'])
  return set !== undefined && isAmount(value?.['forMs']) ? remainingMs(now, set, value['forMs']) : undefined
}
