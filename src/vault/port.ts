/** What the vault is to the rest of its room: sealed versions by name, opened just for one call. */
import type { CredentialScope, RotationRule, Signing, SwitchOn } from '../model/model.ts'
import type { Renewal, SecretRow, SecretState } from '../store/store.ts'
import type { HeadFault, MachineFault } from './head.ts'
import type { KeyKind } from './keys/record.ts'
import type { Rekeyed } from './rekey.ts'

export interface CredentialVersion {
  readonly name: string
  readonly version: number
}
export interface CredentialRule {
  readonly name: string
  readonly pool: readonly string[]
  /** As a bearer when absent. */
  readonly signing?: Signing
  /** Never when absent. */
  readonly rotation?: RotationRule
  readonly switchOn?: readonly SwitchOn[]
  /** What it may be used for; anything when absent. */
  readonly scope?: CredentialScope
  /** A credential of another account at the same provider, for when none of this one's secrets serves. */
  readonly fallback?: string | null
}

/** What may be seen of the vault: never a secret. */
export interface VaultView {
  /** The gate's X25519 public key (base64, raw 32 bytes) that secrets are sealed to. */
  readonly sealingKey: string
  readonly credentials: readonly Omit<SecretRow, 'sealed' | 'actor'>[]
  readonly vault: {
    readonly keyKind: KeyKind
    /** Tells keys apart, and opens nothing. */
    readonly keyCheck: string
    /** How often sealed rows were changed; `outside` says whether an older copy of gate.db would be noticed. */
    readonly changes: number
    readonly outside: 'kept' | 'unknown'
    /** Secrets that somebody without the key has changed, removed or added, and that were not set anew since. */
    readonly faults: readonly HeadFault[]
  }
}

export interface SetFacts {
  readonly fingerprint: string
  /** When it ends by what stands in it, a date of the calendar; null = it does not say. */
  readonly endsMs: number | null
}

export interface Vault {
  /** 48 secret bytes for the key of the gate's certificate authority; the same as long as the vault is. */
  readonly authoritySeed: Uint8Array
  /**
   * Opens what was sealed to this gate and stores it as the new active version. @throws Failure `not-found` (no such
   * credential in the configuration), `invalid` (not sealed to us, or not of the form that its kind wants).
   */
  set(name: string, sealed: string, actor: string): Promise<CredentialVersion & SetFacts>
  view(): VaultView
  /** The version that a credential of the configuration stands for now, undefined when none is active. */
  choose(rule: CredentialRule): CredentialVersion | undefined
  /** The secret for one call; nobody keeps it. @throws Failure `credential-unavailable`. */
  reveal(credential: CredentialVersion): string
  /** The newest active version of a name that is what was sealed; undefined when there is none. */
  usable(name: string): SecretRow | undefined
  /** Saved renewals that somebody without the key has changed, removed or added: they are not gone on from. */
  readonly tampered: readonly MachineFault[]
  /** When a secret ends by what stands in it, a date of the calendar; null = it does not say. */
  endOf(name: string, text: string): number | null
  /** All versions of a name, oldest first. */
  rows(name: string): readonly SecretRow[]
  /**
   * A new version, sealed and not kept yet: it is written in the same task, for after a rekey nobody could open it.
   * @throws Failure `invalid` when it is no secret text.
   */
  seal(name: string, text: string, state: SecretState, actor: string): SecretRow
  /** Keeps new versions and states, with the machines that made them; durable when it resolves. */
  renew(change: Renewal): Promise<void>
  /** Another key, or one of another kind. @throws Failure `key-…`, `invalid`, `conflict`: then the old one holds. */
  rekey(kind: KeyKind): Promise<Rekeyed>
  /** All active versions as base64 of an age file for `recipient`, and their names. @throws Failure `invalid`. */
  backup(recipient: string): Promise<{ readonly file: string; readonly credentials: readonly CredentialVersion[] }>
}

/** The secret that people set, of a name that the gate keeps beside it. */
export const personsName = (name: string): string => name.split('+')[0]!
/** Names beside the ones that people set: what the gate keeps for itself. No such name may be set. */
export const isOwnName = (name: string): boolean => name.includes('+')
