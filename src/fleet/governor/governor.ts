/**
 * Holds back restarts while many die of one cause (decide.ts decides), and lets them go again by itself. Who is held
 * waits here instead of starting; whoever a person releases does not.
 */
import type { Cancel, Clock } from '../../std/std.ts'
import type { Agenda } from '../agenda.ts'
import {
  afterDeath,
  afterExplanation,
  afterProof,
  fingerprintOf,
  freshCause,
  nextTries,
  released,
  windowMs,
  type CauseState,
} from './decide.ts'

/** Whoever is to be started again: an agent that waits by itself, or a group with its cell. */
export interface Restart {
  readonly who: string
  /** How many agents it is. */
  readonly agents: () => number
  start(): void
  /** Whether it has proven itself since it was started; `gone` = it is not there any more, and not for this cause. */
  proof(): 'proven' | 'pending' | 'gone'
}
export interface HeldCause {
  /** The cause without what names one agent or moment. */
  readonly key: string
  /** The last death's words. */
  readonly cause: string
  readonly sinceMs: number
  readonly nextMs: number
  readonly failures: number
  readonly waiting: number
  readonly trying: readonly string[]
}
export interface GovernorEvents {
  held(cause: HeldCause): void
  tried(cause: HeldCause): void
  released(cause: HeldCause): void
  /** What `kept` gives has changed. */
  changed(): void
  /** Whether a cell of this type has come up since then, and stayed up. */
  comesUp(type: string, sinceMs: number): boolean
}

/** A death, beyond its words. */
export interface Circumstances {
  /** The key under which whoever died was started, when it had not come up since. */
  readonly before?: string | null
  /** Of which type a cell died that had hardly come up, or had not at all. */
  readonly young?: string | null
}

/** What of a cause must outlive this sitter. */
export interface KeptCause {
  readonly key: string
  readonly words: string
  readonly state: CauseState
}

interface Cause {
  readonly key: string
  words: string
  state: CauseState
  readonly waiting: Map<string, Restart>
  /** Of these, who has not died of it: with its type, none of which comes up. */
  readonly strangers: Map<string, string>
  /** Those that are being tried. */
  readonly tried: Map<string, Restart>
  /** Types with cells that died of it as soon as they were started, and when last. */
  readonly fails: Map<string, number>
  /** Types of which a cell has come up since it is held. */
  readonly works: Set<string>
  /** When the first of those died for whom it is held. */
  firstMs: number
  seenMs: number
}

const lookEveryMs = 250
/** Causes that are remembered; the one that was quiet for longest is forgotten, unless somebody waits in it. */
const mostCauses = 100

export class Governor {
  readonly #clock: Pick<Clock, 'monoMs'>
  readonly #agenda: Pick<Agenda, 'after'>
  readonly #events: GovernorEvents
  readonly #causes = new Map<string, Cause>()
  #cancel: Cancel | undefined

  constructor(clock: Pick<Clock, 'monoMs'>, agenda: Pick<Agenda, 'after'>, events: GovernorEvents) {
    this.#clock = clock
    this.#agenda = agenda
    this.#events = events
  }

  /**
   * Somebody died of it. Gives the key under which its restart is asked for. Whoever was held and has not come up
   * since died of what it is held for, in whatever words: else each change of words would be a cause of its own, with
   * tries of its own.
   */
  died(words: string, who: string, { before = null, young = null }: Circumstances = {}): string {
    const nowMs = this.#clock.monoMs()
    const cause = this.#heldFor(before, who) ?? this.#cause(fingerprintOf(words), words)
    if (young !== null) cause.fails.set(young, nowMs)
    cause.words = words
    cause.seenMs = nowMs
    const earlier = cause.state
    cause.state = afterDeath(earlier, who, nowMs)
    if (cause.state.held !== null) this.#events.changed()
    const { held } = cause.state
    if (held !== null && held.trying.length === 0) {
      // The wave is over: those of it that live wait for nothing, those that died ask again.
      cause.tried.clear()
    }
    if (earlier.held === null && held !== null) {
      cause.firstMs = cause.state.deaths[0]!.atMs
      cause.works.clear()
      this.#events.held(this.#told(cause))
      this.#arm()
    }
    return cause.key
  }

  /** True = start it now. False = it is held, and `restart.start` is called when its time has come. */
  admit(key: string | null, restart: Restart): boolean {
    const cause = key === null ? undefined : this.#causes.get(key)
    if (cause === undefined || cause.state.held === null || cause.tried.has(restart.who)) return true
    cause.waiting.set(restart.who, restart)
    this.#events.changed()
    return false
  }

  /** It is one of those that go first. */
  isTried(who: string): boolean {
    return [...this.#causes.values()].some(({ tried }) => tried.has(who))
  }

  /** The held cause that has ended starts of this type, none of which has come up since; null = there is none. */
  bars(type: string): string | null {
    for (const cause of this.#causes.values()) if (this.#isBarred(cause, type)) return cause.key
    return null
  }

  /** The type has other settings or other code: that no cell of it came up says nothing about those. */
  renewed(type: string): void {
    for (const cause of this.#causes.values()) cause.fails.delete(type)
  }

  /** Of a type that is barred: it waits like those who died of it, and goes before them: it may be another case. */
  wait(key: string, type: string, restart: Restart): void {
    this.admit(key, restart)
    this.#causes.get(key)!.strangers.set(restart.who, type)
  }

  /** Their deaths are laid to one of them, who is out of the way: they do not count towards a hold any more. */
  explained(who: readonly string[]): void {
    for (const cause of this.#causes.values()) cause.state = afterExplanation(cause.state, who)
  }

  /** Whether many have died of it, and restarts after it are held. */
  isHeld(key: string | null): boolean {
    return key !== null && (this.#causes.get(key)?.state.held ?? null) !== null
  }

  /** Somebody else has decided about it. */
  leave(who: string): void {
    for (const { waiting, strangers } of this.#causes.values()) {
      strangers.delete(who)
      if (waiting.delete(who)) this.#events.changed()
    }
  }

  /** When the next is tried, for whoever is held; undefined for others. */
  holds(who: string): Pick<HeldCause, 'key' | 'nextMs'> | undefined {
    for (const { key, state, waiting } of this.#causes.values())
      if (waiting.has(who)) return { key, nextMs: state.held!.nextMs }
    return undefined
  }

  list(): readonly HeldCause[] {
    return [...this.#causes.values()].filter(({ state }) => state.held !== null).map((cause) => this.#told(cause))
  }

  /** Causes whose next try should have been so long ago, and was not: we stood still, or nobody looks any more. */
  late(byMs: number): readonly string[] {
    const sinceMs = this.#clock.monoMs() - byMs
    return [...this.#causes.values()]
      .filter(
        ({ state: { held }, waiting }) =>
          held !== null && held.trying.length === 0 && waiting.size > 0 && held.nextMs < sinceMs,
      )
      .map(({ key }) => key)
  }

  /** Looks again, should nobody look any more. */
  wake(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#arm()
  }

  kept(): readonly KeptCause[] {
    return [...this.#causes.values()]
      .filter(({ state }) => state.held !== null || state.last !== null)
      .map(({ key, words, state }) => ({ key, words, state }))
  }

  /**
   * Goes on where the last sitter was. Whoever was being tried has died with it, of something else: the same wave is
   * tried again, at once.
   */
  resume(kept: readonly KeptCause[]): void {
    const nowMs = this.#clock.monoMs()
    for (const { key, words, state } of kept.slice(0, mostCauses)) {
      const cause = this.#cause(key, words)
      const { held } = state
      const interrupted = held !== null && held.trying.length > 0
      cause.state = interrupted ? { ...state, held: { ...held, trying: [], nextMs: nowMs } } : state
      cause.firstMs = nowMs
      if (held !== null) this.#arm()
    }
  }

  #heldFor(key: string | null, who: string): Cause | undefined {
    const known = key === null ? undefined : this.#causes.get(key)
    if (known !== undefined && known.state.held !== null) return known
    return [...this.#causes.values()].find(({ tried }) => tried.has(who))
  }

  #isBarred(cause: Cause, type: string): boolean {
    if (cause.state.held === null || cause.works.has(type)) return false
    if ((cause.fails.get(type) ?? -Infinity) < cause.firstMs) return false
    if (!this.#events.comesUp(type, cause.firstMs)) return true
    cause.works.add(type)
    return false
  }

  #cause(key: string, words: string): Cause {
    const known = this.#causes.get(key)
    if (known !== undefined) return known
    if (this.#causes.size >= mostCauses) {
      const quiet = [...this.#causes.values()].filter(({ state }) => state.held === null)
      const oldest = quiet.toSorted((a, b) => a.seenMs - b.seenMs)[0]
      if (oldest !== undefined) this.#causes.delete(oldest.key)
    }
    const cause: Cause = {
      key,
      words,
      state: freshCause,
      waiting: new Map(),
      strangers: new Map(),
      tried: new Map(),
      fails: new Map(),
      works: new Set(),
      firstMs: -Infinity,
      seenMs: this.#clock.monoMs(),
    }
    this.#causes.set(key, cause)
    return cause
  }

  #told({ key, words, state, waiting }: Cause): HeldCause {
    const { sinceMs, nextMs, failures, trying } = state.held!
    const agents = [...waiting.values()].reduce((sum, one) => sum + one.agents(), 0)
    return { key, cause: words, sinceMs, nextMs, failures, waiting: agents, trying }
  }

  #arm(): void {
    if (this.#cancel !== undefined) return
    this.#cancel = this.#agenda.after(lookEveryMs, () => {
      this.#cancel = undefined
      for (const cause of this.#causes.values()) this.#look(cause)
      if ([...this.#causes.values()].some(({ state }) => state.held !== null)) this.#arm()
    })
  }

  /** Takes them out of those that wait. */
  #take(cause: Cause, names: readonly string[]): readonly Restart[] {
    return names.map((who) => {
      const one = cause.waiting.get(who)!
      cause.waiting.delete(who)
      cause.strangers.delete(who)
      return one
    })
  }

  /** Their type comes up after all: they have nothing to do with it. */
  #letStrangersGo(cause: Cause): void {
    if (cause.strangers.size === 0) return
    const free = new Set([...new Set(cause.strangers.values())].filter((type) => !this.#isBarred(cause, type)))
    if (free.size === 0) return
    const names = [...cause.strangers].flatMap(([who, type]) => (free.has(type) ? [who] : []))
    const restarts = this.#take(cause, names)
    this.#events.changed()
    for (const one of restarts) one.start()
  }

  /** What those that are being tried have shown. */
  #shown({ tried }: Cause): { readonly proven: readonly string[]; readonly gone: readonly string[] } {
    const proofs = [...tried.values()].map((one) => ({ who: one.who, proof: one.proof() }))
    const of = (wanted: 'proven' | 'gone'): string[] =>
      proofs.flatMap(({ who, proof }) => (proof === wanted ? [who] : []))
    const shown = { proven: of('proven'), gone: of('gone') }
    for (const who of [...shown.proven, ...shown.gone]) tried.delete(who)
    return shown
  }

  #look(cause: Cause): void {
    const { held } = cause.state
    if (held === null) return
    const nowMs = this.#clock.monoMs()
    this.#letStrangersGo(cause)
    const after = afterProof(held, this.#shown(cause), nowMs)
    const waiting = [...cause.waiting.keys()]
    const order = [...cause.strangers.keys(), ...waiting.filter((who) => !cause.strangers.has(who))]
    const next = nextTries(after, order, nowMs)
    cause.state = { ...cause.state, held: next.held }
    if (next.start.length > 0) {
      const restarts = this.#take(cause, next.start)
      for (const one of restarts) cause.tried.set(one.who, one)
      this.#events.tried(this.#told(cause))
      this.#events.changed()
      for (const one of restarts) one.start()
      return
    }
    // Nobody waits, nobody is on trial, and nobody has died of it lately.
    const quiet = nowMs - (cause.state.deaths.at(-1)?.atMs ?? -Infinity)
    const isOver = cause.waiting.size === 0 && next.held.trying.length === 0 && nowMs >= next.held.nextMs
    if (!isOver || (next.held.wave === 1 && quiet <= windowMs)) return
    this.#events.released(this.#told(cause))
    cause.state = released(next.held, nowMs)
    this.#events.changed()
  }
}
