/**
 * Commands of access and change: tokens of people and programs, writes that are done once, versions of the
 * configuration.
 */
import type { Defined } from './result.ts'

export interface NewToken {
  /** `tok_…` */
  readonly id: string
  /** Unique among tokens that are not revoked; the actor of its deeds is `token:<name>`. */
  readonly name: string
  readonly role: string
  /** SHA-256 hex of the token's text; the text itself is never stored. */
  readonly hash: string
  readonly expiresMs: number | null
}
/** Refused `exists` when a token of that name lives. */
export type TokenCreate = Defined<
  'token.create',
  { readonly token: NewToken; readonly actor: string; readonly wallMs: number },
  null
>
/** Refused `not-found` when there is none, `illegal` when it was revoked before. */
export type TokenRevoke = Defined<'token.revoke', { readonly id: string; readonly wallMs: number }, null>
/** Notes when a token was last used; a time older than the one known changes nothing. */
export type TokenUsed = Defined<'token.used', { readonly id: string; readonly wallMs: number }, null>

/**
 * Notes that a write with an Idempotency-Key begins. Refused `exists` when the same request began or was answered
 * before, `exists-with-different` for another one.
 */
export type RequestBegin = Defined<
  'request.begin',
  { readonly key: string; readonly requestHash: string; readonly untilMs: number; readonly wallMs: number },
  null
>
/** Forgets a write that began and was refused, so that the key may try again; one that was answered stays. */
export type RequestForget = Defined<'request.forget', { readonly key: string; readonly requestHash: string }, null>

export interface NewConfigVersion {
  /** SHA-256 hex of the canonical JSON of `raw`. */
  readonly hash: string
  readonly file: string
  readonly baseDirectory: string
  /** The value as JSON text. */
  readonly raw: string
  /** What changed since the version before, one line each. */
  readonly changes: readonly string[]
}
/** Takes the next number. Refused `exists` when the newest version has this hash already. */
export type ConfigAdd = Defined<
  'config.add',
  { readonly version: NewConfigVersion; readonly actor: string; readonly wallMs: number },
  { readonly version: number }
>

export type AccessCommand = TokenCreate | TokenRevoke | TokenUsed | RequestBegin | RequestForget | ConfigAdd
