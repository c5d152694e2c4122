/**
 * The OAuth grants of the configuration, each with one refresh under way at most. What a server gives is durable before
 * anybody uses it: a refresh token that was replaced and lost would end the grant.
 *
 *   empty ── asked for ──▶ fresh ── before its end, or refused ──▶ asking ── tokens ──▶ fresh
 *                                              ▲                      │
 *                                              └── lost, later ───────┤ (with the token of before, which is the same)
 *                                      quarantined ◀── invalid_grant ─┘ until a person sets another secret
 */
import { asFailure, failure, toCivil, type Clock, type Random } from '../../std/std.ts'
import type { OauthRule } from '../../model/model.ts'
import type { MachineRow } from '../../store/store.ts'
import type { Fetch, RecordUse } from '../ports.ts'
import type { Log } from '../rotation/rotations.ts'
import type { TestFact } from '../rotation/rotators.ts'
import type { CredentialRule, CredentialVersion, Vault } from '../port.ts'
import { emptyGrant, quarantinedAs, viewOf, type Grant, type GrantView, type Saved, type Tokens } from './grant.ts'
import { openEndpoints, type EndpointOf } from './endpoints.ts'
import {
  assertionOf,
  marginMs,
  readAnswer,
  refreshAfterMs,
  surelyMs,
  tokenRequest,
  type Client,
  type TokenFact,
  type TokenRequest,
} from './token.ts'

export type { GrantView } from './grant.ts'

export interface OauthGrants {
  /** An access token that lives long enough for a call. @throws Failure `credential-unavailable`. */
  accessFor(credential: CredentialVersion, rule: OauthRule): Promise<string>
  /** Whether its server takes this version of the client's secret; nothing of what it gives is kept. */
  prove(credential: CredentialVersion, rule: OauthRule): Promise<TestFact>
  /** Its resource refused it before its time. */
  wasRefused(credential: CredentialVersion): void
  wasSet(name: string): Promise<void>
  isQuarantined(name: string): boolean
  view(name: string): GrantView | null
  /** The names that hold from now on. */
  take(names: readonly string[]): void
  stop(): void
}
export interface GrantsOptions {
  readonly vault: Vault
  readonly clock: Clock
  readonly random: Random
  readonly saved: readonly MachineRow[]
  readonly fetch: Fetch
  readonly recordUse: RecordUse
  readonly log: Log
  readonly ruleOf: (name: string) => CredentialRule | undefined
}

export const grantKind = 'oauth'
const firstPauseMs = 1_000
const longestPauseMs = 60_000
/** A token that is refused this soon after it was made will not be better for being made again. */
const youngMs = 10_000

class Grants implements OauthGrants {
  readonly #options: GrantsOptions
  readonly #grants = new Map<string, Grant>()
  readonly #endpointOf: EndpointOf
  /** Milliseconds by which token servers' clocks are ahead of ours. */
  readonly #skew = new Map<string, number>()
  #stopped = false

  constructor(options: GrantsOptions) {
    this.#options = options
    this.#endpointOf = openEndpoints(options)
    for (const { kind, name, state } of options.saved)
      if (kind === grantKind) this.#of(name).saved = JSON.parse(state) as Saved
    for (const { kind, name } of options.vault.tampered)
      if (kind === grantKind) Object.assign(this.#of(name), { saved: undefined, isDoubted: true })
  }

  async accessFor({ name }: CredentialVersion, rule: OauthRule): Promise<string> {
    const grant = this.#of(name)
    const current = this.#usable(name, grant)
    if (current !== undefined) return current
    if (grant.isDoubted) await this.#endDoubt(name, grant, rule)
    if (grant.saved?.quarantined != null && grant.saved.of === this.#versionOf(name))
      throw failure(
        'credential-unavailable',
        `${name} is quarantined: ${grant.saved.quarantined}; sitter vault set ${name}`,
      )
    const waitMs = grant.againMs - this.#options.clock.monoMs()
    if (waitMs > 0 && grant.flight === undefined)
      throw failure('credential-unavailable', `no token for ${name}: ${grant.why}`, { retryAfterMs: waitMs })
    return this.#refresh(name, grant, rule)
  }

  async prove({ name, version }: CredentialVersion, rule: OauthRule): Promise<TestFact> {
    // Another refresh token or key cannot be tried without being used up.
    if (rule.grant !== 'client-credentials') return { kind: 'untested' }
    const fact = await this.#request(name, version, rule)
    if (fact.kind === 'tokens') return { kind: 'accepted' }
    return fact.kind === 'refused'
      ? { kind: 'not-accepted', why: `its token server says ${fact.error}` }
      : { kind: 'test-unknown', why: fact.why }
  }

  wasRefused({ name }: CredentialVersion): void {
    const grant = this.#grants.get(name)
    if (grant?.saved == null || this.#options.clock.wallMs() - grant.saved.refreshedMs < youngMs) return
    // The next call asks for another one.
    grant.saved = { ...grant.saved, expiresMs: 0 }
    this.#plan(name, grant, 0)
  }

  async wasSet(name: string): Promise<void> {
    const grant = this.#grants.get(name)
    if (grant === undefined) return
    grant.access = undefined
    grant.saved = undefined
    grant.failures = 0
    grant.againMs = -Infinity
    grant.why = null
    grant.isDoubted = false
  }

  isQuarantined(name: string): boolean {
    const saved = this.#grants.get(name)?.saved
    return saved?.quarantined != null && saved.of === this.#versionOf(name)
  }

  view(name: string): GrantView | null {
    if (this.#options.ruleOf(name)?.signing?.kind !== 'oauth') return null
    return viewOf(this.#of(name), this.#versionOf(name), this.#options.clock.wallMs())
  }

  take(names: readonly string[]): void {
    const oauth = names.filter((name) => this.#options.ruleOf(name)?.signing?.kind === 'oauth')
    for (const [name, grant] of this.#grants) if (!oauth.includes(name)) grant.cancel()
    for (const name of oauth) {
      const grant = this.#of(name)
      const signing = this.#options.ruleOf(name)?.signing
      if (grant.isDoubted && signing?.kind === 'oauth')
        void this.#endDoubt(name, grant, signing.oauth).catch((error: unknown) => {
          this.#options.log('error', asFailure(error).message, { credential: name })
        })
      this.#planNext(name, grant)
    }
  }

  /**
   * Which refresh token is the newest is not believed any more, and an older one would end the grant at its server: a
   * person sets another. Other grants are simply asked for anew.
   */
  async #endDoubt(name: string, grant: Grant, { grant: kind }: OauthRule): Promise<void> {
    const of = this.#versionOf(name)
    grant.isDoubted = false
    if (kind !== 'refresh-token' || of === undefined) return
    const why = "where its grant stood was changed in gate.db without the vault's key"
    // Before it is written: whoever asks meanwhile shows no token.
    grant.saved = quarantinedAs(of, this.#options.clock.wallMs(), why)
    await this.#quarantine(name, grant, of, why)
  }

  stop(): void {
    this.#stopped = true
    for (const { cancel } of this.#grants.values()) cancel()
  }

  #of(name: string): Grant {
    const known = this.#grants.get(name)
    if (known !== undefined) return known
    const made = emptyGrant()
    this.#grants.set(name, made)
    return made
  }

  #versionOf(name: string): number | undefined {
    return this.#options.vault.usable(name)?.version
  }

  #usable(name: string, { saved, access }: Grant): string | undefined {
    if (saved === undefined || saved.quarantined !== null || saved.of !== this.#versionOf(name)) return undefined
    const leftMs = saved.expiresMs === null ? Infinity : saved.expiresMs - this.#options.clock.wallMs()
    if (leftMs <= marginMs(saved.lifeMs ?? 0)) return undefined
    return access ?? this.#tokens(name)?.access
  }

  #tokens(name: string): Tokens | undefined {
    const row = this.#options.vault.rows(`${name}+oauth`).at(-1)
    if (row === undefined) return undefined
    try {
      return JSON.parse(this.#options.vault.reveal(row)) as Tokens
    } catch (error) {
      const signing = this.#options.ruleOf(name)?.signing
      // Somebody changed the row: another access token is asked for, but with a refresh token its grant is gone.
      if (signing?.kind === 'oauth' && signing.oauth.grant === 'refresh-token') throw error
      return undefined
    }
  }

  /** One at a time; whoever comes meanwhile waits for the same. */
  #refresh(name: string, grant: Grant, rule: OauthRule): Promise<string> {
    grant.flight ??= this.#ask(name, grant, rule).finally(() => {
      grant.flight = undefined
    })
    return grant.flight
  }

  async #ask(name: string, grant: Grant, rule: OauthRule): Promise<string> {
    const of = this.#versionOf(name)
    if (of === undefined)
      throw failure('credential-unavailable', `${name} has no active version: sitter vault set ${name}`)
    let fact: TokenFact & { readonly sentMs?: number } = await this.#request(name, of, rule)
    // The answer may have been lost after the server gave a new token: it gives one for the old one once more.
    if (fact.kind === 'later' && fact.lost) fact = await this.#request(name, of, rule)
    if (fact.kind === 'tokens') return this.#keep(name, grant, of, fact)
    if (fact.kind === 'refused') throw await this.#quarantine(name, grant, of, `its token server says ${fact.error}`)
    grant.failures += 1
    grant.why = fact.why
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(grant.failures - 1, 10))
    grant.againMs = this.#options.clock.monoMs() + pauseMs
    this.#plan(name, grant, pauseMs)
    throw failure('credential-unavailable', `no token for ${name}: ${fact.why}`, { retryAfterMs: pauseMs })
  }

  async #request(name: string, of: number, rule: OauthRule): Promise<TokenFact & { readonly sentMs?: number }> {
    const { vault, clock, fetch } = this.#options
    let endpoint: string
    try {
      endpoint = await this.#endpointOf(rule)
    } catch (error) {
      return { kind: 'later', why: asFailure(error).message, lost: false }
    }
    const used = await this.#recordUse({ name, version: of }, rule, endpoint)
    if (typeof used === 'string') return { kind: 'later', why: used, lost: false }
    let request: TokenRequest
    try {
      const secret = vault.reveal({ name, version: of })
      const { client, parameters } = this.#grantOf(name, of, rule, { secret, endpoint })
      request = tokenRequest(rule, client, parameters)
    } catch (error) {
      used({ ended: 'not-sent', status: null })
      throw error
    }
    const sentMs = clock.wallMs()
    const asked = await fetch({ url: endpoint, method: 'POST', ...request, hosts: rule.hosts })
    used({ ended: asked.kind, status: asked.kind === 'answered' ? asked.status : null })
    const dateMs = asked.kind === 'answered' ? Date.parse(asked.headers['date'] ?? '') : Number.NaN
    // Whole seconds only: a clock that differs by more than two is another one.
    if (!Number.isNaN(dateMs)) {
      const offMs = dateMs - clock.wallMs()
      this.#skew.set(endpoint, Math.abs(offMs) > 2_000 ? offMs : 0)
    }
    return { ...readAnswer(asked), sentMs }
  }

  /** All secrets that this request shows to the server, before one of them is opened; a text says why it may not be. */
  async #recordUse(
    credential: CredentialVersion,
    { clientSecret }: OauthRule,
    endpoint: string,
  ): Promise<Awaited<ReturnType<RecordUse>> | string> {
    const version = clientSecret === null ? undefined : this.#versionOf(clientSecret)
    const { host } = new URL(endpoint)
    const beside = version === undefined ? [] : [{ name: clientSecret!, version }]
    try {
      const use = { credentials: [credential, ...beside], to: `token:${host}`, host, method: 'POST' }
      return await this.#options.recordUse({ ...use, whileFrozen: true })
    } catch (error) {
      return asFailure(error).message
    }
  }

  #grantOf(
    name: string,
    of: number,
    rule: OauthRule,
    { secret, endpoint }: { readonly secret: string; readonly endpoint: string },
  ): { readonly client: Client; readonly parameters: Readonly<Record<string, string>> } {
    const { clock, random } = this.#options
    if (rule.grant === 'client-credentials') {
      const at = rule.clientId === null ? secret.indexOf(':') : -1
      const client =
        at < 0 ? { id: rule.clientId ?? '', secret } : { id: secret.slice(0, at), secret: secret.slice(at + 1) }
      return { client, parameters: { grant_type: 'client_credentials' } }
    }
    const client = { id: rule.clientId ?? '', secret: this.#clientSecret(rule) }
    if (rule.grant === 'refresh-token') {
      const kept = this.#of(name).saved?.of === of ? this.#tokens(name)?.refresh : undefined
      return { client, parameters: { grant_type: 'refresh_token', refresh_token: kept ?? secret } }
    }
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

  #clientSecret({ clientSecret }: OauthRule): string | null {
    if (clientSecret === null) return null
    const version = this.#versionOf(clientSecret)
    if (version === undefined)
      throw failure('credential-unavailable', `${clientSecret} has no active version: sitter vault set ${clientSecret}`)
    return this.#options.vault.reveal({ name: clientSecret, version })
  }

  async #keep(
    name: string,
    grant: Grant,
    of: number,
    fact: TokenFact & { readonly kind: 'tokens'; readonly sentMs?: number },
  ): Promise<string> {
    const { vault, clock } = this.#options
    const before = grant.saved?.of === of ? (this.#tokens(name)?.refresh ?? null) : null
    const tokens: Tokens = { access: fact.access, refresh: fact.refresh ?? before }
    const row = vault.seal(`${name}+oauth`, JSON.stringify(tokens), 'active', 'oauth')
    const sentMs = fact.sentMs ?? clock.wallMs()
    const expiresMs = fact.lifeMs === null ? null : sentMs + surelyMs(fact.lifeMs)
    const saved: Saved = { of, expiresMs, lifeMs: fact.lifeMs, refreshedMs: sentMs, quarantined: null }
    await vault.renew({
      add: [row],
      moves: [],
      drops: [{ name: row.name, below: row.version }],
      machines: [{ kind: grantKind, name, state: JSON.stringify(saved) }],
      notes: [],
    })
    grant.saved = saved
    grant.access = fact.access
    grant.failures = 0
    grant.againMs = -Infinity
    grant.why = null
    this.#planNext(name, grant)
    return fact.access
  }

  /** Gives what whoever wants to use it is told. */
  async #quarantine(name: string, grant: Grant, of: number, why: string): Promise<Error> {
    const { vault, clock, log } = this.#options
    const nowMs = clock.wallMs()
    const saved = quarantinedAs(of, grant.saved?.refreshedMs ?? nowMs, why)
    const note = { wallMs: nowMs, kind: 'credential.quarantined', subject: name, message: why }
    const machine = { kind: grantKind, name, state: JSON.stringify(saved) }
    await vault.renew({ add: [], moves: [], drops: [], machines: [machine], notes: [note] })
    grant.saved = saved
    grant.access = undefined
    log('error', 'a grant is quarantined', { credential: name, why })
    return failure('credential-unavailable', `${name} is quarantined: ${why}; sitter vault set ${name}`)
  }

  #planNext(name: string, grant: Grant): void {
    const { saved } = grant
    if (saved === undefined || saved.quarantined !== null || saved.lifeMs === null || saved.expiresMs === null) return
    const dueMs = saved.refreshedMs + refreshAfterMs(saved.lifeMs, this.#options.random.next())
    this.#plan(name, grant, Math.max(0, dueMs - this.#options.clock.wallMs()))
  }

  #plan(name: string, grant: Grant, delayMs: number): void {
    grant.cancel()
    if (this.#stopped) return
    grant.cancel = this.#options.clock.timer(delayMs, () => {
      const rule = this.#options.ruleOf(name)
      if (rule?.signing?.kind !== 'oauth') return
      this.#refresh(name, grant, rule.signing.oauth).catch((error: unknown) => {
        this.#options.log('warn', asFailure(error).message, { credential: name })
      })
    })
  }
}

export const openGrants = (options: GrantsOptions): OauthGrants => new Grants(options)
