/**
 * Runs the cycles: one for each secret of the configuration, one deed at a time. What a deed has shown is saved as a
 * fact before the next one; a killed gate goes on from what is saved.
 */
import { failure, fromCivil, toCivil } from '../../std/std.ts'
import type { Note, SecretRow } from '../../store/store.ts'
import type { CredentialRule } from '../port.ts'
import type { Shown } from '../ports.ts'
import { canaryShare, freshCycle, mayRevoke, step, type Cycle, type Fact } from './cycle.ts'
import { afterRestart, tamperedCycle } from './resumed.ts'
import { dueAfter, dueOf, isPlanned, mayBeginAt, spareMs } from './plan.ts'
import {
  clientsOf,
  isOnTrial,
  neighboursOf,
  newMember,
  type Member,
  type RotationsOptions,
  type Sealed,
} from './member.ts'
import { newLabel, openDoing, type Doing } from './doing.ts'
import { deedsOf } from './rotators.ts'

export type { Log, RotationsOptions } from './member.ts'

/** Longest look ahead: a clock that is set, or a computer that slept, is noticed within it. */
const longestTimerMs = 60_000
/** After a deed threw (a full disk): it is tried again. */
const afterFaultMs = 5_000
export const rotationKind = 'rotation'

export class Rotations {
  readonly #options: RotationsOptions
  readonly #members = new Map<string, Member>()
  readonly #kept: Map<string, Cycle>
  readonly #doing: Doing
  #stopped = false

  constructor(options: RotationsOptions) {
    this.#options = options
    this.#doing = openDoing({
      options,
      active: (name) => this.#active(name),
      take: (member, fact) => this.#take(member, fact),
    })
    const rows = options.saved.filter(({ kind }) => kind === rotationKind)
    this.#kept = new Map(rows.map(({ name, state }) => [name, JSON.parse(state) as Cycle]))
    const nowMs = options.clock.wallMs()
    for (const { kind, name } of options.vault.tampered)
      if (kind === rotationKind) this.#kept.set(name, tamperedCycle(nowMs))
  }

  /** The rules that hold from now on. */
  take(rules: readonly CredentialRule[]): void {
    const names = new Set<string>()
    for (const rule of [...rules, ...clientsOf(rules)]) {
      for (const name of rule.pool.length === 0 ? [rule.name] : rule.pool) {
        names.add(name)
        this.#takeMember(name, rule)
      }
    }
    for (const [name, member] of this.#members) {
      if (names.has(name)) continue
      member.cancel()
      this.#kept.set(name, member.cycle)
      this.#members.delete(name)
    }
  }

  cycle(name: string): Cycle | undefined {
    return this.#members.get(name)?.cycle
  }

  ruleOf(name: string): CredentialRule | undefined {
    return this.#members.get(name)?.rule
  }

  isAutomatic(name: string): boolean {
    return this.#members.get(name)?.deeds != null
  }

  names(): readonly string[] {
    return [...this.#members.keys()]
  }

  /** When the version in use ends by its provider's word, in our time; null = it told none. */
  endsMs(name: string): number | null {
    const version = this.#active(name)?.version
    const civilMs = version === undefined ? undefined : this.#members.get(name)?.cycle.ends[version]
    return civilMs === undefined ? null : fromCivil(this.#options.clock, civilMs)
  }

  /** When it is to be replaced; null = no version, or nobody said. */
  dueMs(name: string): number | null {
    const member = this.#members.get(name)
    const active = this.#active(name)
    if (member === undefined) return null
    const { rule, cycle, deeds } = member
    if (rule.rotation === undefined || active === undefined) return cycle.dueMs
    const standing = { setMs: active.setMs, endsMs: this.endsMs(name) }
    return dueOf(rule.rotation, cycle.dueMs, standing, deeds !== null)
  }

  /** How long before its end the version in use is to be replaced by itself; null = it has no such end. */
  spareMs(name: string): number | null {
    const [active, endsMs, rule] = [this.#active(name), this.endsMs(name), this.ruleOf(name)?.rotation]
    if (active === undefined || endsMs === null || rule === undefined || !this.isAutomatic(name)) return null
    return spareMs(rule, { setMs: active.setMs, endsMs }, endsMs)
  }

  /** The version that a call is to try, when chance has it that this one is of the canary. */
  canary(name: string): number | undefined {
    const cycle = this.#members.get(name)?.cycle
    if (cycle === undefined || cycle.next === null) return undefined
    return this.#options.random.next() < canaryShare(cycle) ? cycle.next : undefined
  }

  /** A version that is used although it is not active yet. */
  isCanary(name: string, version: number): boolean {
    const cycle = this.#members.get(name)?.cycle
    return cycle?.phase === 'canary' && cycle.next === version
  }

  /** Begins a rotation now. @throws Failure `conflict` when there is nothing to rotate. */
  async begin(name: string, emergency: boolean): Promise<void> {
    const member = this.#memberOf(name)
    if (this.#active(name) === undefined)
      throw failure('conflict', `${name} has no active version: sitter vault set ${name}`)
    if (member.deeds === null)
      throw failure(
        'conflict',
        `nobody rotates ${name} by itself: make a new key at its provider, then sitter vault set`,
      )
    const taken = await this.#take(member, { kind: 'begin', label: newLabel(this.#options.random, name), emergency })
    if (!taken) throw failure('conflict', this.#whyNotNow(member))
    void this.#drive(member)
  }

  /** A new one serves already, or one that was not accepted is being ended. */
  #whyNotNow({ name, rule, cycle }: Member): string {
    const { next, old, phase } = cycle
    const now = `sitter vault rotate ${name} --compromised makes another one at once`
    if (phase === 'undoing') return `${name}@${next} was not accepted, and is being ended; the next try comes by itself`
    const ended = old.map((version) => `${name}@${version}`).join(', ')
    if (!cycle.proven) return `${name}@${next} took over, and ${ended} waits until it has answered a call; ${now}`
    const civilMs = toCivil(this.#options.clock, this.#endOf({ cycle }, rule.rotation?.overlapMs))
    return `${name}@${next} has taken over, and ${ended} is ended from ${new Date(civilMs).toISOString()} on; ${now}`
  }

  /** Whether what is shown of this version decides anything. */
  isOnTrial(name: string, version: number): boolean {
    const member = this.#members.get(name)
    return member !== undefined && isOnTrial(member.cycle, version)
  }

  /** What a live call, or a request for a token, has shown of a version. */
  async answered(name: string, version: number, shown: Shown): Promise<void> {
    const member = this.#members.get(name)
    if (member === undefined || !isOnTrial(member.cycle, version)) return
    const fact: Fact = shown === 'not-accepted' ? { kind: shown, why: 'a live call was refused' } : { kind: shown }
    // From the second success on it is a count and no news: lost with the gate, and no harm.
    if (shown === 'accepted' && member.cycle.phase === 'canary' && member.cycle.fine > 0) {
      member.cycle = { ...member.cycle, fine: member.cycle.fine + 1 }
      return
    }
    try {
      await this.#take(member, fact)
    } catch (error) {
      // The next answer shows it again.
      this.#options.log('error', 'what an answer showed of a secret was not written', {
        credential: name,
        why: (error as Error).message,
      })
    }
    void this.#drive(member)
  }

  /** A person set a version; `before` was active until then. */
  async wasSet(name: string, set: { version: number; endsMs: number | null }, before: number | null): Promise<void> {
    const member = this.#members.get(name)
    if (member !== undefined)
      await this.#take(member, () => {
        const left = this.#leftBy(member, set.version, before)
        return { fact: { kind: 'set', ...set, left }, add: [] }
      })
    this.wake(name)
  }

  /** What nobody ends at its provider once this version was set; who does it all by hand knows of the one before. */
  #leftBy({ name, cycle, deeds }: Member, version: number, before: number | null): readonly number[] {
    const isAlone = deeds === null && cycle.phase === 'idle'
    const given = [
      ...cycle.old,
      ...(isAlone || before === null ? [] : [before]),
      ...(cycle.next === null ? [] : [cycle.next]),
    ]
    const rows = this.#options.vault.rows(name)
    const setNow = rows.find((row) => row.version === version)?.fingerprint
    // The same secret once more: ending it would end the one in use.
    const isOther = (one: number): boolean => rows.find((row) => row.version === one)?.fingerprint !== setNow
    return [...new Set(given)].filter((one) => one !== version && isOther(one)).toSorted((one, two) => one - two)
  }

  /** Something may have become possible. */
  wake(name: string): void {
    const member = this.#members.get(name)
    if (member !== undefined) void this.#drive(member)
  }

  stop(): void {
    this.#stopped = true
    for (const { cancel } of this.#members.values()) cancel()
  }

  #memberOf(name: string): Member {
    const member = this.#members.get(name)
    if (member === undefined)
      throw failure(
        'not-found',
        `the configuration has no credential or pool member ${name.slice(0, 80)}: sitter vault status`,
      )
    return member
  }

  #takeMember(name: string, rule: CredentialRule): void {
    const deeds = deedsOf(rule, this.#options.ports)
    const known = this.#members.get(name)
    if (known !== undefined) {
      known.rule = rule
      known.deeds = deeds
      known.cycle = this.#planned(name, rule, known.cycle)
    } else {
      const kept = this.#kept.get(name) ?? this.#firstCycle(name)
      const cycle = this.#planned(name, rule, afterRestart(kept, deeds?.sameAnswer ?? false))
      this.#members.set(name, newMember({ name, rule, deeds, cycle }))
    }
    this.wake(name)
  }

  /** Saved where there is no secret yet, so that it is known, over restarts, since when it is missing. */
  #firstCycle(name: string): Cycle {
    const { clock, vault, log } = this.#options
    const cycle = freshCycle(clock.wallMs(), null)
    if (this.#active(name) !== undefined) return cycle
    const machines = [{ kind: rotationKind, name, state: JSON.stringify(cycle) }]
    vault.renew({ add: [], moves: [], drops: [], machines, notes: [] }).catch(() => {
      log('error', 'since when a secret is missing was not written', { credential: name })
    })
    return cycle
  }

  /** A plan that was never made, or is later than the rule allows now. */
  #planned(name: string, rule: CredentialRule, cycle: Cycle): Cycle {
    const active = this.#active(name)
    if (rule.rotation === undefined || active === undefined) return cycle
    const { clock, random } = this.#options
    if (isPlanned(rule.rotation, active.setMs, cycle.dueMs, clock.wallMs())) return cycle
    return { ...cycle, dueMs: dueAfter(rule.rotation, active.setMs, random.next()) }
  }

  #active(name: string): SecretRow | undefined {
    return this.#options.vault.usable(name)
  }

  /** Saves what a fact makes of the cycle; false when it came too late. */
  #take(member: Member, fact: Fact | (() => Sealed)): Promise<boolean> {
    const taken = member.turn.then(() => this.#save(member, typeof fact === 'function' ? fact() : { fact, add: [] }))
    member.turn = taken.catch(() => {
      /* whoever brought the fact is told */
    })
    return taken
  }

  async #save(member: Member, { fact, add }: Sealed): Promise<boolean> {
    const { clock, random, vault } = this.#options
    const { name, rule } = member
    const nowMs = clock.wallMs()
    const rows = vault.rows(name).filter(({ state }) => state === 'active' || state === 'draining')
    const nextDueMs = rule.rotation === undefined ? null : dueAfter(rule.rotation, nowMs, random.next())
    const serving = rows.map(({ version }) => version)
    const skipsCanary = this.#options.isByTokens(name)
    const stepped = step(member.cycle, fact, { nowMs, nextDueMs, serving, skipsCanary })
    if (stepped === undefined) return false
    const { cycle, moves, note } = stepped
    const notes: Note[] = note === null ? [] : [{ wallMs: nowMs, subject: name, ...note }]
    const machine = { kind: rotationKind, name, state: JSON.stringify(cycle) }
    await vault.renew({ add, moves: moves.map((one) => ({ name, ...one })), drops: [], machines: [machine], notes })
    member.cycle = cycle
    if (note !== null) this.#options.log('info', note.message, { credential: name, kind: note.kind })
    return true
  }

  async #drive(member: Member): Promise<void> {
    member.woken = true
    if (member.busy || this.#stopped) return
    member.busy = true
    member.cancel()
    let delayMs: number | null
    try {
      do {
        member.woken = false
        delayMs = await this.#once(member)
      } while ((delayMs === 0 || member.woken) && !this.#stopped)
    } catch (error) {
      this.#options.log('error', (error as Error).message, { credential: member.name })
      delayMs = afterFaultMs
    }
    member.busy = false
    if (this.#stopped || delayMs === null) return
    member.cancel = this.#options.clock.timer(Math.min(longestTimerMs, delayMs), () => void this.#drive(member))
  }

  /** One deed. Resolves with ms until the next look, 0 = at once, null = when something happens. */
  async #once(member: Member): Promise<number | null> {
    const { clock } = this.#options
    const { cycle, deeds } = member
    const waitMs = cycle.againMs - clock.wallMs()
    if (waitMs > 0) return waitMs
    if (deeds === null) return null
    switch (cycle.phase) {
      case 'idle':
        return this.#idle(member)
      case 'minting':
        return this.#doing.mint(member, deeds)
      case 'looking':
        return this.#doing.look(member, deeds)
      case 'testing':
        return this.#doing.test(member, deeds)
      case 'canary':
        return this.#waitOr(member, this.#endOf(member, member.rule.rotation?.canaryMs), 'canary-over')
      case 'draining':
        return this.#drain(member)
      case 'revoking':
        return this.#doing.revoke(member, deeds, cycle.old[0]!)
      case 'undoing':
        return this.#doing.revoke(member, deeds, cycle.next!)
      case 'person':
        return null
    }
  }

  /** The end of a time that begins with the phase; in an emergency there is none. */
  #endOf({ cycle }: Pick<Member, 'cycle'>, lastsMs = 0): number {
    return cycle.emergency ? 0 : cycle.sinceMs + lastsMs
  }

  async #waitOr(member: Member, atMs: number, kind: 'canary-over' | 'drained'): Promise<number> {
    const waitMs = atMs - this.#options.clock.wallMs()
    if (waitMs > 0) return waitMs
    await this.#take(member, { kind })
    return 0
  }

  async #idle(member: Member): Promise<number | null> {
    const { name, rule, cycle } = member
    const { clock } = this.#options
    const active = this.#active(name)
    if (rule.rotation === undefined || active === undefined) return null
    if (cycle.dueMs === null) {
      member.cycle = this.#planned(name, rule, cycle)
      return 0
    }
    // What is in wrong hands waits neither for days nor for neighbours.
    const atMs = cycle.emergency
      ? cycle.dueMs
      : mayBeginAt(rule.rotation, {
          dueMs: this.dueMs(name) ?? cycle.dueMs,
          standing: { setMs: active.setMs, endsMs: this.endsMs(name) },
          neighbours: neighboursOf(member, this.#members),
          civilMs: toCivil(clock, 0),
        })
    if (atMs === null) return Math.min(longestTimerMs, Math.max(1_000, rule.rotation.gapMs))
    const waitMs = atMs - clock.wallMs()
    if (waitMs > 0) return waitMs
    await this.#take(member, { kind: 'begin', label: newLabel(this.#options.random, name), emergency: false })
    return 0
  }

  /** Nobody uses an old version any more, and its overlap is over. Whoever ends the last use wakes this. */
  async #drain(member: Member): Promise<number | null> {
    const { name, cycle, rule } = member
    const overlapEndMs = this.#endOf(member, rule.rotation?.overlapMs)
    // A live call says whether the new one works: it wakes this.
    if (!mayRevoke(cycle)) return null
    const inUse = cycle.old.some((version) => this.#options.uses.count({ name, version }) > 0)
    // In wrong hands it is ended under whoever still uses it.
    if (inUse && !cycle.emergency && overlapEndMs <= this.#options.clock.wallMs()) return null
    return this.#waitOr(member, overlapEndMs, 'drained')
  }
}
