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
  /** Whether it has proven itself since it was started; `gone` = it does not want to live any more. */
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
  /** Those that are being tried. */
  readonly tried: Map<string, Restart>
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

  /** Somebody died of it. Gives the key under which its restart is asked for. */
  died(words: string, who: string): string {
    const nowMs = this.#clock.monoMs()
    const cause = this.#cause(fingerprintOf(words), words)
    cause.words = words
    cause.seenMs = nowMs
    const before = cause.state
    cause.state = afterDeath(before, who, nowMs)
    if (cause.state.held !== null) this.#events.changed()
    const { held } = cause.state
    if (held !== null && held.trying.length === 0) {
      // The wave is over: those of it that live wait for nothing, those that died ask again.
      cause.tried.clear()
    }
    if (before.held === null && held !== null) {
      this.#events.held(this.#told(cause))
      this.#arm()
    }
    return cause.key
  }

  /** True = start it now. False = it is held, and `restart.start` is called when its time has come. */
  admit(key: string | null, restart: Restart): boolean {
    const cause = key === null ? undefined : this.#causes.get(key)
    if (cause === undefined || cause.state.held === null) return true
    cause.waiting.set(restart.who, restart)
    this.#events.changed()
    return false
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
    for (const { waiting } of this.#causes.values()) if (waiting.delete(who)) this.#events.changed()
  }

  /** When the next is tried, for whoever is held; undefined for others. */
  holds(who: string): HeldCause | undefined {
    for (const cause of this.#causes.values()) if (cause.waiting.has(who)) return this.#told(cause)
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
      if (held !== null) this.#arm()
    }
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
      tried: new Map(),
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

  #look(cause: Cause): void {
    const { held } = cause.state
    if (held === null) return
    const nowMs = this.#clock.monoMs()
    const proven = [...cause.tried.values()].filter((one) => one.proof() !== 'pending').map(({ who }) => who)
    for (const who of proven) cause.tried.delete(who)
    const after = afterProof(held, proven, nowMs)
    const next = nextTries(after, [...cause.waiting.keys()], nowMs)
    cause.state = { ...cause.state, held: next.held }
    if (next.start.length > 0) {
      const restarts = next.start.map((who) => cause.waiting.get(who)!)
      for (const one of restarts) {
        cause.waiting.delete(one.who)
        cause.tried.set(one.who, one)
      }
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
