/** The states of a rotation, what may happen to it, and what a step gives. */
import type { SecretState } from '../../store/store.ts'

export type Phase =
  | 'idle'
  | 'minting'
  | 'looking'
  | 'testing'
  | 'canary'
  | 'draining'
  | 'revoking'
  | 'undoing'
  | 'person'

export interface Cycle {
  readonly phase: Phase
  readonly sinceMs: number
  /** When the next rotation begins (or, for a person, must be done); null = unknown, for want of a version. */
  readonly dueMs: number | null
  /** How its provider knows the key that is being made. */
  readonly label: string | null
  /** The version that is coming. */
  readonly next: number | null
  /** Versions that are to be revoked, oldest first. */
  readonly old: readonly number[]
  /** The provider's ids of versions, where it told them. */
  readonly ids: Readonly<Record<string, string>>
  /** Known ends of versions by their provider: dates of the calendar, and not of our clock. */
  readonly ends: Readonly<Record<string, number>>
  /** The newest version was accepted at least once: by a test, or by a live call. */
  readonly proven: boolean
  /** The old one is in wrong hands: no canary, no overlap. It stays so until another one has taken over. */
  readonly emergency: boolean
  /** The one that took over is in wrong hands as well: another one is made as soon as it has proven itself. */
  readonly isLeaked?: boolean
  /** A mint may be at the provider now. */
  readonly asked: boolean
  /** Mints in a row of which nobody knows what came of them; absent in states of before. */
  readonly lost?: number
  /** Tries of the deed at hand that came to nothing. */
  readonly tries: number
  /** Wall ms before which it is not tried again. */
  readonly againMs: number
  /** Calls that the new version answered in its canary. */
  readonly fine: number
  /** Calls with the new version that were forbidden (403) before one was answered; absent in states of before. */
  readonly forbidden?: number
  readonly why: string | null
  readonly doneMs: number | null
}

export type Fact =
  | { readonly kind: 'begin'; readonly label: string; readonly emergency: boolean }
  | { readonly kind: 'minted'; readonly version: number; readonly id: string | null; readonly endsMs: number | null }
  /** Saved before the provider is asked. */
  | { readonly kind: 'asking' }
  /** Proven not to have been made. */
  | { readonly kind: 'not-minted'; readonly why: string }
  | { readonly kind: 'mint-unknown'; readonly why: string }
  /** Nothing of ours is at the provider; `label` for the next try. */
  | { readonly kind: 'none-found'; readonly label: string }
  | { readonly kind: 'still-there'; readonly why: string }
  | { readonly kind: 'cannot-look'; readonly why: string }
  | { readonly kind: 'accepted' }
  | { readonly kind: 'not-accepted'; readonly why: string }
  /** Known, and may not: of one call that says nothing, for the old version may not either. */
  | { readonly kind: 'forbidden' }
  /** There is no test: the calls will tell. */
  | { readonly kind: 'untested' }
  | { readonly kind: 'test-unknown'; readonly why: string }
  | { readonly kind: 'canary-over' }
  | { readonly kind: 'drained' }
  | { readonly kind: 'revoked' }
  | { readonly kind: 'not-revoked'; readonly why: string }
  /** The provider offers no way to revoke it. */
  | { readonly kind: 'cannot-revoke' }
  /** What was made is ended at its provider, or cannot be ended there by us. */
  | { readonly kind: 'undone'; readonly ended: boolean }
  /** A person set a version; `left` are those that nobody ends at their provider now. */
  | {
      readonly kind: 'set'
      readonly version: number
      readonly endsMs: number | null
      readonly left: readonly number[]
    }

export interface Move {
  readonly version: number
  readonly state: SecretState
}
export interface Stepped {
  readonly cycle: Cycle
  readonly moves: readonly Move[]
  /** What people are told of it. */
  readonly note: { readonly kind: string; readonly message: string } | null
}
export interface StepContext {
  readonly nowMs: number
  /** The next due time, should this step end the rotation; null = nobody wants another. */
  readonly nextDueMs: number | null
  /** Versions that are active or draining now, oldest first. */
  readonly serving: readonly number[]
  /** No call goes out with it but by way of something else (a token): a share of calls would prove nothing. */
  readonly skipsCanary?: boolean
}

export const freshCycle = (nowMs: number, dueMs: number | null): Cycle => ({
  phase: 'idle',
  sinceMs: nowMs,
  dueMs,
  label: null,
  next: null,
  old: [],
  ids: {},
  ends: {},
  proven: false,
  emergency: false,
  asked: false,
  tries: 0,
  againMs: 0,
  fine: 0,
  why: null,
  doneMs: null,
})
