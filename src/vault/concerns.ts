/** What a person should know or do about a credential, and when. Pure. */
import type { GrantView, Refusal } from './oauth/grants.ts'
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
  readonly overlapMs: number
  readonly expiresMs: number | null
  /** How long before that a new version is made by itself; null = by nobody. */
  readonly spareMs: number | null
  readonly hasVersion: boolean
  /** Another of its pool can be used. */
  readonly hasOthers: boolean
  /** A credential of another account that goes for it where that is proven to be right; null = none. */
  readonly fallback: string | null
  readonly isCompromised: boolean
  /** There is one, but not as it was sealed. */
  readonly isTampered: boolean
  readonly grant: GrantView | null
  /** What a token server says against it. */
  readonly refusal: Refusal | null
}

const dayMs = 86_400_000
const days = [30, 14, 7, 3, 1]
/** A rotation that gets no further for this long is somebody's business. */
const stuckMs = 900_000
/** An old version that is not ended so long after its overlap is somebody's business. */
const heldMs = 3_600_000
/** A swarm that is set up has its secrets by then. */
const setWithinMs = 120_000

/**
 * The end by its provider's word; else the day by which a person wants it replaced, and only as early as was said. What
 * is replaced by itself before its end is told of only when that is late.
 */
export const endingOf = (looked: Looked): Ending | null => {
  const { isAutomatic, expiresMs, spareMs, dueMs, warnBeforeMs, hasVersion } = looked
  if (!hasVersion) return null
  if (expiresMs !== null) {
    const toldDays = spareMs === null ? days : days.filter((day) => day * dayMs < spareMs)
    return { endsMs: expiresMs, what: 'ends at its provider', toldDays }
  }
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

/** What replaces itself, and is near its end all the same. */
const lateConcern = ({ name, cycle, expiresMs, spareMs, civilMs }: Looked, nowMs: number): Concern | null => {
  if (expiresMs === null || spareMs === null || nowMs < expiresMs - spareMs / 4) return null
  const atMs = expiresMs - spareMs / 4
  const by = new Date(expiresMs + civilMs).toISOString()
  const ends = nowMs < expiresMs ? 'ends' : 'has ended'
  return {
    severity: 'critical',
    what: `${ends} at its provider (${by}), and its rotation is late (${cycle.phase})`,
    wayOut: `sitter vault status; sitter vault set ${name} takes a key that was made by hand`,
    sinceMs: atMs,
    wakesMs: atMs,
    isDue: false,
  }
}

/** Why a rotation gets no further; null when it does. */
const stuckConcern = ({ name, cycle, overlapMs }: Looked, nowMs: number): Concern | null => {
  const { phase, why, sinceMs, emergency } = cycle
  const since = { sinceMs, wakesMs: sinceMs, isDue: false }
  const isStuck = why !== null && (phase === 'idle' || emergency || nowMs - sinceMs >= stuckMs)
  if (isStuck)
    return {
      severity: emergency ? 'critical' : 'warning',
      what: `${emergency ? 'is in wrong hands, and ' : ''}its rotation gets no further (${phase}): ${why}`,
      wayOut: `sitter vault status; it is tried again by itself`,
      ...since,
    }
  if (phase !== 'draining' || nowMs - sinceMs < overlapMs + heldMs) return null
  const old = cycle.old.map((version) => `${name}@${version}`).join(', ')
  return {
    severity: 'warning',
    what: cycle.proven
      ? `${old} is not ended: a call, or a WebSocket, that began with it is still open`
      : `${old} is not ended: nothing has used ${name}@${cycle.next} since it took over, so nobody knows that it works`,
    wayOut: cycle.proven
      ? `end what holds it, or sitter vault rotate ${name} --compromised, which waits for nobody`
      : `make a call with ${name}, or give its rotation a test`,
    ...since,
  }
}

/** What a token server says no to; the grant itself is as good as before. */
const refusalConcern = ({ name, grant, refusal }: Looked): Concern | null =>
  refusal === null
    ? null
    : {
        severity: 'critical',
        what: `gets no token: ${refusal.why}`,
        wayOut:
          grant === null
            ? `sitter vault set ${name}, with the secret that the client has there`
            : 'look at its oauth in the configuration, and at its client at the server',
        sinceMs: refusal.sinceMs,
        wakesMs: refusal.sinceMs,
        isDue: false,
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
      severity: cycle.emergency ? 'critical' : 'warning',
      what: `its rotation waits for you: ${cycle.why}`,
      wayOut: isAutomatic
        ? `look for a key at its provider and end it, then sitter vault rotate ${name}`
        : `look at its provider which keys there are, then sitter vault set ${name}`,
      ...since(cycle.sinceMs),
    }
  const other = refusalConcern(looked) ?? lateConcern(looked, nowMs)
  if (other !== null) return other
  const stuck = isAutomatic ? stuckConcern(looked, nowMs) : null
  if (stuck !== null) return stuck
  const dueMs = isAutomatic ? null : looked.dueMs
  return dueMs === null || nowMs < dueMs - warnBeforeMs ? null : dueConcern(looked, dueMs, nowMs)
}
