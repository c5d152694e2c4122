/**
 * A bank that keeps its own log and trusts nobody: it knows no idempotency, so each request that it takes is a payment.
 * It takes what was lost on the way too, later, as long as that can be before `absentAfter`; it answers to queries what
 * it knows. Its log is the judge of whether anything was paid twice.
 */
import { between } from '../../src/std/std.ts'
import type { Timeline, WorldProcess } from '../worlds/timeline.ts'
import type { Weather } from './weather.ts'
import type { Ended, Flow, OutboundRequest, Sink } from '../../src/gateway/exchange.ts'
import type { Outbound } from '../../src/gateway/outbound.ts'

export interface Payment {
  readonly key: string
  readonly reference: string
  readonly payee: string
  readonly amount: string
  readonly atMs: number
  status: 'pending' | 'settled' | 'declined'
}

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: unknown
}

/** What ails the provider at the moment. */
export interface Ailment {
  limitsUntilMs: number
  sickUntilMs: number
}

export class Provider {
  /** Everything that it took, in order. */
  readonly log: Payment[] = []
  readonly #byKey = new Map<string, Payment[]>()
  readonly ailment: Ailment = { limitsUntilMs: 0, sickUntilMs: 0 }
  /** Monotonic times at which requests were begun, for the limit. */
  readonly begun: number[] = []
  queries = 0
  atNextPayment: (() => void) | undefined
  readonly #timeline: Timeline
  readonly #weather: Weather

  readonly #violated: (what: string) => void
  readonly #log: (line: string) => void

  constructor(
    timeline: Timeline,
    weather: Weather,
    told: { violated: (what: string) => void; log: (line: string) => void },
  ) {
    this.#timeline = timeline
    this.#weather = weather
    this.#violated = told.violated
    this.#log = told.log
  }

  paymentsOf(key: string): readonly Payment[] {
    return this.#byKey.get(key) ?? []
  }
  get keys(): Iterable<[string, readonly Payment[]]> {
    return this.#byKey
  }

  /** Its network as one gate sees it. */
  of(gate: WorldProcess): Outbound {
    return {
      // No agent of a world opens a socket.
      guard: { url: new URL('http://provider.world'), forbidden: true, lookup: () => {}, trusted: {} },
      send: (request, sink) => this.#send(gate, request, sink),
      close: async () => {},
      retire: async () => {},
    }
  }

  #send(gate: WorldProcess, request: OutboundRequest, sink: Sink): Flow {
    const { promise, resolve } = Promise.withResolvers<Ended>()
    const weather = this.#weather
    const timeline = this.#timeline
    const arrive = (delayMs: number, owner: WorldProcess, fire: () => void): void => {
      // The bank is elsewhere: it does not stand still with this machine.
      const kind = owner === timeline.outside ? 'timer' : 'arrival'
      timeline.at(timeline.monoMs + delayMs, { owner, kind, fire })
    }
    const lose = (delayMs: number): void =>
      arrive(delayMs, gate, () => resolve({ kind: 'lost', code: 'ECONNRESET', message: 'the connection was lost' }))
    const travelMs = (): number => between(weather.random, 2, 60)
    if (weather.chance(10)) {
      arrive(travelMs(), gate, () => resolve({ kind: 'not-sent', code: 'ECONNREFUSED', message: 'nobody listens' }))
    } else {
      arrive(1, gate, () => {
        sink.started()
        this.begun.push(timeline.monoMs)
        const pays = request.method === 'POST'
        if (pays) this.atNextPayment?.()
        if (pays) this.atNextPayment = undefined
        if (weather.chance(pays ? weather.provider.losesAnswer : 20)) {
          // Cut on the way. What was cut may be taken all the same, until shortly before its absence is a proof.
          const closesMs = between(weather.random, 10, 4_000)
          this.#log(
            `bank: ${request.method} ${((request.body as string | null) ?? request.target).slice(0, 90)} is cut`,
          )
          lose(closesMs)
          if (pays && weather.random.next() < 0.6)
            arrive(closesMs + weather.random.next() * 0.9 * weather.absentAfterMs, timeline.outside, () =>
              this.#take(request),
            )
          return
        }
        arrive(travelMs(), timeline.outside, () => {
          const answer = pays ? this.#take(request) : this.#tell(request)
          arrive(travelMs(), gate, () => {
            sink.head(answer.status, Object.entries(answer.headers ?? {}))
            sink.data(Buffer.from(JSON.stringify(answer.body)))
            resolve({ kind: 'answered' })
          })
        })
      })
    }
    return {
      ended: promise,
      resume: () => {},
      abort: () => resolve({ kind: 'lost', code: 'given-up', message: 'given up' }),
    }
  }

  #take(request: OutboundRequest): Answer {
    const nowMs = this.#timeline.monoMs
    const { limitsUntilMs, sickUntilMs } = this.ailment
    if (nowMs < limitsUntilMs)
      return { status: 429, headers: { 'retry-after': String(Math.ceil((limitsUntilMs - nowMs) / 1_000)) }, body: {} }
    // A sick one may have taken what it answers 503 to.
    const sick = nowMs < sickUntilMs
    if (sick && this.#weather.random.next() < 0.5) return { status: 503, body: { message: 'sick' } }
    const fields = JSON.parse(request.body as string) as { reference: string; payee: string; amount: string }
    const key = request.headers.find(([name]) => name === 'idempotency-key')![1]
    const declines = this.#weather.chance(this.#weather.provider.declines)
    const later = !declines && this.#weather.chance(this.#weather.provider.accepted)
    const status = declines ? 'declined' : later ? 'pending' : 'settled'
    const payment: Payment = { key, ...fields, atMs: nowMs, status }
    if (!declines && this.paymentsOf(key).some((one) => one.status !== 'declined'))
      this.#violated(`${fields.reference} is paid a second time`)
    this.log.push(payment)
    this.#log(`bank takes ${fields.reference}: ${status}`)
    this.#byKey.set(key, [...this.paymentsOf(key), payment])
    if (later) {
      this.#timeline.after(between(this.#weather.random, 1_000, 1_800_000), () => {
        payment.status = 'settled'
      })
    }
    if (sick) return { status: 503, body: { message: 'sick' } }
    return { status: declines ? 422 : later ? 202 : 201, body: { id: `pay_${this.log.length}`, status } }
  }

  #tell(request: OutboundRequest): Answer {
    this.queries += 1
    const nowMs = this.#timeline.monoMs
    if (nowMs < this.ailment.sickUntilMs) return { status: 503, body: {} }
    const key = new URL(request.target, 'http://bank').searchParams.get('key') ?? ''
    this.#log(`bank is asked for ${key}: ${this.paymentsOf(key).length}`)
    const items = this.paymentsOf(key).map(({ status, reference }) => ({ key, reference, status, id: `pay_${key}` }))
    return { status: 200, body: { items } }
  }
}
