/**
 * The vault as calls and people see it: which version a call goes out with, what its answer says of that version, and
 * the machines that renew it. One object in front of the sealed rows, the rotations, the OAuth grants and the healths.
 */
import { failure, toCivil, type Clock, type Random } from '../std/std.ts'
import type { GateBook, NoteRow } from '../store/store.ts'
import type { Standing } from './accounts.ts'
import { afterRefusal, burden, healthy, isUnknownThere, shownBy, type Health } from './health.ts'
import { openGrants, type OauthGrants } from './oauth/grants.ts'
import type { AskOutside, Fetch, RecordUse, RunCommand } from './ports.ts'
import { Rotations, type Log } from './rotation/rotations.ts'
import { openUses, type Uses } from './uses.ts'
import { personsName, type CredentialRule, type CredentialVersion, type Vault, type VaultView } from './port.ts'
import { viewOf, type RenewalView } from './views.ts'
import { Ways, type Choice, type FallbackView, type NoWay, type Way, type WayWanted } from './ways.ts'

export interface KeeperView extends VaultView {
  readonly renewals: readonly RenewalView[]
  readonly fallbacks: readonly FallbackView[]
}

export interface Keeper {
  readonly authoritySeed: Vault['authoritySeed']
  set: Vault['set']
  view(): KeeperView
  /** Secrets that wait for a person. */
  waiting(): number
  /** The version that a call is to go out with, by its own account or by that of the fallback; or why there is none. */
  way(rule: CredentialRule, wanted: WayWanted): Way | NoWay
  /** What the next call would go out with. */
  look(rule: CredentialRule, waitsMs?: Choice['waitsMs']): CredentialVersion | undefined
  /**
   * The version of the same name that serves at this moment, in use until `release`. Undefined when the name has none
   * any more.
   */
  pin(
    credential: CredentialVersion,
  ): { readonly credential: CredentialVersion; readonly release: () => void } | undefined
  /** What is signed with. @throws Failure `credential-unavailable`. */
  secretFor(credential: CredentialVersion): Promise<string>
  /** `status` null: no answer came. What a limit refused says nothing of the credential. */
  answered(credential: CredentialVersion, status: number | null, isLimited?: boolean): void
  /** @throws Failure `not-found`, `conflict`. */
  rotate(name: string): Promise<void>
  compromised(name: string, actor: string): Promise<void>
  revoke(name: string, version: number, actor: string): Promise<void>
  take(rules: readonly CredentialRule[]): void
  notes(after: number): Promise<readonly NoteRow[]>
  rekey: Vault['rekey']
  backup: Vault['backup']
  stop(): void
}

export interface KeeperOptions {
  readonly vault: Vault
  readonly book: GateBook
  readonly clock: Clock
  readonly random: Random
  readonly rules: readonly CredentialRule[]
  readonly ask: AskOutside
  readonly fetch: Fetch
  readonly run: RunCommand
  readonly recordUse: RecordUse
  readonly log: Log
}

const membersOf = ({ name, pool }: CredentialRule): readonly string[] => [...new Set([...pool, name])]

class VaultKeeper implements Keeper {
  readonly authoritySeed: Uint8Array
  readonly #options: KeeperOptions
  readonly #uses: Uses
  readonly #rotations: Rotations
  readonly #grants: OauthGrants
  readonly #health = new Map<string, Health>()
  /** The member that a pool used last: another one is news. */
  readonly #used = new Map<string, string>()
  readonly #ways: Ways

  constructor(options: KeeperOptions) {
    this.#options = options
    this.authoritySeed = options.vault.authoritySeed
    const saved = options.book.machines()
    this.#uses = openUses(({ name }) => this.#rotations.wake(name))
    this.#grants = openGrants({
      ...options,
      uses: this.#uses,
      saved,
      ruleOf: (name) => this.#rotations.ruleOf(name),
      isOnTrial: ({ name, version }) => this.#rotations.isOnTrial(name, version),
      heard: ({ name, version }, shown) => this.#rotations.answered(name, version, shown),
    })
    this.#rotations = new Rotations({
      ...options,
      uses: this.#uses,
      saved,
      ports: options,
      secretFor: (credential) => this.secretFor(credential),
      prove: (credential) => this.#grants.prove(credential),
      isByTokens: (name) => this.#grants.isShown(name),
    })
    this.#ways = new Ways({
      ...options,
      saved,
      standingOf: (rule) => this.#standingOf(rule),
      choose: (rule, choice) => this.#choose(rule, choice),
      openMember: (choice) => this.#openMember(choice),
    })
    this.#tellTampered()
    this.take(options.rules)
  }

  /** Told again by each gate until it is mended: somebody writes gate.db who should not. */
  #tellTampered(): void {
    const { vault, clock, log } = this.#options
    const wallMs = clock.wallMs()
    const told = [
      ...vault
        .view()
        .vault.faults.map(({ name, version, fault }) => ({ name, what: `version ${version} was ${fault}` })),
      ...vault.tampered.map(({ name, kind, fault }) => ({ name, what: `where its ${kind} stood was ${fault}` })),
    ]
    if (told.length === 0) return
    const notes = told.map(({ name, what }) => ({
      wallMs,
      kind: 'credential.tampered',
      subject: personsName(name),
      message: `${what} in gate.db by somebody who has not the vault's key`,
    }))
    void vault.renew({ add: [], moves: [], drops: [], machines: [], notes }).catch(() => {
      log('error', 'that gate.db was tampered with could not be written', {})
    })
  }

  async set(name: string, sealed: string, actor: string): ReturnType<Vault['set']> {
    const before = this.#options.vault.usable(name)?.version ?? null
    const set = await this.#options.vault.set(name, sealed, actor)
    this.#health.delete(name)
    await this.#grants.wasSet(name)
    await this.#rotations.wasSet(name, { version: set.version, endsMs: set.endsMs }, before)
    return set
  }

  view(): KeeperView {
    return { ...this.#options.vault.view(), renewals: this.#renewals(), fallbacks: this.#ways.views() }
  }

  waiting(): number {
    return this.#renewals().filter(({ concern }) => concern !== null).length
  }

  #renewals(): readonly RenewalView[] {
    const { vault, clock } = this.#options
    return this.#rotations.names().map((name) =>
      viewOf({
        name,
        rule: this.#rotations.ruleOf(name)!,
        cycle: this.#rotations.cycle(name)!,
        dueMs: this.#rotations.dueMs(name),
        endsMs: this.#rotations.endsMs(name),
        spareMs: this.#rotations.spareMs(name),
        civilMs: toCivil(clock, 0),
        isAutomatic: this.#rotations.isAutomatic(name),
        rows: vault.rows(name),
        usable: vault.usable(name),
        hasOthers: this.#hasOthers(name),
        inUse: (version) => this.#uses.count({ name, version }),
        health: this.#health.get(name) ?? healthy,
        grant: this.#grants.view(name),
        refusal: this.#grants.refusal(name),
        nowMs: clock.wallMs(),
      }),
    )
  }

  #hasOthers(name: string): boolean {
    const { pool } = this.#rotations.ruleOf(name)!
    return pool.some((other) => other !== name && this.#options.vault.usable(other) !== undefined)
  }

  way(rule: CredentialRule, wanted: WayWanted): Way | NoWay {
    return this.#ways.of(rule, wanted)
  }

  look(rule: CredentialRule, waitsMs?: Choice['waitsMs']): CredentialVersion | undefined {
    return this.#ways.look(rule, waitsMs)
  }

  #choose(rule: CredentialRule, choice?: Choice): CredentialVersion | undefined {
    const open = choice === undefined ? undefined : this.#openMember(choice)
    const names = membersOf(rule)
    const nowMs = this.#options.clock.wallMs()
    let best: { readonly at: CredentialVersion; readonly burden: number } | undefined
    for (const name of open === undefined ? names : names.filter((one) => one === open)) {
      const at = this.#serving(name)
      if (at === undefined) continue
      const paused = (rule.switchOn?.includes('limit') ?? false) && (choice?.waitsMs(name) ?? 0) > 0
      const isOver = this.#isOver(rule, name, nowMs)
      const quarantined = this.#grants.isQuarantined(name)
      const away = (paused ? 1e9 : 0) + (isOver ? 1e10 : 0) + (quarantined ? 1e12 : 0)
      const weight = burden(this.#health.get(name) ?? healthy, nowMs) + away
      if (best === undefined || weight < best.burden) best = { at, burden: weight }
    }
    if (best === undefined) return undefined
    // Without a call it is only looked at: a look switches nothing, and must not be told as a switch.
    if (choice !== undefined && choice.isLook !== true && rule.pool.length > 1)
      this.#noteSwitch(rule.name, best.at.name)
    const canary = this.#rotations.canary(best.at.name)
    return canary === undefined ? best.at : { name: best.at.name, version: canary }
  }

  #isOver({ switchOn }: CredentialRule, name: string, nowMs: number): boolean {
    return (switchOn?.includes('expiry') ?? true) && (this.#rotations.endsMs(name) ?? Infinity) <= nowMs
  }

  /** Limits and pauses are no part of it: who obeys them serves. */
  #standingOf(rule: CredentialRule): Standing {
    const nowMs = this.#options.clock.wallMs()
    const members = membersOf(rule)
    const named = rule.pool.length === 0 ? [rule.name] : rule.pool
    const seen = members.map((name) => ({ name, ...this.#whyNot(rule, name, nowMs) }))
    const isServing = seen.some(({ why }) => why === null)
    const told = seen.filter(({ name }) => named.includes(name)).map(({ name, why }) => `${name} ${why}`)
    return {
      name: rule.name,
      account: rule.scope?.account ?? null,
      members,
      whyNot: isServing ? null : told.join(', '),
      canBeTried: seen.some(({ canBeTried }) => canBeTried),
      toSet: named[0]!,
    }
  }

  #whyNot(rule: CredentialRule, name: string, nowMs: number): { why: string | null; canBeTried: boolean } {
    const no = (why: string, canBeTried: boolean) => ({ why, canBeTried })
    if (this.#serving(name) === undefined) {
      const isCompromised = this.#options.vault.rows(name).at(-1)?.state === 'compromised'
      return no(isCompromised ? 'is compromised' : 'has no active version', false)
    }
    if (this.#grants.isQuarantined(name)) return no('is quarantined', false)
    if (this.#isOver(rule, name, nowMs)) return no("has ended by its provider's word", true)
    if (isUnknownThere(this.#health.get(name) ?? healthy, nowMs)) return no('is refused by its provider (401)', true)
    return { why: null, canBeTried: true }
  }

  /** The member with which something was sent whose effect nobody knows: whatever is sent of the same goes by it. */
  #openMember({ subject, key }: Pick<Choice, 'subject' | 'key'>): string | undefined {
    const { book } = this.#options
    if (subject !== null) return book.openCredential(subject)
    return key === null ? undefined : book.openCredentialByKey(key)
  }

  pin(credential: CredentialVersion): ReturnType<Keeper['pin']> {
    const { name, version } = credential
    const isActive = this.#options.vault.rows(name).some((row) => row.version === version && row.state === 'active')
    const held = isActive || this.#rotations.isCanary(name, version) ? credential : this.#serving(name)
    return held === undefined ? undefined : { credential: held, release: this.#uses.begin(held) }
  }

  async secretFor(credential: CredentialVersion): Promise<string> {
    const rule = this.#rotations.ruleOf(credential.name)
    return rule?.signing?.kind === 'oauth'
      ? this.#grants.accessFor(credential, rule.signing.oauth)
      : this.#options.vault.reveal(credential)
  }

  answered(credential: CredentialVersion, status: number | null, isLimited = false): void {
    const { name, version } = credential
    if (status === null || status >= 500) return
    const switchOn = this.#rotations.ruleOf(name)?.switchOn ?? ['401', '403', 'expiry']
    const isRefusal = (status === 401 || status === 403) && switchOn.includes(status === 401 ? '401' : '403')
    const shown = shownBy(status, { counts: isRefusal, isLimited })
    // What a token is answered says nothing of the secret that it was got with: its server's answer does.
    if (shown !== undefined && !this.#grants.isShown(name)) void this.#rotations.answered(name, version, shown)
    if (status === 401) this.#grants.wasRefused(credential)
    if (!isRefusal || isLimited) {
      if (status !== 401 && status !== 403 && status !== 429) this.#health.delete(name)
      return
    }
    this.#health.set(name, afterRefusal(this.#health.get(name) ?? healthy, this.#options.clock.wallMs(), status))
  }

  async rotate(name: string): Promise<void> {
    await this.#rotations.begin(name, false)
  }

  /** With somebody to make a new one it serves until then, some seconds; without, nothing more is sent with it. */
  async compromised(name: string, actor: string): Promise<void> {
    if (this.#rotations.ruleOf(name) === undefined)
      throw failure('not-found', `the configuration has no credential ${name.slice(0, 80)}: sitter vault status`)
    if (this.#rotations.isAutomatic(name)) return this.#rotations.begin(name, true)
    const rows = this.#options.vault.rows(name).filter(({ state }) => state === 'active' || state === 'draining')
    if (rows.length === 0) throw failure('conflict', `${name} has no version that is in use: sitter vault set ${name}`)
    await this.#mark(rows, 'compromised', `taken out of use by ${actor}: end it at its provider, and set another one`)
  }

  async revoke(name: string, version: number, actor: string): Promise<void> {
    const rows = this.#options.vault.rows(name)
    const row = rows.find((one) => one.version === version)
    if (row === undefined)
      throw failure('not-found', `${name.slice(0, 80)}@${version} is not in the vault: sitter vault ls shows what is`)
    if (row.state === 'revoked')
      throw failure('conflict', `${name}@${version} is revoked already: nothing is left to do`)
    if (row.state === 'active')
      throw failure('conflict', `${name}@${version} is in use: sitter vault rotate ${name}, or --compromised with it`)
    const cycle = this.#rotations.cycle(name)
    const isUnderWay = cycle !== undefined && (cycle.next === version || cycle.old.includes(version))
    if ((row.state === 'staged' || row.state === 'draining') && isUnderWay)
      throw failure(
        'conflict',
        `${name}@${version} belongs to a rotation that is under way and ends it: sitter vault status`,
      )
    await this.#mark([row], 'revoked', `said to be revoked at its provider by ${actor}`)
  }

  take(rules: readonly CredentialRule[]): void {
    this.#rotations.take(rules)
    this.#grants.take(this.#rotations.names())
    this.#ways.take(rules)
  }

  notes(after: number): Promise<readonly NoteRow[]> {
    return this.#options.book.notes(after)
  }

  rekey(...[kind]: Parameters<Vault['rekey']>): ReturnType<Vault['rekey']> {
    return this.#options.vault.rekey(kind)
  }

  backup(recipient: string): ReturnType<Vault['backup']> {
    return this.#options.vault.backup(recipient)
  }

  stop(): void {
    this.#rotations.stop()
    this.#grants.stop()
  }

  async #mark(
    rows: readonly { readonly name: string; readonly version: number }[],
    state: 'compromised' | 'revoked',
    why: string,
  ): Promise<void> {
    const { vault, clock } = this.#options
    await vault.renew({
      add: [],
      moves: rows.map(({ name, version }) => ({ name, version, state })),
      drops: [],
      machines: [],
      notes: rows.map(({ name, version }) => ({
        wallMs: clock.wallMs(),
        kind: `credential.${state}`,
        subject: name,
        message: `version ${version}: ${why}`,
      })),
    })
  }

  #serving(name: string): CredentialVersion | undefined {
    const row = this.#options.vault.usable(name)
    return row === undefined ? undefined : { name, version: row.version }
  }

  #noteSwitch(pool: string, name: string): void {
    const before = this.#used.get(pool)
    if (before === name) return
    this.#used.set(pool, name)
    if (before === undefined) return
    const { vault, clock, log } = this.#options
    const message = `calls go on with ${name} instead of ${before}`
    log('warn', message, { pool })
    const note = { wallMs: clock.wallMs(), kind: 'credential.switched', subject: pool, message }
    void vault.renew({ add: [], moves: [], drops: [], machines: [], notes: [note] }).catch(() => {
      log('error', 'a switch of credentials could not be written', { pool })
    })
  }
}

export const openKeeper = (options: KeeperOptions): Keeper => new VaultKeeper(options)
