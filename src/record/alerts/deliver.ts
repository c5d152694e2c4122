/**
 * Sends what is to be sent: for each target one notice after the other, so that nobody hears of an end before its
 * beginning. What was tried is written down after each try; a crash between the two sends once more, with the same key.
 */
import { asFailure, type Clock } from '../../std/std.ts'
import type { Command, NoticeView, Store } from '../../store/store.ts'
import type { Severity } from '../../model/model.ts'
import { noticeOf, waitAfter, type Notice } from './notice.ts'

export interface Target {
  /** `webhook hooks.example.com`, `command page.sh`: unique among the targets, and it shows no secret. */
  readonly name: string
  /** What is less than this is not sent there. */
  readonly least: Severity
  /** Resolves when the target has taken it. Rejects with the reason; `retryAfterMs` is a minimum. */
  send(notice: Notice): Promise<void>
}

export interface DeliveryOptions {
  readonly swarm: string
  readonly store: Store
  readonly clock: Clock
  readonly targets: () => readonly Target[]
  readonly onFault: (error: unknown) => void
}

/** More than this wait only when every target has been gone for long; the oldest go first. */
const mostPending = 1_000

export class Delivery {
  readonly #options: DeliveryOptions
  /** Targets that are being sent to. */
  readonly #busy = new Set<string>()
  /** What came of tries that the record did not take (a full disk): written first, before anything is sent again. */
  readonly #unwritten = new Map<number, readonly Command[]>()
  #stopped = false
  /** Wall time of the next thing to send; null = nothing waits. */
  #nextMs: number | null = 0

  constructor(options: DeliveryOptions) {
    this.#options = options
  }

  /** There is something new to send. */
  wake(): void {
    this.#nextMs = 0
  }

  stop(): void {
    this.#stopped = true
  }

  /** Begins whatever is due and not yet under way. */
  async look(): Promise<void> {
    const { store, clock, targets } = this.#options
    if (this.#stopped || this.#nextMs === null || clock.wallMs() < this.#nextMs) return
    const pending = await store.read.noticesDue(Number.MAX_SAFE_INTEGER, mostPending)
    const first = new Map<string, NoticeView>()
    for (const notice of pending.toSorted((a, b) => a.seq - b.seq)) {
      const place = `${notice.target} ${notice.incident}`
      if (!first.has(place)) first.set(place, notice)
    }
    const waiting = [...first.values()].filter(({ target }) => !this.#busy.has(target))
    this.#nextMs = waiting.length === 0 ? null : Math.min(...waiting.map(({ dueMs }) => dueMs ?? 0))
    const nowMs = clock.wallMs()
    for (const notice of waiting) {
      if ((notice.dueMs ?? 0) > nowMs || this.#busy.has(notice.target)) continue
      const target = targets().find(({ name }) => name === notice.target)
      this.#busy.add(notice.target)
      void this.#send(notice, target).then(
        () => this.#over(notice.target),
        (error: unknown) => {
          this.#over(notice.target)
          this.#options.onFault(error)
        },
      )
    }
  }

  #over(target: string): void {
    this.#busy.delete(target)
    this.#nextMs = 0
  }

  async #send(notice: NoticeView, target: Target | undefined): Promise<void> {
    const { store, swarm } = this.#options
    const incident = await store.read.incident(notice.incident)
    if (incident === undefined) throw new Error(`notice ${notice.seq} is of no incident`)
    const unwritten = this.#unwritten.get(notice.seq)
    if (unwritten !== undefined) return this.#write(notice.seq, unwritten)
    if (target === undefined) return this.#tried(notice, { error: 'the configuration names this target no more' })
    try {
      await target.send(noticeOf(swarm, incident, notice.kind))
    } catch (thrown) {
      const { message, retryAfterMs } = asFailure(thrown)
      return this.#tried(notice, { error: message, waitMs: waitAfter(notice.tries + 1, retryAfterMs ?? null) })
    }
    return this.#tried(notice, { error: null })
  }

  /** `waitMs` null or absent after an error = given up, which people find in the events. */
  async #tried(notice: NoticeView, { error, waitMs }: { error: string | null; waitMs?: number | null }): Promise<void> {
    const { clock } = this.#options
    const { seq, target, incident } = notice
    const wallMs = clock.wallMs()
    const again = error !== null && waitMs !== undefined && waitMs !== null
    const outcome = error === null ? 'sent' : again ? 'again' : 'given-up'
    const told = { kind: 'alert.undelivered', level: 'error', subject: incident } as const
    const message = `${target} was not told of ${incident}: ${error}`
    const facts = { target, tries: notice.tries + 1, notice: notice.kind }
    return this.#write(seq, [
      {
        kind: 'notice.tried',
        with: { seq, outcome, error: error?.slice(0, 500) ?? null, dueMs: wallMs + (waitMs ?? 0), wallMs },
      },
      ...(outcome === 'given-up'
        ? [{ kind: 'events.add' as const, with: { wallMs, events: [{ ...told, message, facts }] } }]
        : []),
    ])
  }

  async #write(seq: number, commands: readonly Command[]): Promise<void> {
    this.#unwritten.set(seq, commands)
    await this.#options.store.transact(commands)
    this.#unwritten.delete(seq)
  }
}
