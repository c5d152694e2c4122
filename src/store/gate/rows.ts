/** Rows of gate.db as plain values. Times are wall ms unless a name says otherwise. */

/** A call about to be sent; it is durable before its first byte leaves. */
export interface NewCall {
  /** `grn_…` of a granted request; null for an agent's own call. */
  readonly grant: string | null
  readonly subject: string | null
  readonly agent: string | null
  readonly cell: string | null
  readonly upstream: string
  readonly method: string
  /** Path without query: queries may carry personal data. */
  readonly path: string
  readonly hash: string | null
  readonly credential: string | null
  readonly version: number | null
  readonly epoch: number
  readonly begunMs: number
  readonly waitedMs: number
  /** Where it goes. */
  readonly host: string | null
  /** Of a use of a secret: it was let, or it was not. Null when no secret is used. */
  readonly decision: 'allowed' | 'refused' | null
  /** The most that it may cost, as text; null when that is nothing. */
  readonly reserved: string | null
  /** Hash of what an agent's call is known by; the next one of the same keeps its credential while this one is open. */
  readonly key?: string | null
  /** The account at the provider by which it goes, where its key is to stay with it. */
  readonly account?: string | null
  /** Secrets of the same account: a key that is bound to others is refused. Nothing is looked at when absent. */
  readonly members?: readonly string[]
}
/** A call of the same key that may have had its effect, and by which account. */
export interface BoundRow {
  readonly account: string
  readonly credential: string
}
/** What a call has spent: in budgets, and in the totals of its agent and upstream. Amounts are trillionths. */
export interface CallSpent {
  readonly agent: string | null
  readonly upstream: string
  readonly currency: string
  /** When it began. */
  readonly atMs: number
  readonly endedMs: number
  /** Null when it is not known. */
  readonly known: bigint | null
  /** What it counts as: the same, or the most that it may have been. */
  readonly counted: bigint
  readonly places: readonly SpentIn[]
}
/** One owner's window of one budget. */
export interface SpentIn {
  readonly budget: string
  readonly owner: string
  readonly windowMs: number
  readonly endsMs: number
  /** Who reaches these is noted. */
  readonly warnAt: bigint
  readonly most: bigint
}
/** Amounts are trillionths. */
export interface CostSum {
  readonly currency: string
  /** Of calls whose cost is known. */
  readonly known: bigint
  /** The same, and what the others count as. */
  readonly counted: bigint
  readonly calls: number
  readonly unknown: number
}
export interface CostsAsk {
  readonly by: 'agent' | 'type' | 'upstream'
  /** 0 = all that there ever was. */
  readonly sinceMs: number
  readonly nowMs: number
  readonly limit: number
  readonly offset: number
}
export interface CostsRead {
  /** Beginning of the hour or day from which on all is counted. */
  readonly fromMs: number
  readonly totals: readonly CostSum[]
  /** The dearest first; the owner '' = nobody's. */
  readonly items: readonly (CostSum & { readonly owner: string })[]
  readonly more: boolean
}
export interface SpentSum {
  readonly budget: string
  readonly owner: string
  readonly windowMs: number
  readonly spent: bigint
}
export interface CallEnd {
  readonly ended: 'answered' | 'not-sent' | 'lost'
  readonly status: number | null
  /** The outcome as told to the sitter, JSON; null for an agent's own call. */
  readonly outcome: string | null
  readonly sentMs: number | null
  readonly tookMs: number | null
  /** Money text; `unknown`; null when it was not sent, or costs nothing. */
  readonly cost: string | null
  /** Written with it; not read back. */
  readonly spent?: CallSpent | null
}
export interface CallRow extends NewCall {
  readonly journal: number
  readonly end: CallEnd | null
  readonly acked: boolean
}

/**
 * State of one limit or one pause, relative to its stamp, so that it means the same after a restart and after a reboot.
 */
export interface LimitRow {
  readonly name: string
  readonly aheadMs: number
  readonly pauseMs: number
  readonly strikes: number
  readonly wallMs: number
  readonly monoMs: number
  readonly bootId: string
}

/**
 * `staged` is not used yet, or by a few calls that try it; `draining` only by calls that were under way; `retired` by
 * nobody, but its provider still takes it; `revoked` and `compromised` are over.
 */
export type SecretState = 'staged' | 'active' | 'draining' | 'retired' | 'revoked' | 'compromised'

export interface SecretRow {
  readonly name: string
  readonly version: number
  readonly state: SecretState
  readonly sealed: Uint8Array
  readonly fingerprint: string
  readonly setMs: number
  readonly usedMs: number | null
  readonly actor: string
}

/** A machine that renews a credential, saved as JSON. */
export interface MachineRow {
  readonly kind: string
  readonly name: string
  readonly state: string
}
/** Something that happened to a credential, for the sitter's record. */
export interface Note {
  readonly wallMs: number
  readonly kind: string
  readonly subject: string
  readonly message: string
}
/** Nobody took them for so long that older ones are no news. */
export const mostNotes = 10_000
export interface NoteRow extends Note {
  readonly number: number
}
/** One change of what renews itself. */
export interface Renewal {
  readonly add: readonly SecretRow[]
  readonly moves: readonly { readonly name: string; readonly version: number; readonly state: SecretState }[]
  /** Versions below a number are of no use to anybody any more. */
  readonly drops: readonly { readonly name: string; readonly below: number }[]
  readonly machines: readonly MachineRow[]
  readonly notes: readonly Note[]
}

/** How many calls of an upstream ended how; `status` is null unless it answered. */
export interface CallCount {
  readonly upstream: string
  readonly ended: string
  readonly status: number | null
  readonly count: number
}

/** A mode that is set, as the gate was told. */
export interface ModeSetRow {
  readonly target: string
  readonly mode: string
  readonly reason: string
}
/** A call that was not sent because of a mode of shadow. */
export interface NewShadowed {
  readonly atMs: number
  readonly agent: string | null
  readonly upstream: string
  readonly method: string
  readonly path: string
  readonly bodyBytes: number | null
  readonly target: string
}
export interface ShadowedRow extends NewShadowed {
  readonly number: number
}
