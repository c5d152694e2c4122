/** What a person should know or do about a credential, and when. Pure. */
import type { GrantView } from './oauth/grants.ts'
import type { Cycle } from './rotation/cycle.ts'

export interface Concern {
  readonly severity: 'warning' | 'critical'
  readonly what: string
  readonly wayOut: string
  readonly sinceMs: number
  /** It is only that its day comes: `Ending` tells of that, too. */
  readonly isDue: boolean
}
/** An end that comes, and how long before it people are told: once at each. */
export interface Ending {
  readonly endsMs: number
  readonly what: string
  readonly toldDays: readonly number[]
}

export interface Looked {
  readonly name: string
  readonly cycle: Cycle
  readonly isAutomatic: boolean
  readonly warnBeforeMs: number
  readonly expiresMs: number | null
  readonly hasVersion: boolean
  readonly isCompromised: boolean
  readonly grant: GrantView | null
}

const dayMs = 86_400_000
const days = [30, 14, 7, 3, 1]
/** A rotation that gets no further for this long is somebody's business. */
const stuckMs = 900_000

/** The end by its provider's word; else the day by which a person wants it replaced, and only as early as was said. */
export const endingOf = ({ isAutomatic, expiresMs, cycle, warnBeforeMs, hasVersion }: Looked): Ending | null => {
  if (!hasVersion) return null
  if (expiresMs !== null) return { endsMs: expiresMs, what: 'ends at its provider', toldDays: days }
  if (isAutomatic || cycle.dueMs === null) return null
  const told = days.filter((day) => day * dayMs <= warnBeforeMs)
  return { endsMs: cycle.dueMs, what: 'is to be replaced by hand', toldDays: told }
}

/** Something that waits for a person now; null when nothing does. */
export const concernOf = (looked: Looked, nowMs: number): Concern | null => {
  const { name, cycle, isAutomatic, hasVersion, isCompromised, grant, warnBeforeMs } = looked
  const set = `sitter vault set ${name}`
  if (grant?.state === 'quarantined')
    return {
      severity: 'critical',
      what: `quarantined: ${grant.why}`,
      wayOut: set,
      sinceMs: grant.refreshedMs ?? nowMs,
      isDue: false,
    }
  if (!hasVersion)
    return isCompromised
      ? {
          severity: 'critical',
          what: 'compromised, and nothing is sent with it',
          wayOut: set,
          sinceMs: cycle.sinceMs,
          isDue: false,
        }
      : null
  if (cycle.phase === 'person')
    return {
      severity: 'warning',
      what: `its rotation waits for you: ${cycle.why}`,
      wayOut: isAutomatic
        ? `look for a key at its provider and end it, then sitter vault rotate ${name}`
        : `look at its provider which keys there are, then ${set}`,
      sinceMs: cycle.sinceMs,
      isDue: false,
    }
  const isStuck = cycle.why !== null && (cycle.phase === 'idle' || nowMs - cycle.sinceMs >= stuckMs)
  if (isAutomatic && isStuck)
    return {
      severity: 'warning',
      what: `its rotation gets no further (${cycle.phase}): ${cycle.why}`,
      wayOut: `sitter vault status ${name}; it is tried again by itself`,
      sinceMs: cycle.sinceMs,
      isDue: false,
    }
  const dueMs = isAutomatic ? null : cycle.dueMs
  if (dueMs === null || nowMs < dueMs - warnBeforeMs) return null
  const by = new Date(dueMs).toISOString().slice(0, 10)
  const what = nowMs > dueMs ? `should have been replaced by ${by}` : `is to be replaced by ${by}`
  return {
    severity: nowMs > dueMs ? 'critical' : 'warning',
    what,
    wayOut: `make a new key at its provider, ${set}, then end the old one`,
    sinceMs: dueMs - warnBeforeMs,
    isDue: nowMs <= dueMs,
  }
}
