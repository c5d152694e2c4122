/** What the vault's machines are given to reach the outside: they have no sockets and start no programs themselves. */
import type { Signing } from '../model/model.ts'
import type { CredentialVersion } from './port.ts'

/** What became of a request. `lost`: it may have had its effect. */
export type Asked =
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly body: string
    }
  | { readonly kind: 'not-sent' | 'lost'; readonly code: string; readonly message: string }

export interface Asking {
  readonly upstream: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
  /** Which version signs it, for the journal. */
  readonly credential: { readonly name: string; readonly version: number }
  /** Opened when the journal says that it is used. */
  readonly secret: () => Promise<string>
  readonly signing: Signing
}
/** What an answer says of the secret that it was asked with. */
export type Shown = 'accepted' | 'forbidden' | 'not-accepted'

/** A request of the gate's own to an upstream: within its limits, journalled, frozen with it. Never rejects. */
export type AskOutside = (asking: Asking) => Promise<Asked>

/** A request to a token server. Never rejects. */
export type Fetch = (request: {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
  /** Private addresses that may be connected to. */
  readonly hosts: readonly string[]
}) => Promise<Asked & { readonly sentMs?: number; readonly gotMs?: number }>

/** Secrets that are about to be given to somebody who is no upstream. */
export interface OwnUse {
  readonly credentials: readonly CredentialVersion[]
  /** Who gets them: `token:id.example.com`, `program:rotate.sh`. Upstreams have no such names. */
  readonly to: string
  readonly host: string
  readonly method: string
  /** A token moves nothing, and a grant may lapse that is not renewed: it goes on in a freeze. */
  readonly whileFrozen: boolean
}
/** What became of a use. */
export interface UseEnd {
  readonly ended: 'answered' | 'not-sent' | 'lost'
  readonly status: number | null
}
/**
 * Writes a use down, durably, before a secret is opened for it; its end is told by what it gives. Rejects when it
 * cannot be written: then nothing may be used.
 */
export type RecordUse = (use: OwnUse) => Promise<(end: UseEnd) => void>

/** Runs a program with a text on its stdin, for its exit code and stdout. Rejects when it cannot be started. */
export type RunCommand = (run: {
  readonly command: readonly string[]
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
  readonly input: string
  readonly withinMs: number
}) => Promise<{ readonly code: number | null; readonly output: string }>
