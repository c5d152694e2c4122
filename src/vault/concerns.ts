/** What a person should know or do about a credential, and when. Pure. */
import type { GrantView } from './oauth/grants.ts'
import type { Cycle } from './rotation/cycle.ts'

export interface Concern {
  readonly severity: 'warning' | 'critical'
  readonly what: string
  readonly wayOut: string
  readonly sinceMs: number
  /** Nobody is woken before it: who sets up a swarm is given time. */
  readonly wakesMs: number
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
  /** When it is to be replaced, in our time. */
  readonly dueMs: number | null
  readonly civilMs: number
  readonly warnBeforeMs: number
  readonly expiresMs: number | null
  readonly hasVersion: boolean
  /** Another of its pool can be used. */
  readonly hasOthers: boolean
  /** A credential of another account that goes for it where that is proven to be right; null = none. */
  readonly fallback: string | null
  readonly isCompromised: boolean
  /** There is one, but not as it was sealed. */
  readonly isTampered: boolean
  readonly grant: GrantView | null
}

const dayMs = 86_400_000
const days = [30, 14, 7, 3, 1]
/** A rotation that gets no further for this long is somebody's business. */
const stuckMs = 900_000
/** A swarm that is set up has its secrets by then. */
const setWithinMs = 120_000

/** The end by its provider's word; else the day by which a person wants it replaced, and only as early as was said. */
export const endingOf = ({ isAutomatic, expiresMs, dueMs, warnBeforeMs, hasVersion }: Looked): Ending | null => {
  if (!hasVersion) return null
  if (expiresMs !== null) return { endsMs: expiresMs, what: 'ends at its provider', toldDays: days }
  if (isAutomatic || dueMs === null) return null
  const told = days.filter((day) => day * dayMs <= warnBeforeMs)
  return { endsMs: dueMs, what: 'is to be replaced by hand', toldDays: told }
}

const missing = ({ name, cycle, isCompromised, isTampered, hasOthers, fallback }: Looked): Concern => {
  const instead = hasOthers
    ? 'others of its pool are used'
    : fallback === null
      ? 'whatever needs it is refused'
      : `what may go by another account goes by ${fallback}, the rest is refused`
  const isHarm = isCompromised || isTampered
  const [what, wayOut] = isCompromised
    ? ['compromised, and nothing is sent with it', 'sitter vault set']
    : isTampered
      ? [
          `was changed in gate.db without the vault's key: ${instead}`,
          'find out who wrote gate.db, then sitter vault set',
        ]
      : [`has no secret: ${instead}`, 'sitter vault set']
  return {
    severity: hasOthers && !isHarm ? 'warning' : 'critical',
    what,
    wayOut: `${wayOut} ${name}`,
    sinceMs: cycle.sinceMs,
    wakesMs: isHarm ? cycle.sinceMs : cycle.sinceMs + setWithinMs,
    isDue: false,
  }
}

const dueConcern = ({ name, warnBeforeMs, civilMs }: Looked, dueMs: number, nowMs: number): Concern => {
  const by = new Date(dueMs + civilMs).toISOString().slice(0, 10)
  return {
    severity: nowMs > dueMs ? 'critical' : 'warning',
    what: nowMs > dueMs ? `should have been replaced by ${by}` : `is to be replaced by ${by}`,
    wayOut: `make a new key at its provider, sitter vault set ${name}, then end the old one`,
    sinceMs: dueMs - warnBeforeMs,
    wakesMs: dueMs - warnBeforeMs,
    isDue: nowMs <= dueMs,
  }
}

/** Something that waits for a person now; null when nothing does. */
export const concernOf = (looked: Looked, nowMs: number): Concern | null => {
  const { name, cycle, isAutomatic, hasVersion, grant, warnBeforeMs } = looked
  const since = (sinceMs: number) => ({ sinceMs, wakesMs: sinceMs, isDue: false })
  if (!hasVersion) return missing(looked)
  if (grant?.state === 'quarantined')
    return {
      severity: 'critical',
      what: `quarantined: ${grant.why}`,
      wayOut: `sitter vault set ${name}`,
      ...since(grant.refreshedMs ?? nowMs),
    }
  if (cycle.phase === 'person')
    return {
      severity: 'warning',
      what: `its rotation waits for you: ${cycle.why}`,
      wayOut: isAutomatic
        ? `look for a key at its provider and end it, then sitter vault rotate ${name}`
        : `look at its provider which keys there are, then sitter vault set ${name}`,
      ...since(cycle.sinceMs),
    }
  const isStuck = cycle.why !== null && (cycle.phase === 'idle' || nowMs - cycle.sinceMs >= stuckMs)
  if (isAutomatic && isStuck)
    return {
      severity: 'warning',
      what: `its rotation gets no further (${cycle.phase}): ${cycle.why}`,
      wayOut: `sitter vault status ${name}; it is tried again by itself`,
      ...since(cycle.sinceMs),
    }
  const dueMs = isAutomatic ? null : looked.dueMs
  return dueMs === null || nowMs < dueMs - warnBeforeMs ? null : dueConcern(looked, dueMs, nowMs)
}
