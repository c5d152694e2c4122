/** What is held of one OAuth grant: saved, sealed, and only in memory; and what people may see of it. */
import type { Cancel } from '../../std/std.ts'

export interface GrantView {
  readonly state: 'empty' | 'fresh' | 'expired' | 'quarantined'
  readonly expiresMs: number | null
  readonly refreshedMs: number | null
  readonly why: string | null
}
/** Saved; the tokens themselves are a sealed row beside it, `name+oauth`. */
export interface Saved {
  /** Version of the secret that the grant stands on. */
  readonly of: number
  readonly expiresMs: number | null
  readonly lifeMs: number | null
  readonly refreshedMs: number
  readonly quarantined: string | null
}
export interface Tokens {
  readonly access: string
  readonly refresh: string | null
}
export interface Refusal {
  /** The secret that a person is to look at: the grant's own, or that of its client. */
  readonly subject: string
  readonly why: string
  readonly sinceMs: number
}
export interface Grant {
  saved: Saved | undefined
  /** In the clear only while it is used: of the access token alone. */
  access: string | undefined
  /** Of the version before, for calls that were let out with that. */
  former: { readonly of: number; readonly access: string; readonly untilMs: number } | undefined
  flight: { readonly of: number; readonly access: Promise<string> } | undefined
  /** A request that tries another secret of its client; nothing is asked for beside it. */
  trial: Promise<unknown> | undefined
  cancel: Cancel
  failures: number
  /** Before it (monotonic) no call makes us ask again. */
  againMs: number
  why: string | null
  /** Its server says no, and not to the grant. */
  refused: Refusal | undefined
  /** Somebody else wrote where it stands. */
  isDoubted: boolean
}

export const emptyGrant = (): Grant => ({
  saved: undefined,
  access: undefined,
  former: undefined,
  flight: undefined,
  trial: undefined,
  cancel: () => {},
  failures: 0,
  againMs: -Infinity,
  why: null,
  refused: undefined,
  isDoubted: false,
})

export const quarantinedAs = (of: number, refreshedMs: number, why: string): Saved => ({
  of,
  expiresMs: null,
  lifeMs: null,
  refreshedMs,
  quarantined: why,
})

/** `of` is the version of the secret that is in use; a grant that stands on another one is none. */
export const viewOf = ({ saved, why }: Grant, of: number | undefined, nowMs: number): GrantView => {
  if (saved === undefined || saved.of !== of) return { state: 'empty', expiresMs: null, refreshedMs: null, why }
  const { expiresMs, refreshedMs, quarantined } = saved
  const isOver = expiresMs !== null && expiresMs <= nowMs
  const state = quarantined !== null ? 'quarantined' : isOver ? 'expired' : 'fresh'
  return { state, expiresMs, refreshedMs, why: quarantined ?? why }
}
