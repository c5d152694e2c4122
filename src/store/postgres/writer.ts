/**
 * The one connection that writes, and its way back when it breaks. A link that broke before a COMMIT was sent has
 * written nothing: the server rolls back. So it is opened anew, takes the lock again, and the turn runs again. A COMMIT
 * that was sent is another matter (turn.ts).
 */
import { Failure, type Clock } from '../../std/std.ts'
import { openLink, printableUrl, type Timing } from './link.ts'
import { lockRecord, unlockRecord, type Backend } from './lock.ts'
import { migrate } from './migrate.ts'
import { emptyChain, writingWith, type ChainHead } from './session.ts'
import type { Incarnation, Writing } from './turn.ts'

export interface WriterAsk {
  readonly url: string
  readonly clock: Clock
  readonly timing: Timing
  /** The link broke while nobody was using it. */
  readonly onIdleLoss: () => void
  readonly onNotice: (message: string) => void
}

/** More than this between the server's clock and ours is told: schedules and deadlines go by ours. */
const skewToldMs = 2_000

/** What trying again does not help against: a wrong password, a database that is not there, no right to it. */
const isHopeless = (error: unknown): boolean => /^(28|3D|42)/.test(String((error as { code?: unknown }).code))

export interface Flying extends Writing {
  readonly incarnation: Incarnation
}

export class Writer {
  readonly #ask: WriterAsk
  #writing: Writing | undefined
  #backend: Backend | undefined
  /** The chain's head after our last commit; undefined before the first opening. */
  #head: ChainHead | undefined
  #incarnation: Incarnation | undefined

  constructor(ask: WriterAsk) {
    this.#ask = ask
  }

  get isUp(): boolean {
    return this.#writing !== undefined && !this.#writing.link.lost
  }

  /** What a turn that is sent whole needs; undefined before there is an incarnation, and while the link is lost. */
  get flying(): Flying | undefined {
    const { isUp } = this
    if (!isUp || this.#writing === undefined || this.#incarnation === undefined) return undefined
    return { ...this.#writing, incarnation: this.#incarnation }
  }

  /** The connection, opened anew when it was lost: one try. Rejects as `openLink`, and as `lockRecord`. */
  async ready(): Promise<Writing> {
    if (this.#writing && this.isUp) return { ...this.#writing, incarnation: this.#incarnation }
    this.drop()
    this.#writing = await this.#open()
    return { ...this.#writing, incarnation: this.#incarnation }
  }

  /** After a commit: what the next turn begins from. */
  committed(incarnation: Incarnation | undefined): void {
    if (this.#writing) this.#head = this.#writing.session.head
    if (incarnation) this.#incarnation = incarnation
  }

  /** Ends the link at once, whatever is under way on it. */
  drop(): void {
    this.#writing?.link.destroy()
    this.#writing = undefined
  }

  /** Gives up the lock and ends in order. */
  async end(): Promise<void> {
    const link = this.#writing?.link
    if (!link || link.lost) return this.drop()
    this.#writing = undefined
    await unlockRecord(link).catch(() => undefined)
    await link.end()
  }

  async #open(): Promise<Writing> {
    const { url, clock, timing, onIdleLoss, onNotice } = this.#ask
    const link = await openLink({ url, name: 'swarmsitter writer', timing, pipeline: true }).catch((error: unknown) => {
      if (!isHopeless(error)) throw error
      throw new Failure('record-unreachable', `${printableUrl(url)}: ${(error as Error).message}`, { cause: error })
    })
    try {
      const old = this.#backend
      this.#backend = await lockRecord({ link, clock, patienceMs: timing.lockMs, old })
      // Tables begin small and are planned when they are: a plan that scans them would be kept when they have grown.
      await link.ask('SET enable_seqscan = off', [], false)
      if (this.#head === undefined) {
        await migrate(link)
        this.#head = await headOf(link)
        const skewMs = await skew(link, clock)
        if (Math.abs(skewMs) > skewToldMs) onNotice(`the clock of the PostgreSQL server is ${skewMs} ms ahead of ours`)
      }
      link.onLost(onIdleLoss)
      return { link, session: writingWith(link, this.#head), incarnation: this.#incarnation }
    } catch (error) {
      link.destroy()
      throw error
    }
  }
}

type Link = Writing['link']

const headOf = async (link: Link): Promise<ChainHead> => {
  const { rows } = await link.ask<ChainHead>('SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1', [], false)
  return rows[0] ?? emptyChain
}

const skew = async (link: Link, clock: Clock): Promise<number> => {
  const { rows } = await link.ask<{ ms: number }>(
    'SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint AS ms',
    [],
    false,
  )
  return rows[0]!.ms - clock.wallMs()
}
