/**
 * One request to a token server: the secrets that it shows there are written down before one of them is opened, and are
 * in use until the answer has come, so that none is ended under it.
 */
import { asFailure, failure, toCivil, type Clock, type Random } from '../../std/std.ts'
import type { OauthRule } from '../../model/model.ts'
import type { Fetch, RecordUse, UseEnd } from '../ports.ts'
import type { CredentialVersion, Vault } from '../port.ts'
import type { Uses } from '../uses.ts'
import { openEndpoints, type EndpointOf } from './endpoints.ts'
import { assertionOf, readAnswer, tokenRequest, type Client, type TokenFact, type TokenRequest } from './token.ts'

export interface TokenAsked {
  readonly credential: CredentialVersion
  readonly rule: OauthRule
  /** The secret of its client where that is another one; null = there is none, or it is not set. */
  readonly client: CredentialVersion | null
  /** The refresh token that replaced the one that was set. */
  readonly kept: string | null
}
export type TokenAnswer = TokenFact & { readonly sentMs?: number }

export interface AskingOptions {
  readonly vault: Vault
  readonly clock: Clock
  readonly random: Random
  readonly fetch: Fetch
  readonly recordUse: RecordUse
  readonly uses: Uses
}

export class TokenAsking {
  readonly #options: AskingOptions
  readonly #endpointOf: EndpointOf
  /** Milliseconds by which token servers' clocks are ahead of ours. */
  readonly #skew = new Map<string, number>()

  constructor(options: AskingOptions) {
    this.#options = options
    this.#endpointOf = openEndpoints(options)
  }

  /** @throws Failure `credential-unavailable` where a secret cannot be opened, or has not the form of its grant. */
  async ask(asked: TokenAsked): Promise<TokenAnswer> {
    const { credential, client } = asked
    const held = [credential, ...(client === null ? [] : [client])].map((one) => this.#options.uses.begin(one))
    try {
      return await this.#ask(asked)
    } finally {
      for (const release of held) release()
    }
  }

  async #ask(asked: TokenAsked): Promise<TokenAnswer> {
    const { clock, fetch } = this.#options
    const { rule } = asked
    let endpoint: string
    try {
      endpoint = await this.#endpointOf(rule)
    } catch (error) {
      return { kind: 'later', why: asFailure(error).message, lost: false }
    }
    const used = await this.#recordUse(asked, endpoint)
    if (typeof used === 'string') return { kind: 'later', why: used, lost: false }
    let request: TokenRequest
    try {
      const { client, parameters } = this.#partsOf(asked, endpoint)
      request = tokenRequest(rule, client, parameters)
    } catch (error) {
      used({ ended: 'not-sent', status: null })
      throw error
    }
    const sentMs = clock.wallMs()
    const answer = await fetch({ url: endpoint, method: 'POST', ...request, hosts: rule.hosts })
    used({ ended: answer.kind, status: answer.kind === 'answered' ? answer.status : null })
    const dateMs = answer.kind === 'answered' ? Date.parse(answer.headers['date'] ?? '') : Number.NaN
    // Whole seconds only: a clock that differs by more than two is another one.
    if (!Number.isNaN(dateMs)) {
      const offMs = dateMs - clock.wallMs()
      this.#skew.set(endpoint, Math.abs(offMs) > 2_000 ? offMs : 0)
    }
    return { ...readAnswer(answer), sentMs }
  }

  /** A text says why it may not be. */
  async #recordUse({ credential, client }: TokenAsked, endpoint: string): Promise<((end: UseEnd) => void) | string> {
    const { host } = new URL(endpoint)
    const credentials = [credential, ...(client === null ? [] : [client])]
    try {
      const use = { credentials, to: `token:${host}`, host, method: 'POST', whileFrozen: true }
      return await this.#options.recordUse(use)
    } catch (error) {
      return asFailure(error).message
    }
  }

  #partsOf(
    { credential, rule, client: held, kept }: TokenAsked,
    endpoint: string,
  ): { readonly client: Client; readonly parameters: Readonly<Record<string, string>> } {
    const { clock, random, vault } = this.#options
    const secret = vault.reveal(credential)
    if (rule.grant === 'client-credentials') {
      const at = rule.clientId === null ? secret.indexOf(':') : -1
      const client =
        at < 0 ? { id: rule.clientId ?? '', secret } : { id: secret.slice(0, at), secret: secret.slice(at + 1) }
      return { client, parameters: { grant_type: 'client_credentials' } }
    }
    const { clientSecret } = rule
    if (clientSecret !== null && held === null)
      throw failure('credential-unavailable', `${clientSecret} has no active version: sitter vault set ${clientSecret}`)
    const client = { id: rule.clientId ?? '', secret: held === null ? null : vault.reveal(held) }
    if (rule.grant === 'refresh-token')
      return { client, parameters: { grant_type: 'refresh_token', refresh_token: kept ?? secret } }
    const claims = {
      issuer: client.id,
      subject: rule.subject ?? client.id,
      audience: rule.audience ?? rule.issuer ?? endpoint,
      id: Buffer.from(random.bytes(12)).toString('hex'),
    }
    // A server that has not told its time yet goes by the machine's clock rather than by ours.
    const nowMs = clock.wallMs() + (this.#skew.get(endpoint) ?? toCivil(clock, 0))
    const assertion = assertionOf(secret, claims, nowMs)
    return { client, parameters: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion } }
  }
}
