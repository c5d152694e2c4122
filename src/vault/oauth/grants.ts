/**
 * The OAuth grants of the configuration, each with one refresh under way at most. What a server gives is durable before
 * anybody uses it: a refresh token that was replaced and lost would end the grant.
 *
 *   empty ── asked for ──▶ fresh ── before its end, or refused ──▶ asking ── tokens ──▶ fresh
 *                                              ▲                      │
 *                                              └── lost, later ───────┤ (with the token of before, which is the same)
 *                                      quarantined ◀── invalid_grant ─┘ until a person sets another secret
 *
 * What a server says against the client, or against what is asked for, is no word against the grant: its refresh token
 * is kept, and it is asked again, at long pauses, or at once when another secret of the client is set.
 */
import { asFailure, failure, type Failure } from '../../std/std.ts'
import type { OauthRule } from '../../model/model.ts'
import type { TestFact } from '../rotation/rotators.ts'
import type { CredentialVersion } from '../port.ts'
import { emptyGrant, quarantinedAs, viewOf, type Grant, type GrantView, type Refusal, type Saved } from './grant.ts'
import { TokenAsking, type TokenAnswer } from './asking.ts'
import { grantKind, GrantKeeping } from './keeping.ts'
import type { GrantsOptions, OauthGrants } from './port.ts'
import { isOfClient, marginMs, refreshAfterMs } from './token.ts'

export type { GrantView, Refusal } from './grant.ts'

export type { OauthGrants } from './port.ts'

const firstPauseMs = 1_000
const longestPauseMs = 60_000
/** What a person has to mend is not mended by asking often. */
const refusedPauseMs = { first: 30_000, longest: 600_000 } as const
/** A token that is refused this soon after it was made will not be better for being made again. */
const youngMs = 10_000

interface Ask {
  readonly name: string
  readonly grant: Grant
  readonly rule: OauthRule
  /** The version that it stands on. */
  readonly of: number
}

class Grants implements OauthGrants {
  readonly #options: GrantsOptions
  readonly #grants = new Map<string, Grant>()
  readonly #asking: TokenAsking
  readonly #keeping: GrantKeeping
  #stopped = false

  constructor(options: GrantsOptions) {
    this.#options = options
    this.#asking = new TokenAsking(options)
    this.#keeping = new GrantKeeping(options, (name) => this.#ruleOf(name)?.grant === 'refresh-token')
    for (const { kind, name, state } of options.saved)
      if (kind === grantKind) this.#of(name).saved = JSON.parse(state) as Saved
    for (const { kind, name } of options.vault.tampered)
      if (kind === grantKind) Object.assign(this.#of(name), { saved: undefined, isDoubted: true })
  }

  async accessFor({ name, version: of }: CredentialVersion, rule: OauthRule): Promise<string> {
    const grant = this.#of(name)
    for (;;) {
      const current = this.#usable(name, grant, of)
      if (current !== undefined) return current
      if (grant.isDoubted) await this.#endDoubt(name, grant, rule)
      if (grant.saved?.quarantined != null && grant.saved.of === of)
        throw failure(
          'credential-unavailable',
          `${name} is quarantined: ${grant.saved.quarantined}; sitter vault set ${name}`,
        )
      if (of !== this.#versionOf(name))
        throw failure('credential-unavailable', `${name} was replaced while this call waited`, { retryAfterMs: 1_000 })
      // A token of another version is no token of this one, and what is under way may bring one.
      if (grant.flight?.of === of) return grant.flight.access
      const under = grant.flight?.access ?? grant.trial
      if (under === undefined) break
      await under.catch(() => {
        /* whoever asked for it is told */
      })
    }
    const waitMs = grant.againMs - this.#options.clock.monoMs()
    if (waitMs > 0)
      throw failure('credential-unavailable', `no token for ${name}: ${grant.why}`, { retryAfterMs: waitMs })
    return this.#refresh({ name, grant, rule, of })
  }

  async prove(credential: CredentialVersion): Promise<TestFact> {
    const { name, version: of } = credential
    const rule = this.#ruleOf(name)
    if (rule === undefined) return this.#proveClient(credential)
    // Another refresh token cannot be tried without being used up.
    if (rule.grant === 'refresh-token') return { kind: 'untested' }
    const fact = await this.#asking.ask({
      credential: { name, version: of },
      rule,
      client: this.#clientOf(rule),
      kept: null,
    })
    if (fact.kind === 'tokens') return { kind: 'accepted' }
    // What is said against a client's secret of its own is no word against this one.
    const isOther = fact.kind === 'refused' && isOfClient(fact.error) && rule.grant !== 'client-credentials'
    return fact.kind === 'refused' && !isOther
      ? { kind: 'not-accepted', why: `its token server says ${fact.error}` }
      : { kind: 'test-unknown', why: fact.kind === 'refused' ? `its token server says ${fact.error}` : fact.why }
  }

  /** By a refresh of a grant that needs it: who is not known as a client has used nothing of the grant. */
  async #proveClient(client: CredentialVersion): Promise<TestFact> {
    const used = this.#usersOf(client.name).find(({ name, of }) => of !== undefined && !this.isQuarantined(name))
    if (used === undefined) return { kind: 'untested' }
    const { name, grant, rule, of } = used
    const under = grant.flight?.access ?? grant.trial
    const waitMs = grant.againMs - this.#options.clock.monoMs()
    if (under !== undefined || waitMs > 0) return { kind: 'test-unknown', why: `${name} waits for a token by itself` }
    const ask = { name, grant, rule, of: of! }
    const trial = this.#request(ask, client).then(async (fact): Promise<TestFact> => {
      if (fact.kind === 'refused') {
        if (!isOfClient(fact.error)) await this.#afterRefusal(ask, fact.error)
        const why = `the token server of ${name} says ${fact.error}`
        return { kind: isOfClient(fact.error) ? 'not-accepted' : 'test-unknown', why }
      }
      if (fact.kind === 'tokens') await this.#keep(ask, fact)
      else this.#putOff(ask, fact.why)
      return fact.kind === 'tokens' ? { kind: 'accepted' } : { kind: 'test-unknown', why: fact.why }
    })
    grant.trial = trial
    return trial.finally(() => {
      grant.trial = undefined
    })
  }

  isShown(name: string): boolean {
    return this.#ruleOf(name) !== undefined || this.#usersOf(name).length > 0
  }

  wasRefused({ name }: CredentialVersion): void {
    const grant = this.#grants.get(name)
    if (grant?.saved == null || this.#options.clock.wallMs() - grant.saved.refreshedMs < youngMs) return
    // The next call asks for another one.
    grant.saved = { ...grant.saved, expiresMs: 0 }
    this.#plan(name, grant, 0)
  }

  async wasSet(name: string): Promise<void> {
    for (const { name: user, grant } of this.#usersOf(name)) {
      if (grant.refused === undefined) continue
      this.#askAnew(grant)
      this.#plan(user, grant, 0)
    }
    const grant = this.#grants.get(name)
    if (grant === undefined) return
    this.#askAnew(grant)
    grant.access = undefined
    grant.former = undefined
    grant.saved = undefined
    grant.isDoubted = false
  }

  /** Whatever was said against it before is no word about what holds now. */
  #askAnew(grant: Grant): void {
    grant.refused = undefined
    grant.failures = 0
    grant.againMs = -Infinity
    grant.why = null
  }

  isQuarantined(name: string): boolean {
    const saved = this.#grants.get(name)?.saved
    return saved?.quarantined != null && saved.of === this.#versionOf(name)
  }

  view(name: string): GrantView | null {
    if (this.#ruleOf(name) === undefined) return null
    return viewOf(this.#of(name), this.#versionOf(name), this.#options.clock.wallMs())
  }

  refusal(name: string): Refusal | null {
    const own = this.#ruleOf(name) === undefined ? [] : [this.#of(name).refused]
    const asClient = this.#usersOf(name).map(({ grant }) => grant.refused)
    return [...own, ...asClient].find((one) => one?.subject === name) ?? null
  }

  take(names: readonly string[]): void {
    const oauth = names.filter((name) => this.#ruleOf(name) !== undefined)
    for (const [name, grant] of this.#grants) if (!oauth.includes(name)) grant.cancel()
    for (const name of oauth) {
      const grant = this.#of(name)
      const rule = this.#ruleOf(name)!
      // What was asked for may be another thing now.
      if (grant.refused !== undefined) this.#askAnew(grant)
      if (grant.isDoubted)
        void this.#endDoubt(name, grant, rule).catch((error: unknown) => {
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
    await this.#quarantine({ name, grant, of }, why)
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

  #ruleOf(name: string): OauthRule | undefined {
    const signing = this.#options.ruleOf(name)?.signing
    return signing?.kind === 'oauth' ? signing.oauth : undefined
  }

  #clientOf({ clientSecret }: OauthRule): CredentialVersion | null {
    const version = clientSecret === null ? undefined : this.#versionOf(clientSecret)
    return version === undefined ? null : { name: clientSecret!, version }
  }

  /** Grants whose client has this secret. */
  #usersOf(client: string): readonly (Omit<Ask, 'of'> & { readonly of: number | undefined })[] {
    return [...this.#grants].flatMap(([name, grant]) => {
      const rule = this.#ruleOf(name)
      return rule?.clientSecret === client ? [{ name, grant, rule, of: this.#versionOf(name) }] : []
    })
  }

  #usable(name: string, { saved, access, former }: Grant, of: number): string | undefined {
    const nowMs = this.#options.clock.wallMs()
    // A call that was let out with the version before goes by the token of that one.
    if (former?.of === of && of !== this.#versionOf(name) && former.untilMs > nowMs) return former.access
    if (saved === undefined || saved.quarantined !== null || saved.of !== of) return undefined
    const leftMs = saved.expiresMs === null ? Infinity : saved.expiresMs - nowMs
    if (leftMs <= marginMs(saved.lifeMs ?? 0)) return undefined
    return access ?? this.#keeping.tokens(name)?.access
  }

  /** One at a time; whoever comes meanwhile waits for the same. */
  #refresh(ask: Ask): Promise<string> {
    const { grant, of } = ask
    if (grant.flight !== undefined) return grant.flight.access
    const access = this.#ask(ask).finally(() => {
      grant.flight = undefined
    })
    grant.flight = { of, access }
    return access
  }

  async #ask(ask: Ask): Promise<string> {
    const { name, grant, rule } = ask
    await grant.trial?.catch(() => {
      /* whoever tries it is told */
    })
    const client = this.#clientOf(rule)
    let fact = await this.#request(ask, client)
    if (fact.kind === 'refused' && isOfClient(fact.error) && client !== null && this.#options.isOnTrial(client)) {
      await this.#options.heard(client, 'not-accepted')
      // The one before serves again.
      const before = this.#clientOf(rule)
      if (before !== null && before.version !== client.version) fact = await this.#request(ask, before)
    }
    if (fact.kind === 'tokens') return this.#keep(ask, fact)
    if (fact.kind === 'refused') throw await this.#afterRefusal(ask, fact.error)
    const retryAfterMs = this.#putOff(ask, fact.why)
    this.#plan(name, grant, retryAfterMs)
    throw failure('credential-unavailable', `no token for ${name}: ${fact.why}`, { retryAfterMs })
  }

  async #request({ name, grant, rule, of }: Ask, client: CredentialVersion | null): Promise<TokenAnswer> {
    const kept = grant.saved?.of === of ? (this.#keeping.tokens(name)?.refresh ?? null) : null
    const asked = { credential: { name, version: of }, rule, client, kept }
    const fact = await this.#asking.ask(asked)
    // The answer may have been lost after the server gave a new token: it gives one for the old one once more.
    const last = fact.kind === 'later' && fact.lost ? await this.#asking.ask(asked) : fact
    if (last.kind === 'tokens' && client !== null) await this.#options.heard(client, 'accepted')
    return last
  }

  /** Asked again after a while, in ms. */
  #putOff(
    { grant }: Pick<Ask, 'grant'>,
    why: string,
    pause = { first: firstPauseMs, longest: longestPauseMs },
  ): number {
    grant.failures += 1
    grant.why = why
    const pauseMs = Math.min(pause.longest, pause.first * 2 ** Math.min(grant.failures - 1, 10))
    grant.againMs = this.#options.clock.monoMs() + pauseMs
    return pauseMs
  }

  /** Gives what whoever wants to use it is told. */
  async #afterRefusal(ask: Ask, error: string): Promise<Failure> {
    const { name, grant, rule, of } = ask
    const why = `its token server says ${error}`
    const credential = { name, version: of }
    const isOwn = error === 'invalid_grant' || (isOfClient(error) && rule.grant === 'client-credentials')
    if (isOwn && this.#options.isOnTrial(credential)) {
      await this.#options.heard(credential, 'not-accepted')
      return failure('credential-unavailable', `${name}@${of} is not accepted: ${why}`, { retryAfterMs: firstPauseMs })
    }
    if (isOwn) return this.#quarantine(ask, why)
    const subject = isOfClient(error) ? (rule.clientSecret ?? name) : name
    const wayOut = subject === name ? 'look at its oauth in the configuration' : `sitter vault set ${subject}`
    const retryAfterMs = this.#putOff(ask, `${why}; ${wayOut}`, refusedPauseMs)
    this.#plan(name, grant, retryAfterMs)
    const isNews = grant.refused === undefined
    grant.refused ??= {
      subject,
      why: `the token server of ${name} says ${error}`,
      sinceMs: this.#options.clock.wallMs(),
    }
    if (isNews) await this.#keeping.tell({ kind: 'credential.refused', subject, message: grant.refused.why })
    return failure('credential-unavailable', `no token for ${name}: ${grant.why}`, { retryAfterMs })
  }

  async #keep(ask: Ask, fact: TokenAnswer & { readonly kind: 'tokens' }): Promise<string> {
    const { name, grant, of } = ask
    const saved = await this.#keeping.keep(name, { saved: grant.saved, of }, fact)
    if (grant.saved !== undefined && grant.saved.of !== of && grant.access !== undefined)
      grant.former = { of: grant.saved.of, access: grant.access, untilMs: grant.saved.expiresMs ?? Infinity }
    this.#askAnew(grant)
    grant.saved = saved
    grant.access = fact.access
    this.#planNext(name, grant)
    await this.#options.heard({ name, version: of }, 'accepted')
    return fact.access
  }

  /** Gives what whoever wants to use it is told. */
  async #quarantine({ name, grant, of }: Pick<Ask, 'name' | 'grant' | 'of'>, why: string): Promise<Failure> {
    grant.saved = await this.#keeping.quarantine(name, { saved: grant.saved, of }, why)
    grant.access = undefined
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
      const rule = this.#ruleOf(name)
      const of = this.#versionOf(name)
      if (rule === undefined || of === undefined) return
      this.#refresh({ name, grant, rule, of }).catch((error: unknown) => {
        this.#options.log('warn', asFailure(error).message, { credential: name })
      })
    })
  }
}

export const openGrants = (options: GrantsOptions): OauthGrants => new Grants(options)
