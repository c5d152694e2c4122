/**
 * The PostgreSQL engine: one writer, one transaction per turn. Lists that arrive while turns are under way are in the
 * next one, so that journeys and the server's flush are shared; hot ones are gathered (gathered.ts).
 *
 *   up ── link lost before a COMMIT was sent ──▶ looking ── back, and nobody wrote ──▶ up, the turn runs again
 *   │                                             ├── another sitter writes ──▶ over (already-running, stale)
 *   │                                             └── patience ends ──▶ over (record-unreachable: nothing written)
 *   └── COMMIT sent, no answer ──▶ over (record-unknown)
 *
 * Over means: every write is refused, `onLost` is told, the process stops and reads again.
 */
import { Failure, sleep, type Clock } from '../../std/std.ts'
import type { Command, ResultsOf } from '../commands/commands.ts'
import type { Result } from '../commands/result.ts'
import type { Committed, Store } from '../port.ts'
import type { Queries } from '../queries.ts'
import { fullFailure } from '../sqlite/space.ts'
import { Gathering } from './gathered.ts'
import { isLinkLoss, printableUrl, usualTiming, type Timing } from './link.ts'
import { openReadPool, type ReadPool } from './pool.ts'
import { openReads } from './reads.ts'
import { isServerFull, openServerSpace, type ServerSpace } from './space.ts'
import { CommitUnknown, runGathered, runTurn, type Incarnation, type List, type Ran } from './turn.ts'
import { Writer } from './writer.ts'

export interface PostgresAsk {
  /** `postgres://user:password@host:port/database`, with `?sslmode=verify-full` and the like. */
  readonly url: string
  readonly clock: Clock
  /** What people should hear of: a link that was lost and found, a clock that is off. Holds no secret. */
  readonly onNotice?: (message: string) => void
  readonly timing?: Partial<Timing>
}

interface Waiting {
  readonly commands: List
  readonly resolve: (results: readonly Result<unknown>[]) => void
  readonly reject: (error: Error) => void
}

/** Lists that wait for the next commit; at the bound the caller is told `overloaded`. */
const longestQueue = 50_000
/** Lists in one transaction: more would keep its first ones waiting (5,000 lists of five commands took 1.7 s). */
const longestTurn = 1_000
/**
 * Turns under way at once: the server works on one while the next is made ready and the last one answered. Medians of
 * eight runs beside other work: one 5,600 tasks/s, two 6,500, three or more fewer.
 */
const mostFlights = 2
/** Lists below which a share is not worth a flight of its own (a turn costs about as much as 15 tasks). */
const leastFlight = 24
const firstRetryMs = 50
const longestRetryMs = 1_000

const closed = (): Failure => new Failure('record-closed', 'the record is closed')

class PostgresStore implements Store {
  readonly read: Queries
  readonly #ask: PostgresAsk
  readonly #timing: Timing
  readonly #writer: Writer
  readonly #reads: ReadPool
  readonly #space: ServerSpace
  readonly #listeners = new Set<(committed: readonly Committed[]) => void>()
  readonly #lostListeners: ((cause: Error) => void)[] = []
  readonly #waiting: Waiting[] = []
  /** Lists that cannot be gathered. */
  readonly #left: Waiting[] = []
  /** Turns that were sent whole and are not answered yet; none of them rejects. */
  readonly #flights = new Set<Promise<void>>()
  #working: Promise<void> | undefined
  #closing = false
  #over: Failure | undefined

  constructor(ask: PostgresAsk, timing: Timing, reads: ReadPool) {
    this.#ask = ask
    this.#timing = timing
    this.#reads = reads
    this.read = openReads(reads)
    this.#writer = new Writer({
      url: ask.url,
      clock: ask.clock,
      timing,
      onIdleLoss: () => this.#wake(),
      onNotice: (message) => ask.onNotice?.(message),
    })
    this.#space = openServerSpace(ask.clock, (commands) => this.#probe(commands))
  }

  /** Connects, takes the lock and migrates. */
  async open(): Promise<void> {
    await this.#commit([])
    if (!this.#over) return
    await this.#reads.end()
    throw this.#over
  }

  transact<const Asked extends List>(commands: Asked): Promise<ResultsOf<Asked>> {
    if (this.#over) return Promise.reject(this.#over)
    if (this.#closing) return Promise.reject(closed())
    if (this.#space.fullSinceMs !== null) return Promise.reject(fullFailure())
    if (this.#waiting.length >= longestQueue) {
      return Promise.reject(
        new Failure('overloaded', `${longestQueue} writes wait for the record`, { retryAfterMs: 1_000 }),
      )
    }
    return this.#enqueue(commands) as Promise<ResultsOf<Asked>>
  }

  #enqueue(commands: List): Promise<readonly Result<unknown>[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ commands, resolve, reject })
      this.#wake()
    })
  }

  /** Begins after this turn of the event loop: what arrives in it shares the commit. */
  #wake(): void {
    this.#working ??= new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
      .then(() => this.#work())
      .finally(() => {
        this.#working = undefined
        if (this.#waiting.length + this.#left.length > 0 && !this.#over) this.#wake()
      })
  }

  /**
   * What can be gathered is sent without waiting for what was sent before; the rest goes in turns of its own, after it
   * on the same connection.
   */
  async #work(): Promise<void> {
    while (
      !this.#over &&
      (this.#waiting.length > 0 || this.#left.length > 0 || (!this.#writer.isUp && !this.#closing))
    ) {
      if (this.#left.length === 0) this.#left.push(...(await this.#fly()))
      if (this.#left.length > 0 || !this.#writer.isUp) await this.#commit(this.#left.splice(0, longestTurn))
      else if (this.#flights.size >= mostFlights) await Promise.race(this.#flights)
    }
    // What was in hand when it was over.
    if (this.#over) for (const list of this.#left.splice(0)) list.reject(this.#over)
  }

  /** Lists for the next flight: a fair share of those that wait, so that another flight can follow at once. */
  #next(): readonly Waiting[] {
    const share = Math.ceil(this.#waiting.length / Math.max(1, mostFlights - this.#flights.size))
    return this.#waiting.splice(0, Math.min(longestTurn, Math.max(leastFlight, share)))
  }

  /** Sends what can go together of some lists that wait, and gives the others. */
  async #fly(): Promise<readonly Waiting[]> {
    if (this.#writer.flying === undefined) return this.#waiting.splice(0, longestTurn)
    const gathering = new Gathering(this.#writer.flying.incarnation)
    const left: Waiting[] = []
    const taken: Waiting[] = []
    for (const one of this.#next()) (gathering.take(one.commands) ? taken : left).push(one)
    if (taken.length === 0) return left
    if (gathering.moves) await Promise.all(this.#flights)
    const { flying } = this.#writer
    if (flying === undefined) return [...taken, ...left]
    const flight = this.#land(taken, gathering.moves, runGathered(flying, gathering)).finally(() => {
      this.#flights.delete(flight)
      if (this.#left.length > 0) this.#wake()
    })
    this.#flights.add(flight)
    if (gathering.moves) await flight
    return left
  }

  /** Answers those that were taken when they are committed; those that were left go the general way. */
  async #land(taken: readonly Waiting[], moved: boolean, running: ReturnType<typeof runGathered>): Promise<void> {
    try {
      const results = await running
      const answered = taken.filter((_, at) => results[at] !== undefined)
      this.#left.push(...taken.filter((_, at) => results[at] === undefined))
      // One that moved no head leaves it alone: a general turn behind it may have moved it, and is not committed yet.
      if (moved) this.#writer.committed(undefined)
      this.#answer(
        answered,
        results.flatMap((list) => (list === undefined ? [] : [{ results: list }])),
      )
    } catch (error) {
      this.#writer.drop()
      this.#lose(this.#verdict(error as Error, true)!, error as Error, taken)
    }
  }

  /** Runs and commits lists and answers their callers; again from the start when the link broke before the COMMIT. */
  async #commit(turn: readonly Waiting[]): Promise<void> {
    const { clock } = this.#ask
    const until = clock.monoMs() + this.#timing.patienceMs
    for (let delayMs = firstRetryMs; ; delayMs = Math.min(longestRetryMs, delayMs * 2)) {
      try {
        if (this.#over) throw this.#over
        const writing = await this.#writer.ready()
        // A flight may have been lost while the link was opened anew: nothing is written after that was told.
        if (this.#over) throw this.#over
        if (delayMs > firstRetryMs) this.#ask.onNotice?.('the record is reached again')
        if (turn.length === 0) return
        const ran = await runTurn(
          writing,
          turn.map((one) => one.commands),
        )
        this.#writer.committed(incarnationIn(turn, ran))
        return this.#answer(turn, ran)
      } catch (error) {
        const over = this.#over ?? this.#verdict(error as Error, clock.monoMs() >= until)
        this.#writer.drop()
        if (over) return this.#lose(over, error as Error, turn)
        this.#ask.onNotice?.(`the link to the record broke: ${(error as Error).message}; trying again`)
      }
      await sleep(clock, delayMs)
    }
  }

  /** Why the engine is over, or undefined when the turn may be run again. */
  #verdict(error: Error, late: boolean): Failure | undefined {
    const cause = { cause: error instanceof CommitUnknown ? error.cause : error }
    if (error instanceof CommitUnknown)
      return new Failure('record-unknown', `${error.message}: what is written is unknown until it is read again`, cause)
    if (error instanceof Failure) return error
    if (!isLinkLoss(error)) return new Failure('bug', error.message, cause)
    if (!late) return undefined
    const message = `no way to ${printableUrl(this.#ask.url)} for ${this.#timing.patienceMs} ms: ${error.message}`
    return new Failure('record-unreachable', message, cause)
  }

  #answer(turn: readonly Waiting[], ran: readonly Ran[]): void {
    const committed: Committed[] = []
    for (const [index, list] of turn.entries()) {
      const one = ran[index]!
      if ('thrown' in one) {
        if (isServerFull(one.thrown)) this.#space.filled()
        list.reject(isServerFull(one.thrown) ? fullFailure(one.thrown) : one.thrown)
        continue
      }
      list.resolve(one.results)
      for (const [at, command] of list.commands.entries()) {
        const result = one.results[at]!
        if (result.ok) committed.push({ command, value: result.value })
      }
    }
    if (committed.length > 0) for (const listener of this.#listeners) listener(committed)
  }

  async #probe(commands: readonly Command[]): Promise<boolean> {
    if (this.#over) return false
    return this.#enqueue(commands).then(
      (results) => results.every((one) => one.ok),
      () => false,
    )
  }

  #lose(over: Failure, cause: Error, turn: readonly Waiting[]): void {
    const first = this.#over === undefined
    this.#over = over
    for (const list of [...turn, ...this.#left.splice(0), ...this.#waiting.splice(0)]) list.reject(over)
    if (first) for (const listener of this.#lostListeners) listener(cause instanceof CommitUnknown ? over : cause)
  }

  onCommit(listener: (committed: readonly Committed[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onLost(listener: (cause: Error) => void): void {
    this.#lostListeners.push(listener)
  }

  get load(): number {
    return this.#waiting.length / longestQueue
  }

  get fullSinceMs(): number | null {
    return this.#space.fullSinceMs
  }

  writable(): Promise<void> {
    return this.#space.writable()
  }

  onFull(listener: (sinceMs: number | null) => void): void {
    this.#space.onFull(listener)
  }

  /** Commits what waits, then ends. */
  async close(): Promise<void> {
    this.#closing = true
    this.#space.close()
    while (this.#working || this.#flights.size > 0) await Promise.all([this.#working, ...this.#flights])
    this.#over ??= closed()
    await this.#writer.end()
    await this.#reads.end()
  }
}

/** The incarnation that a turn opened, if it did. */
const incarnationIn = (turn: readonly Waiting[], ran: readonly Ran[]): Incarnation | undefined => {
  for (const [index, { commands }] of [...turn.entries()].toReversed()) {
    const one = ran[index]!
    const at = 'thrown' in one ? -1 : commands.findLastIndex((command) => command.kind === 'host.open')
    const command = commands[at]
    const result = 'thrown' in one ? undefined : one.results[at]
    if (command?.kind === 'host.open' && result?.ok)
      return { owner: command.with.owner, epoch: (result.value as { epoch: number }).epoch }
  }
  return undefined
}

/**
 * Opens (and migrates) the record in the schema `swarmsitter` of a database. Rejects with Failure `record-newer` when a
 * newer version wrote it, `already-running` when another sitter writes it, `record-unreachable` when there is no way.
 */
export const openPostgresStore = async (ask: PostgresAsk): Promise<Store> => {
  const timing = { ...usualTiming, ...ask.timing }
  const store = new PostgresStore(ask, timing, await openReadPool({ url: ask.url, clock: ask.clock, timing }))
  await store.open()
  return store
}
