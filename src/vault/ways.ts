/**
 * The accounts by which a credential's calls go: what decides is gathered here, and each switch is told and saved in
 * one commit, so that a gate that was killed knows by which account the calls before it went.
 */
import type { GateBook, MachineRow } from '../store/store.ts'
import type { Clock } from '../std/std.ts'
import { boundOf, decide, type Standing } from './accounts.ts'
import type { CredentialRule, CredentialVersion, Vault } from './port.ts'
import type { Log } from './rotation/rotations.ts'

export interface Choice {
  /** What the call is for, when it has a name: an open outcome of the same keeps its credential. */
  readonly subject: string | null
  /** Hash of the idempotency key of an agent's own call that may change something. */
  readonly key: string | null
  /** For how long limits or the upstream's own word make a call by this credential wait; 0 = they do not. */
  readonly waitsMs: (name: string) => number
  /** Nothing goes out by this: it is no switch. */
  readonly isLook?: true
}
export interface WayWanted extends Choice {
  readonly changes: boolean
  /** It is a granted request: books are kept by account, and it goes by no other. */
  readonly isGranted: boolean
  /** For how long the provider wants this credential to wait. */
  readonly pausedMs: (name: string) => number
  /** Until when keys may come again of which nothing is known. */
  readonly forgottenUntilMs: () => number | null
  /** What of the call a credential may not be used for. */
  readonly outside: (rule: CredentialRule) => string | undefined
}
export interface Way {
  readonly credential: CredentialVersion
  /** Of its own credential, or of the fallback. */
  readonly rule: CredentialRule
}
export interface NoWay {
  readonly why: string
  /** Others like it may go. */
  readonly isAlone: boolean
  readonly retryAfterMs?: number
}

/** By which account calls go that may go by either. */
export interface FallbackView {
  readonly credential: string
  readonly account: string | null
  readonly fallback: string
  readonly fallbackAccount: string | null
  /** The one of the two that the next call goes by; null = neither serves. */
  readonly by: string | null
  /** Since when calls go by the fallback; null = none has, since the last that did not. */
  readonly sinceMs: number | null
  /** Why not by its own account; null = it serves. */
  readonly why: string | null
}

interface At {
  readonly by: string
  readonly sinceMs: number
}

export interface WaysOptions {
  readonly vault: Pick<Vault, 'renew' | 'tampered'>
  readonly book: Pick<GateBook, 'boundBy'>
  readonly clock: Clock
  readonly log: Log
  readonly saved: readonly MachineRow[]
  readonly standingOf: (rule: CredentialRule) => Standing
  /** The version of one account, by which nothing but its own pool decides. */
  readonly choose: (rule: CredentialRule, choice?: Choice) => CredentialVersion | undefined
  readonly openMember: (choice: Pick<Choice, 'subject' | 'key'>) => string | undefined
}

const accountKind = 'account'
const titleOf = ({ name, scope }: CredentialRule): string =>
  scope?.account == null ? name : `${name} (account ${scope.account})`

export class Ways {
  readonly #options: WaysOptions
  #rules: ReadonlyMap<string, CredentialRule> = new Map()
  /** Credentials whose calls went by another one last. */
  readonly #away: Map<string, At>

  constructor(options: WaysOptions) {
    this.#options = options
    const doubted = new Set(options.vault.tampered.filter(({ kind }) => kind === accountKind).map(({ name }) => name))
    const rows = options.saved.filter(({ kind, name }) => kind === accountKind && !doubted.has(name))
    const kept = rows.map(({ name, state }) => [name, JSON.parse(state) as At] as const)
    this.#away = new Map(kept.filter(([name, { by }]) => by !== name))
  }

  take(rules: readonly CredentialRule[]): void {
    this.#rules = new Map(rules.map((rule) => [rule.name, rule]))
  }

  /** By which account, and with which version. */
  of(rule: CredentialRule, wanted: WayWanted): Way | NoWay {
    const { book, standingOf } = this.#options
    const { changes, key, outside, forgottenUntilMs } = wanted
    const other = wanted.isGranted ? undefined : this.#fallbackOf(rule)
    const rows = changes && key !== null ? book.boundBy(key) : []
    if (other === undefined && rows.length === 0) return this.#by(rule, wanted, true)
    const [own, fall] = [standingOf(rule), other === undefined ? null : standingOf(other)]
    const decided = decide(own, fall, {
      changes,
      isKeyed: key !== null,
      bound: boundOf(rows, own, fall),
      forgottenUntilMs: forgottenUntilMs(),
      pausedMs: Math.max(0, ...own.members.map((name) => wanted.pausedMs(name))),
      outside: other === undefined ? undefined : outside(other),
    })
    if (decided.by === null) return decided
    const chosen = decided.by === 'own' ? rule : other!
    const way = this.#by(chosen, wanted, false)
    if ('rule' in way && decided.isFree) this.#note(rule, way, own.whyNot)
    return way
  }

  /** What a call that may go by either would go out with now. Looking switches nothing. */
  look(rule: CredentialRule, waitsMs?: Choice['waitsMs']): CredentialVersion | undefined {
    const { standingOf, choose } = this.#options
    const choice: Choice | undefined = waitsMs && { subject: null, key: null, waitsMs, isLook: true }
    const other = this.#fallbackOf(rule)
    const isOwn = other === undefined || standingOf(rule).whyNot === null || standingOf(other).whyNot !== null
    return choose(isOwn ? rule : other, choice)
  }

  views(): readonly FallbackView[] {
    return [...this.#rules.values()].flatMap((rule): FallbackView[] => {
      const other = this.#fallbackOf(rule)
      if (other === undefined) return []
      const [own, fall] = [this.#options.standingOf(rule), this.#options.standingOf(other)]
      const by = own.whyNot === null ? rule.name : fall.whyNot === null ? other.name : null
      const at = this.#away.get(rule.name)
      return [
        {
          credential: rule.name,
          account: own.account,
          fallback: other.name,
          fallbackAccount: fall.account,
          by,
          sinceMs: by === other.name && at?.by === by ? at.sinceMs : null,
          why: own.whyNot,
        },
      ]
    })
  }

  #fallbackOf({ fallback }: CredentialRule): CredentialRule | undefined {
    return fallback == null ? undefined : this.#rules.get(fallback)
  }

  #by(rule: CredentialRule, wanted: WayWanted, isFree: boolean): Way | NoWay {
    const credential = this.#options.choose(rule, wanted)
    if (credential === undefined) return this.#noneOf(rule, wanted)
    const way = { credential, rule }
    // The configuration may have taken the fallback away while calls went by it.
    if (isFree && this.#away.size > 0) this.#note(rule, way, null)
    return way
  }

  #noneOf(rule: CredentialRule, wanted: WayWanted): NoWay {
    const held = this.#options.openMember(wanted)
    if (held !== undefined) {
      const open = `an earlier call of the same is open with ${held}, which has no active version`
      return { why: `${open}: sitter vault set ${held}`, isAlone: true }
    }
    const { whyNot, toSet } = this.#options.standingOf(rule)
    return { why: `${whyNot ?? `${rule.name} has no active version`}: sitter vault set ${toSet}`, isAlone: false }
  }

  #note(rule: CredentialRule, { credential, rule: chosen }: Way, whyNot: string | null): void {
    const before = this.#away.get(rule.name)
    if ((before?.by ?? rule.name) === chosen.name) return
    const { vault, clock, log } = this.#options
    const wallMs = clock.wallMs()
    const at: At = { by: chosen.name, sinceMs: wallMs }
    const former = this.#rules.get(before?.by ?? rule.name)
    const formerTitle = former === undefined ? before!.by : titleOf(former)
    const why = chosen.name === rule.name ? ', which serves again' : `: ${whyNot}`
    const message = `calls go on with ${credential.name} of ${titleOf(chosen)} instead of ${formerTitle}${why}`
    this.#put(rule.name, at)
    log('warn', message, { credential: rule.name })
    const note = { wallMs, kind: 'credential.switched', subject: rule.name, message }
    const machine = { kind: accountKind, name: rule.name, state: JSON.stringify(at) }
    void vault.renew({ add: [], moves: [], drops: [], machines: [machine], notes: [note] }).catch(() => {
      // The next call tells of it.
      if ((this.#away.get(rule.name)?.by ?? rule.name) === at.by) this.#put(rule.name, before)
      log('error', 'a switch of accounts could not be written', { credential: rule.name })
    })
  }

  #put(name: string, at: At | undefined): void {
    if (at === undefined || at.by === name) this.#away.delete(name)
    else this.#away.set(name, at)
  }
}
