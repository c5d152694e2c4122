/**
 * What a configuration says of a credential: how a request is signed with it, how it renews itself, and when another
 * of its pool is used. Never a secret.
 */

/** How requests are signed. A secret of two parts is `first:second`: user and password, key id and key. */
export type Signing =
  | { readonly kind: 'bearer' | 'basic' }
  | { readonly kind: 'header'; readonly header: string }
  | { readonly kind: 'query'; readonly parameter: string }
  /** By Binance's rules: a timestamp, and a signature over query and body, in the query. */
  | { readonly kind: 'hmac' | 'ed25519'; readonly keyHeader: string; readonly windowMs: number }
  /** A client certificate: the secret is PEM, certificate and private key. */
  | { readonly kind: 'mtls' }
  | { readonly kind: 'sigv4'; readonly region: string; readonly service: string }
  /** The access token that its grant stands for, as a bearer. */
  | { readonly kind: 'oauth'; readonly oauth: OauthRule }

/**
 * Where access tokens come from. The secret that is set is the client's (`clientId:clientSecret` where no `clientId`
 * is configured), the refresh token, or the private key of the assertion (base64 of its PKCS 8 form).
 */
export interface OauthRule {
  readonly grant: 'client-credentials' | 'refresh-token' | 'jwt-bearer'
  /** Its metadata name the token endpoint; null = `token` does. */
  readonly issuer: string | null
  readonly token: string | null
  /** Private addresses of the token server that may be connected to, `host:port`. */
  readonly hosts: readonly string[]
  readonly clientId: string | null
  /** How the client says who it is: in the header, or in the form. */
  readonly auth: 'basic' | 'post'
  /** Another secret of the vault: the client's own, beside the refresh token. */
  readonly clientSecret: string | null
  readonly scope: string | null
  readonly audience: string | null
  /** Subject of the assertion; its issuer is the client. */
  readonly subject: string | null
}

/** How a new secret comes into being; a person does it where nothing is said. */
export type Rotator =
  | { readonly by: 'person' }
  /** Started with `mint`, `list`, `test` or `revoke`; secrets on stdin and stdout, nowhere else. */
  | {
      readonly by: 'command'
      readonly command: readonly string[]
      readonly directory: string
      readonly withinMs: number
    }
  | {
      readonly by: 'http'
      readonly upstream: string
      readonly mint: Step
      /** JSON body of the mint; `{label}` is what `list` finds a key again by. */
      readonly body: Readonly<Record<string, string>>
      /** Where the answer has the secret and its id, as a path `data.secret`. */
      readonly secretAt: string
      readonly idAt: string | null
      readonly labelAt: string
      readonly list: Step | null
      readonly test: Step | null
      readonly revoke: Step | null
      /** Signed with a key, it tells that key's id: for keys that a person set. */
      readonly whoami: Step | null
      /** The provider answers the same mint, known by its idempotency-key, with the same secret. */
      readonly sameAnswer: boolean
    }

/** A request: its path may have `{id}`. */
export interface Step {
  readonly method: string
  readonly path: string
}

export interface RotationRule {
  readonly everyMs: number
  /** Share of `everyMs` by which it is early or late, so that not all come at once. */
  readonly jitter: number
  readonly warnBeforeMs: number
  /** How long an old version stays usable after the new one is active, beside the proof that nobody uses it. */
  readonly overlapMs: number
  readonly canaryMs: number
  /** Between two members of one pool. */
  readonly gapMs: number
  /** No rotation begins in these: days of the week (0 = Sunday) and minutes of the day, in UTC. */
  readonly blackouts: readonly Blackout[]
  readonly rotator: Rotator
}
export interface Blackout {
  readonly days: readonly number[]
  readonly fromMinute: number
  readonly toMinute: number
}

/** When calls go on with another member of the pool. */
export type SwitchOn = '401' | '403' | 'expiry' | 'limit'
