/**
 * Attempts that this sitter has given out, from their start until the record has taken their end.
 *
 *   in hand ─ an end is decided ─▶ ending ─ the record took it ─▶ gone
 *      ▲                             └─ the record takes nothing now ─┐      (cancelled meanwhile: gone)
 *      └──────────────────────────────────────────────────────────────┘
 *
 * Most ends are successes, and those that are told in one breath (the frames of one read) are one list: a promise and a
 * list for each cost as much as writing it. Whatever else an end is, it is a list of its own.
 */
import { Failure, type Clock } from '../std/std.ts'
import type { Claimed, Command, Finish, Finished, patiently, Result, Store } from '../store/store.ts'
import type { Budgets, Ending } from './budget.ts'
import { deathsOf, partsOf } from './endings.ts'

export interface HandOptions {
  readonly store: Store
  readonly clock: Clock
  readonly budgets: Budgets
  /** The record has taken these ends. */
  ended(ends: readonly Ending[], finished: readonly Finished[]): void
}

interface Held {
  readonly claimed: Claimed
  /** Its end is decided, and not in the record yet: out of hand, so that nothing ends an attempt twice. */
  ending: boolean
}

interface Success extends Ending {
  readonly resolve: (nothing: null) => void
  readonly reject: (error: unknown) => void
}

type Finishing = Extract<Command, { kind: 'attempts.finish' }>
type Write = typeof patiently
/** An agent is told when the disk is full, and tells again; what nobody would tell again waits (`patiently`). */
const atOnce: Write = (store, commands) => store.transact(commands)

/** Somebody cancelled it in the same breath: what the agent did counts for nothing, and it must not hear otherwise. */
export const assertTaken = (attempt: string, finished: Finished | undefined): void => {
  if (finished?.outcome === 'stale' || finished?.outcome === 'not-found')
    throw new Failure('stale', `${attempt} does not have its task any more`)
}

const answer = (one: Success, finished: Finished | undefined): void => {
  try {
    assertTaken(one.claimed.attempt, finished)
    one.resolve(null)
  } catch (stale) {
    one.reject(stale)
  }
}

export class Hand {
  readonly #options: HandOptions
  /** At most one an agent, but for those that are ending. */
  readonly #all = new Map<string, Held>()
  /** Claimed and cancelled in one commit: they are not given out. */
  readonly #revoked = new Set<string>()
  #successes: Success[] = []

  constructor(options: HandOptions) {
    this.#options = options
  }

  get(attempt: string): Claimed | undefined {
    const held = this.#all.get(attempt)
    return held === undefined || held.ending ? undefined : held.claimed
  }

  get held(): readonly Claimed[] {
    return [...this.#all.values()].flatMap(({ claimed, ending }) => (ending ? [] : [claimed]))
  }

  /** Takes in hand what was claimed, but for what was cancelled in the commit that claimed it. */
  take(all: readonly Claimed[]): readonly Claimed[] {
    const claimed = this.#revoked.size === 0 ? all : all.filter((one) => !this.#revoked.delete(one.attempt))
    for (const one of claimed) this.#all.set(one.attempt, { claimed: one, ending: false })
    return claimed
  }

  /**
   * The task was cancelled; `claimed` are those of the same commit. Gives the attempt that ran, which is out of hand:
   * what it still says is stale.
   */
  cancelled(task: string, claimed: readonly Claimed[]): Claimed | undefined {
    const isIt = (one: Claimed): boolean => one.task === task
    const its = [...this.#all.values()].filter((one) => isIt(one.claimed))
    for (const { claimed: gone } of its) this.#all.delete(gone.attempt)
    const running = its.find(({ ending }) => !ending)?.claimed
    const justClaimed = claimed.findLast(isIt)
    if (running === undefined && justClaimed) this.#revoked.add(justClaimed.attempt)
    return running
  }

  /** Ends attempts, in one list with the events that tell of it. */
  async end(ends: readonly Ending[], write: Write = atOnce): Promise<readonly Finished[]> {
    const { clock, budgets } = this.#options
    for (const { claimed } of ends) this.#leave(claimed)
    const wallMs = clock.wallMs()
    const placed = budgets.place(ends, wallMs)
    const events = [...partsOf(placed.ends), ...deathsOf(placed.ends), ...placed.events]
    const told: Command[] = events.length > 0 ? [{ kind: 'events.add', with: { events, wallMs } }] : []
    return this.#write(placed.ends, wallMs, (finishing) => write(this.#options.store, [finishing, ...told] as const))
  }

  /** Ends an attempt that succeeded, with those of the same breath. Rejects `stale` when it was cancelled in that. */
  succeed(claimed: Claimed, finish: Finish): Promise<null> {
    this.#leave(claimed)
    return new Promise((resolve, reject) => {
      if (this.#successes.length === 0) queueMicrotask(() => void this.#flush())
      this.#successes.push({ claimed, finish, resolve, reject })
    })
  }

  async #flush(): Promise<void> {
    const told = this.#successes
    this.#successes = []
    const { store, clock } = this.#options
    try {
      const finished = await this.#write(told, clock.wallMs(), (finishing) => store.transact([finishing] as const))
      for (let at = 0; at < told.length; at += 1) answer(told[at]!, finished[at])
    } catch (error) {
      // What is no word of the record may be the fault of one of them: alone, each shows whether it is its own.
      const alone = told.length > 1 && !(error instanceof Failure)
      for (const one of told) {
        if (alone) this.end([one]).then(([finished]) => answer(one, finished), one.reject)
        else one.reject(error)
      }
    }
  }

  /** Out of hand at once, so that nothing ends an attempt twice. */
  #leave(claimed: Claimed): void {
    const held = this.#all.get(claimed.attempt)
    if (held === undefined) this.#all.set(claimed.attempt, { claimed, ending: true })
    else held.ending = true
  }

  async #write(
    ends: readonly Ending[],
    wallMs: number,
    write: (finishing: Finishing) => Promise<readonly [Result<readonly Finished[]>, ...unknown[]]>,
  ): Promise<readonly Finished[]> {
    const finishes = ends.map((end) => end.finish)
    let finished: readonly Finished[]
    try {
      const [taken] = await write({ kind: 'attempts.finish', with: { finishes, wallMs } })
      finished = taken.ok ? taken.value : []
    } catch (error) {
      // Back in hand when the record takes nothing now; not those that were cancelled meanwhile.
      for (const { claimed } of ends) {
        const held = this.#all.get(claimed.attempt)
        if (held !== undefined) held.ending = false
      }
      throw error
    }
    for (const { claimed } of ends) this.#all.delete(claimed.attempt)
    this.#options.ended(ends, finished)
    return finished
  }
}
