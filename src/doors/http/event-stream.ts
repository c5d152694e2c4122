/**
 * Events as Server-Sent Events. The record is the buffer: a client pulls pages after the sequence number that it saw
 * last, so resuming loses nothing and a client costs one page of memory. One that leaves more than 1 MiB of new events
 * lying is cut: its last event says so, and it resumes with Last-Event-ID when it is faster.
 */
import { Failure, type Clock } from '../../std/std.ts'
import type { EventView, Store } from '../../store/store.ts'
import type { Ask } from './route.ts'

export const streamBounds = { behindBytes: 1_048_576, aliveMs: 15_000, lingerMs: 30_000, pageEvents: 200 } as const

const sse = (event: EventView): string => `id: ${event.seq}\ndata: ${JSON.stringify(event)}\n\n`

/** The stream's own last word: shaped like an event, but without an id, as the record does not hold it. */
const lastWord = (name: 'cut' | 'bye', seq: number, wallMs: number, message: string): string => {
  const event: EventView = { seq, wallMs, kind: `stream.${name}`, level: 'warn', subject: 'sitter', message, facts: {} }
  return `event: ${name}\ndata: ${JSON.stringify(event)}\n\n`
}

/** The newest sequence number of the record, 0 when it is empty. */
const newestSeq = async (store: Store): Promise<number> =>
  (await store.read.events({ limit: 1, after: null, newestFirst: true })).items[0]?.seq ?? 0

const startSeq = async (store: Store, given: string | undefined): Promise<number> => {
  if (given === undefined || given === '') return newestSeq(store)
  if (!/^[0-9]{1,15}$/.test(given))
    throw new Failure('invalid', 'Last-Event-ID must be the sequence number of an event')
  return Number(given)
}

/** Bytes that newly committed events will take on the wire, near enough for a bound. */
const committedBytes = (commands: Parameters<Parameters<Store['onCommit']>[0]>[0]): number => {
  let bytes = 0
  for (const { command } of commands) {
    if (command.kind !== 'events.add') continue
    for (const event of command.with.events) bytes += 100 + event.message.length + JSON.stringify(event.facts).length
  }
  return bytes
}

interface Waiting {
  wake(): void
  readonly woken: Promise<void>
}

/** Resolves at the first of: wake, or `aliveMs` passed. */
const waiting = (clock: Clock): Waiting => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = clock.timer(streamBounds.aliveMs, resolve)
  return {
    wake: () => {
      cancel()
      resolve()
    },
    woken: promise,
  }
}

/** One client's stream, from after `seen` on. */
class EventFeed {
  #seen: number
  #behind = 0
  #asleep: Waiting | undefined
  #over = false
  readonly #ask: Ask
  readonly #stops: (() => void)[] = []
  readonly #encoder = new TextEncoder()

  constructor(ask: Ask, seen: number) {
    this.#ask = ask
    this.#seen = seen
  }

  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => this.#open(controller),
        pull: (controller) => this.#next(controller),
        cancel: () => this.#end(),
      },
      { highWaterMark: 0 },
    )
  }

  #open(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const { rooms, closing } = this.#ask
    const bye = (): void => this.#finish(controller, 'bye', 'this sitter stops; connect again later')
    closing.addEventListener('abort', bye, { once: true })
    this.#stops.push(
      rooms.store.onCommit((committed) => {
        const bytes = committedBytes(committed)
        if (bytes === 0) return
        this.#behind += bytes
        if (this.#behind > streamBounds.behindBytes) this.#cut(controller)
        else this.#asleep?.wake()
      }),
      () => closing.removeEventListener('abort', bye),
    )
    // Headers leave with the first byte; a client must know at once that it is connected.
    controller.enqueue(this.#encoder.encode(`retry: 1000\n: connected\n\n`))
  }

  async #next(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    if (this.#isShutOut()) return this.#sayGone(controller)
    let events = await this.#page()
    if (events.length === 0) {
      this.#behind = 0
      this.#asleep = waiting(this.#ask.rooms.clock)
      await this.#asleep.woken
      this.#asleep = undefined
      if (this.#over) return
      if (this.#isShutOut()) return this.#sayGone(controller)
      events = await this.#page()
    }
    const text = events.length === 0 ? ': alive\n\n' : events.map(sse).join('')
    this.#behind = Math.max(0, this.#behind - text.length)
    controller.enqueue(this.#encoder.encode(text))
  }

  /** The token that let it in was revoked, or is out of date. */
  #isShutOut(): boolean {
    const { principal, identity } = this.#ask
    return principal !== null && !identity.holds(principal)
  }

  #sayGone(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#finish(controller, 'bye', 'the token of this stream does not live any more')
  }

  async #page(): Promise<readonly EventView[]> {
    const { items } = await this.#ask.rooms.store.read.events({
      limit: streamBounds.pageEvents,
      after: String(this.#seen),
    })
    this.#seen = items.at(-1)?.seq ?? this.#seen
    return items
  }

  #cut(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const bound = streamBounds.behindBytes
    this.#finish(
      controller,
      'cut',
      `over ${bound} bytes of events wait; connect again with Last-Event-ID ${this.#seen}`,
    )
  }

  #finish(controller: ReadableStreamDefaultController<Uint8Array>, name: 'cut' | 'bye', message: string): void {
    if (this.#over) return
    this.#end()
    controller.enqueue(this.#encoder.encode(lastWord(name, this.#seen, this.#ask.rooms.clock.wallMs(), message)))
    controller.close()
    // A client that does not even read its last event may not keep the connection.
    const { outgoing, rooms } = this.#ask
    const cancel = rooms.clock.timer(streamBounds.lingerMs, () => outgoing.destroy())
    outgoing.once('close', cancel)
  }

  #end(): void {
    this.#over = true
    for (const stop of this.#stops.splice(0)) stop()
    this.#asleep?.wake()
  }
}

/**
 * The answer that streams events after `given` (a sequence number; absent = from now on). @throws Failure `invalid`.
 */
export const eventStream = async (ask: Ask, given: string | undefined): Promise<Response> => {
  const feed = new EventFeed(ask, await startSeq(ask.rooms.store, given))
  return new Response(feed.stream(), {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    },
  })
}
