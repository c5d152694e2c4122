/** What OAuth grants are to the rest of the vault, and what they are given. */
import type { OauthRule } from '../../model/model.ts'
import type { MachineRow } from '../../store/store.ts'
import type { Shown } from '../ports.ts'
import type { CredentialRule, CredentialVersion } from '../port.ts'
import type { Log } from '../rotation/rotations.ts'
import type { TestFact } from '../rotation/rotators.ts'
import type { AskingOptions } from './asking.ts'
import type { GrantView, Refusal } from './grant.ts'

export interface OauthGrants {
  /** An access token of this version, that lives long enough for a call. @throws Failure `credential-unavailable`. */
  accessFor(credential: CredentialVersion, rule: OauthRule): Promise<string>
  /** Whether its server takes this version, of a grant's own secret or of its client's. */
  prove(credential: CredentialVersion): Promise<TestFact>
  /** Whether it is what an OAuth server is shown, by a grant or for its client. */
  isShown(name: string): boolean
  /** Its resource refused it before its time. */
  wasRefused(credential: CredentialVersion): void
  wasSet(name: string): Promise<void>
  isQuarantined(name: string): boolean
  view(name: string): GrantView | null
  /** What a server says against it as a client, or against what is asked for with it. */
  refusal(name: string): Refusal | null
  /** The names that hold from now on. */
  take(names: readonly string[]): void
  stop(): void
}
export interface GrantsOptions extends AskingOptions {
  readonly saved: readonly MachineRow[]
  readonly log: Log
  readonly ruleOf: (name: string) => CredentialRule | undefined
  /** Whether what is shown of this version decides anything, and what was shown; it counts when that resolves. */
  readonly isOnTrial: (credential: CredentialVersion) => boolean
  readonly heard: (credential: CredentialVersion, shown: Shown) => Promise<void>
}
