/** What people may see of a credential's renewal: never a secret. */
import type { SecretRow } from '../store/store.ts'
import { concernOf, endingOf, type Concern, type Ending, type Looked } from './concerns.ts'
import { burden, type Health } from './health.ts'
import type { GrantView, Refusal } from './oauth/grants.ts'
import type { Cycle, Phase } from './rotation/cycle.ts'
import type { CredentialRule } from './port.ts'

export interface RenewalView {
  /** The secret, and the credential of the configuration that it belongs to. */
  readonly name: string
  readonly credential: string
  readonly automatic: boolean
  readonly phase: Phase
  readonly sinceMs: number
  /** When the next rotation begins, or has to be done by a person; null = no version, or not known. */
  readonly dueMs: number | null
  /** When the version in use ends by its provider's word; null = it told none. */
  readonly expiresMs: number | null
  readonly warnBeforeMs: number
  readonly active: number | null
  readonly next: number | null
  readonly old: readonly number[]
  /** Calls that hold each version right now. */
  readonly inUse: Readonly<Record<string, number>>
  readonly doneMs: number | null
  /** What went wrong last, while it matters. */
  readonly why: string | null
  /** 0 = nothing was refused lately; from 1,000 on it rests. */
  readonly burden: number
  readonly grant: GrantView | null
  readonly concern: Concern | null
  readonly ending: Ending | null
}

export interface Seen {
  readonly name: string
  readonly rule: CredentialRule
  readonly cycle: Cycle
  readonly dueMs: number | null
  readonly endsMs: number | null
  /** How long before it a new version is made by itself; null = by nobody. */
  readonly spareMs: number | null
  /** What is added to our time to come to the date of the calendar. */
  readonly civilMs: number
  readonly isAutomatic: boolean
  readonly rows: readonly SecretRow[]
  /** The version in use, when there is one that is what was sealed. */
  readonly usable: SecretRow | undefined
  readonly hasOthers: boolean
  readonly inUse: (version: number) => number
  readonly health: Health
  readonly grant: GrantView | null
  readonly refusal: Refusal | null
  readonly nowMs: number
}

export const viewOf = (seen: Seen): RenewalView => {
  const {
    name,
    rule,
    cycle,
    dueMs,
    endsMs: expiresMs,
    spareMs,
    civilMs,
    isAutomatic,
    rows,
    usable,
    hasOthers,
    inUse,
    health,
    grant,
    refusal,
    nowMs,
  } = seen
  const active = usable?.version ?? null
  const warnBeforeMs = rule.rotation?.warnBeforeMs ?? 0
  const looked: Looked = {
    name,
    cycle,
    isAutomatic,
    warnBeforeMs,
    overlapMs: rule.rotation?.overlapMs ?? 0,
    dueMs,
    civilMs,
    expiresMs,
    spareMs,
    hasVersion: active !== null,
    hasOthers,
    fallback: rule.fallback ?? null,
    isTampered: active === null && rows.some(({ state }) => state === 'active'),
    isCompromised: rows.at(-1)?.state === 'compromised',
    grant,
    refusal,
  }
  const used = rows.map(({ version }) => [String(version), inUse(version)] as const).filter(([, count]) => count > 0)
  return {
    name,
    credential: rule.name,
    automatic: isAutomatic,
    phase: cycle.phase,
    sinceMs: cycle.sinceMs,
    dueMs,
    expiresMs,
    warnBeforeMs,
    active,
    next: cycle.next,
    old: cycle.old,
    inUse: Object.fromEntries(used),
    doneMs: cycle.doneMs,
    why: cycle.why,
    burden: burden(health, nowMs),
    grant,
    concern: concernOf(looked, nowMs),
    ending: endingOf(looked),
  }
}
