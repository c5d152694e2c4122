/**
 * What a provider's limits are in a whole window, saved beside what is left of them: a new gate need not learn it anew.
 * Rows `quota`, by the name of the row that tells what is left.
 */
import { passedMs, type Stamp } from '../../std/std.ts'
import type { LimitRow } from '../../store/store.ts'

export interface Quota {
  readonly limit: number
  readonly windowMs: number
  /** Its windows begin with those of the provider's clock. */
  readonly isAligned: boolean
  /** Tokens that a call took of late; 0 = it is not counted in tokens. */
  readonly perCall: number
}

const prefix = 'quota\n'
const alignedEnd = '\naligned'
/** What was told longer ago may be another by now. */
const believedMs = 86_400_000
/** What calls take changes with each answer, and is saved when it has changed by more than this share. */
const worthShare = 0.2

const isSame = (one: Quota, other: Quota): boolean =>
  one.limit === other.limit &&
  one.windowMs === other.windowMs &&
  one.isAligned === other.isAligned &&
  Math.abs(one.perCall - other.perCall) <= worthShare * one.perCall

export class Quotas {
  /** As saved last, by the name of the row that tells what is left. */
  readonly #saved = new Map<string, Quota>()

  constructor(saved: readonly LimitRow[], now: Stamp) {
    for (const row of saved) {
      if (!row.name.startsWith(prefix) || row.strikes <= 0 || passedMs(now, row) > believedMs) continue
      const isAligned = row.name.endsWith(alignedEnd)
      const name = row.name.slice(prefix.length, isAligned ? -alignedEnd.length : undefined)
      this.#saved.set(name, { limit: row.strikes, windowMs: row.pauseMs, isAligned, perCall: row.aheadMs })
    }
  }

  of(name: string): Quota | undefined {
    return this.#saved.get(name)
  }

  /** Its row, where that is worth a write. */
  changed(name: string, quota: Quota | undefined, stamp: Stamp): readonly LimitRow[] {
    const before = this.#saved.get(name)
    if (quota === undefined || quota.limit === Infinity || (before !== undefined && isSame(before, quota))) return []
    this.#saved.set(name, quota)
    const { limit, windowMs, isAligned, perCall } = quota
    const own = `${prefix}${name}${isAligned ? alignedEnd : ''}`
    return [{ name: own, aheadMs: perCall, pauseMs: windowMs, strikes: limit, ...stamp }]
  }
}
