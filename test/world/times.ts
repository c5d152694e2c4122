/**
 * The world's own times, against which those of the swarm are judged: its wall clock jumps, this one does not. And the
 * clocks by which its programs go, kept where the assemblies keep them.
 */
import { every, steadyClock, type Kept, type SteadyClock } from '../../src/std/std.ts'
import type { Timeline, WorldProcess } from '../worlds/timeline.ts'
import { numberOf } from './parts.ts'

/** An attempt that an agent has in hand: `<id>.<number>`, and its task's key. */
type Run = { readonly key: string; readonly attempt: string }

/** What a clock may be wrong by. */
const slackMs = 1_000
/** A retry that would come after the deadline is not waited for: the longest is the cap, and something of chance. */
const retryMs = 61_000

export class Times {
  readonly #timeline: Timeline
  readonly #violated: (what: string) => void
  #kept: Kept | null = null
  /** By the key of a task, monotonic: before it no attempt after this one may begin. */
  readonly #earliest = new Map<string, { readonly ms: number; readonly after: number }>()
  /** By the key of a task: before it the task may not die of its deadline. */
  readonly #deadlines = new Map<string, number>()
  readonly #keys = new Map<string, string>()
  jumpedMs = -Infinity

  constructor(timeline: Timeline, violated: (what: string) => void) {
    this.#timeline = timeline
    this.#violated = violated
  }

  /** As the assemblies have it: who starts reads what was kept, the sitter keeps it. */
  clock(process: WorldProcess, keeps: boolean): SteadyClock {
    const clock = steadyClock({ machine: process.clock, kept: this.#kept })
    const keep = (): void => {
      this.#kept = clock.kept()
    }
    if (keeps) {
      keep()
      every(process.clock, 60_000, keep)
    }
    return clock
  }

  jump(byMs: number): void {
    this.#timeline.wallOffsetMs += byMs
    this.jumpedMs = this.#timeline.monoMs
  }

  /** A task is given, for the first time. */
  given(key: string, delayMs: number, deadlineMs: number | null): void {
    const { monoMs } = this.#timeline
    this.#earliest.set(key, { ms: monoMs + delayMs, after: 0 })
    if (deadlineMs !== null) this.#deadlines.set(key, monoMs + delayMs + deadlineMs)
  }
  taken(key: string, id: string): void {
    this.#keys.set(id, key)
  }
  /**
   * Put down until then. A date says nothing when the clock that it was read from has jumped since; nor of an attempt
   * that was taken back before, whose host hears of both only now.
   */
  parked({ key, attempt }: Run, { saidMs, delayMs }: { readonly saidMs: number; readonly delayMs: number }): void {
    if (this.jumpedMs < saidMs) this.#earliest.set(key, { ms: saidMs + delayMs, after: numberOf(attempt) })
  }
  /** A person has begun it anew. */
  redriven(id: string): void {
    const key = this.#keys.get(id) ?? ''
    this.#earliest.delete(key)
    this.#deadlines.delete(key)
  }

  begins({ key, attempt }: Run): void {
    const { ms, after } = this.#earliest.get(key) ?? { ms: -Infinity, after: 0 }
    const earlyMs = numberOf(attempt) > after ? ms - this.#timeline.monoMs : 0
    if (earlyMs > slackMs) this.#violated(`an attempt of ${key} begins ${Math.round(earlyMs)} ms before its time`)
  }
  diedOfDeadline(id: string): void {
    const earlyMs = (this.#deadlines.get(this.#keys.get(id) ?? '') ?? -Infinity) - this.#timeline.monoMs
    if (earlyMs > retryMs + slackMs) this.#violated(`${id} is dead ${Math.round(earlyMs)} ms before its deadline`)
  }
}
