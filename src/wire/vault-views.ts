/** What the gate tells of its vault: the answers of `vault.list` and `vault.notes` (link.ts). No secret is in them. */
/**
 * Value of `vault.list`: never a secret. `sealingKey` is the gate's X25519 public key (base64, raw 32 bytes) that
 * secrets are sealed to.
 */
export interface VaultView {
  readonly sealingKey: string
  readonly credentials: readonly {
    readonly name: string
    readonly version: number
    readonly state: string
    readonly fingerprint: string
    readonly setMs: number
    readonly usedMs: number | null
  }[]
  readonly renewals: readonly RenewalView[]
  readonly fallbacks: readonly FallbackView[]
  readonly vault: {
    /** `file`, `passphrase` or `age`. */
    readonly keyKind: string
    /** Tells keys apart, and opens nothing. */
    readonly keyCheck: string
    /** How often sealed rows were changed; `outside: unknown` = an older copy of gate.db would not be noticed. */
    readonly changes: number
    readonly outside: 'kept' | 'unknown'
    /** Rows that somebody without the key has changed, removed or added. */
    readonly faults: readonly {
      readonly name: string
      readonly version: number
      readonly fault: 'changed' | 'removed' | 'added'
    }[]
  }
}
/** A credential that has another account behind it, and by which of the two calls go that may go by either. */
export interface FallbackView {
  readonly credential: string
  readonly account: string | null
  readonly fallback: string
  readonly fallbackAccount: string | null
  /** The one that the next call goes by; null = neither serves. */
  readonly by: string | null
  /** Since when calls go by the fallback; null = none did yet. */
  readonly sinceMs: number | null
  /** Why not by its own account; null = it serves. */
  readonly why: string | null
}
/** How a secret renews itself, and where it is with that. */
export interface RenewalView {
  readonly name: string
  /** The credential of the configuration that it belongs to. */
  readonly credential: string
  /** Whether something rotates it by itself; else a person does. */
  readonly automatic: boolean
  readonly phase: 'idle' | 'minting' | 'looking' | 'testing' | 'canary' | 'draining' | 'revoking' | 'undoing' | 'person'
  readonly sinceMs: number
  /** When the next rotation begins, or has to be done by a person; null = unknown. */
  readonly dueMs: number | null
  /** The end of the version in use by its provider's word; null = it told none. */
  readonly expiresMs: number | null
  readonly warnBeforeMs: number
  readonly active: number | null
  readonly next: number | null
  readonly old: readonly number[]
  /** Calls that hold each version right now. */
  readonly inUse: Readonly<Record<string, number>>
  readonly doneMs: number | null
  readonly why: string | null
  /** 0 = nothing was refused lately; from 1,000 on it rests. */
  readonly burden: number
  readonly grant: {
    readonly state: 'empty' | 'fresh' | 'expired' | 'quarantined'
    readonly expiresMs: number | null
    readonly refreshedMs: number | null
    readonly why: string | null
  } | null
  /** What a person should do about it now. */
  readonly concern: {
    readonly severity: 'warning' | 'critical'
    readonly what: string
    readonly wayOut: string
    readonly sinceMs: number
    /** Nobody is woken before it. */
    readonly wakesMs: number
    /** Only that its day comes, of which `ending` tells too. */
    readonly isDue: boolean
  } | null
  /** An end that comes, and how many days before it people are told. */
  readonly ending: { readonly endsMs: number; readonly what: string; readonly toldDays: readonly number[] } | null
}
/** One of `vault.notes`. */
export interface VaultNote {
  readonly number: number
  readonly wallMs: number
  readonly kind: string
  readonly subject: string
  readonly message: string
}
