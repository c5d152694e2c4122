/**
 * A rehearsed exchange in virtual time, and the real stages of a gate before it: limits, learning, pauses, bans,
 * breakers, retries. Agents that are sent away come back when they were told, as their tasks would. Nothing is real but
 * the code: the way there is an array of times.
 */
import type { ServerResponse } from 'node:http'
import { profiles } from '../../src/config/profiles.ts'
import type { CallInHand, Room } from '../../src/gateway/call.ts'
import { openBudgets } from '../../src/gateway/cost/budgets.ts'
import type { Ended, Flow, OutboundRequest, Sink } from '../../src/gateway/exchange.ts'
import { openMeter } from '../../src/gateway/meter.ts'
import type { Outbound } from '../../src/gateway/outbound.ts'
import { parseRoute } from '../../src/gateway/path.ts'
import { openRepeats } from '../../src/gateway/repeats.ts'
import { openRetries } from '../../src/gateway/retries.ts'
import { counting, weighing } from '../../src/gateway/rules.ts'
import { openShownSecrets } from '../../src/gateway/shown-secrets.ts'
import { openSkew } from '../../src/gateway/skew.ts'
import { answerBy } from '../../src/gateway/tries.ts'
import { openBuckets, openLines } from '../../src/limit/limit.ts'
import type { RatedLimit } from '../../src/model/model.ts'
import { decideExchange, type Exchange, type ExchangeAnswer } from '../../src/rehearsal/exchange/exchange.ts'
import { openOrders } from '../../src/rehearsal/exchange/orders.ts'
import { openWeights, publishedRules } from '../../src/rehearsal/exchange/weights.ts'
import { between, seeded, sleep, type Random } from '../../src/std/std.ts'
import { waitUntil } from '../../src/work/waits.ts'
import type { LimitRow } from '../../src/store/store.ts'
import { Timeline } from '../worlds/timeline.ts'

export const minuteMs = 60_000

/** What an agent asks for, with its weight by address and by account. */
export const asks = [
  { method: 'GET', target: '/api/v3/ticker/price?symbol=BNBBTC', ip: 2, uid: 0, share: 0.35 },
  { method: 'POST', target: '/api/v3/order', ip: 1, uid: 0, share: 0.15 },
  { method: 'GET', target: '/api/v3/account', ip: 20, uid: 0, share: 0.3 },
  { method: 'GET', target: '/api/v3/depth?symbol=BNBBTC', ip: 50, uid: 0, share: 0.15 },
  { method: 'POST', target: '/sapi/v1/capital/withdraw/apply', ip: 0, uid: 900, share: 0.045 },
  { method: 'GET', target: '/sapi/v1/capital/withdraw/history', ip: 0, uid: 18_000, share: 0.005 },
] as const

const rated = (more: Partial<RatedLimit> & Pick<RatedLimit, 'per' | 'rate'>): RatedLimit => ({
  burst: Math.floor(more.rate.count / 10),
  guard: 0.05,
  window: 'smooth',
  match: [],
  weights: [],
  ...more,
})

/** As an operator writes them from the provider's pages. */
export const limits: readonly RatedLimit[] = [
  rated({
    per: 'host',
    rate: { count: 6_000, windowMs: minuteMs },
    match: ['GET /api/**', 'POST /api/**'],
    weights: [
      { match: 'GET /api/v3/ticker/price', weight: 2 },
      { match: 'GET /api/v3/account', weight: 20 },
      { match: 'GET /api/v3/depth', weight: 50 },
    ],
  }),
  rated({
    per: 'credential',
    rate: { count: 180_000, windowMs: minuteMs },
    match: ['GET /sapi/**', 'POST /sapi/**'],
    weights: [
      { match: 'POST /sapi/v1/capital/withdraw/apply', weight: 900 },
      { match: 'GET /sapi/v1/capital/withdraw/history', weight: 18_000 },
    ],
  }),
]

/** Orders of the account in ten seconds: agents want more, as far as the weights let them. */
export const mostOrders = 8
const orderRules = [
  { windowMs: 10_000, most: mostOrders },
  { windowMs: 86_400_000, most: 200_000 },
]

export const address = '198.51.100.7'

export interface Arrival {
  readonly atMs: number
  readonly status: number | 'cut'
  readonly path: string
  /** By address, on `/api`. */
  readonly ip: number
  readonly ours: boolean
  /** Its code, where it has one. */
  readonly code: unknown
  /** When its answer was heard; Infinity = not yet. */
  heardMs: number
}

/** Keys of the gate's credential and of somebody else at the same address. */
const secret = 'rehearsal:s3cret'

class Provider {
  readonly log: Arrival[] = []
  readonly exchange: Exchange
  sickUntilMs = 0
  readonly #timeline: Timeline
  readonly #random: Random
  #numbers = 0

  constructor(timeline: Timeline, random: Random) {
    this.#timeline = timeline
    this.#random = random
    this.exchange = {
      weights: openWeights({ ...publishedRules, mercy: 3 }),
      orders: openOrders(orderRules),
      keys: new Map([['rehearsal', { id: 'rehearsal', secret: 's3cret', account: 'ours' }]]),
      seed: 1,
      settings: { faults: {} },
      withdrawals: [],
    }
  }

  take(
    what: { readonly method: string; readonly target: string; readonly keyId?: string; readonly body?: string },
    ours: boolean,
  ): ExchangeAnswer['deed'] {
    const { method, target, keyId, body = '' } = what
    const nowMs = this.#timeline.wallMs
    this.#numbers += 1
    const asked = { number: this.#numbers, method, target, keyId, body, address }
    const [path = ''] = target.split('?')
    const ip = path.startsWith('/api/') ? (asks.find((one) => one.target.startsWith(path))?.ip ?? 1) : 0
    let { deed } = decideExchange(this.exchange, asked, nowMs)
    if (deed !== 'cut' && deed.status === 200 && ours && nowMs < this.sickUntilMs)
      deed = { ...deed, status: 503, body: { code: -1000, msg: 'sick' } }
    const [status, said] = deed === 'cut' ? (['cut', {}] as const) : ([deed.status, deed.body] as const)
    const { code } = said as { readonly code?: unknown }
    this.log.push({ atMs: nowMs, status, path, ip, ours, code, heardMs: Infinity })
    return deed
  }

  /** The way there and back. Most answers come soon, some late. */
  get outbound(): Outbound {
    return {
      guard: { url: new URL('http://exchange.world'), forbidden: true, lookup: () => {}, trusted: {} },
      send: (request, sink) => this.#send(request, sink),
      close: async () => {},
      retire: async () => {},
    }
  }

  #send(request: OutboundRequest, sink: Sink): Flow {
    const { promise, resolve } = Promise.withResolvers<Ended>()
    const timeline = this.#timeline
    const wayMs = (): number =>
      this.#random.next() < 0.02 ? between(this.#random, 200, 1_500) : between(this.#random, 5, 120)
    timeline.after(1, () => {
      const notNow = sink.notNow?.()
      if (notNow !== undefined) return resolve({ kind: 'not-sent', code: 'not-now', message: notNow })
      sink.started()
      timeline.after(wayMs(), () => {
        const keyId = request.headers.find(([name]) => name.toLowerCase() === 'x-mbx-apikey')?.[1]
        const body = typeof request.body === 'string' ? request.body : ''
        const deed = this.take({ method: request.method, target: request.target, body, ...(keyId && { keyId }) }, true)
        // Whole seconds, as HTTP has them.
        const date = new Date(timeline.wallMs).toUTCString()
        const arrival = this.log.at(-1)!
        timeline.after(wayMs(), () => {
          arrival.heardMs = timeline.wallMs
          if (deed === 'cut') return resolve({ kind: 'lost', code: 'ECONNRESET', message: 'cut' })
          sink.head(deed.status, Object.entries({ date, ...deed.headers }))
          sink.data(Buffer.from(JSON.stringify(deed.body)))
          resolve({ kind: 'answered' })
        })
      })
    })
    return { ended: promise, resume: () => {}, abort: () => resolve({ kind: 'lost', code: 'given-up', message: '' }) }
  }
}

/** The answering side of a call: what it is told is thrown away but for its status. */
class Answer {
  status = 0
  writableEnded = false
  destroyed = false
  writableNeedDrain = false
  on(): void {}
  off(): void {}
  flushHeaders(): void {}
  writeHead(status: number): void {
    this.status = status
  }
  write(): boolean {
    return true
  }
  end(): void {}
}

const passing = { target: 'swarm', mode: 'active', reason: '' } as const

export interface World {
  readonly timeline: Timeline
  readonly provider: Provider
  readonly room: Room
  readonly random: Random
  /** What agents were told, by status or code. */
  readonly told: Map<string, number>
  readonly warned: string[]
  /** One agent for ever: asks, thinks, and where it is sent away comes back when it was told. */
  agent(name: string, thinkMs: number): Promise<void>
}

export const openExchangeWorld = (
  seed: number,
  more: { readonly saved?: readonly LimitRow[]; readonly parkAfterMs?: number } = {},
): World => {
  const timeline = new Timeline()
  const random = seeded(seed)
  const { clock } = timeline.outside
  const provider = new Provider(timeline, seeded(seed + 1))
  const buckets = openBuckets({ clock, random, saved: more.saved ?? [] })
  const rule = {
    name: 'exchange',
    url: 'http://exchange.world',
    grant: [],
    credential: 'key',
    allow: ['GET /api/**', 'POST /api/**', 'GET /sapi/**', 'POST /sapi/**'],
    money: [],
    limits,
    timeoutMs: 30_000,
    parkAfterMs: more.parkAfterMs ?? 10_000,
    learn: true,
    breaker: { share: 0.5, volume: 20, probeMs: 5_000 },
    retries: { max: 2, share: 0.1, safe: [] },
    profile: { ...profiles['binance']!, limits: { ...profiles['binance']!.limits, 'orders-10S': mostOrders } },
    price: null,
  }
  const upstream = {
    rule,
    credential: {
      name: 'key',
      pool: [],
      signing: { kind: 'hmac', keyHeader: 'X-MBX-APIKEY', windowMs: 5_000 } as never,
    },
    allow: rule.allow.map(parseRoute),
    money: [],
    safe: [],
    host: 'exchange.world',
    place: 'exchange.world',
    over: [],
    weigh: weighing(limits),
    counts: counting(profiles['binance']!),
    listing: [],
    price: null,
    outbound: provider.outbound,
  }
  const version = { name: 'key', version: 1 } as NonNullable<CallInHand['credential']>
  const warned: string[] = []
  let journal = 0
  const room: Room = {
    clock,
    upstreams: new Map([['exchange', upstream]]),
    vault: {
      way: (rule) => ({ credential: version, rule }),
      look: () => version,
      pin: () => ({ credential: version, release: () => {} }) as never,
      secretFor: async () => secret,
      answered: () => {},
    } as Room['vault'],
    buckets,
    lines: openLines({ clock, buckets }),
    journal: {
      begin: async () => (journal += 1),
      end: async () => {},
      refuse: async () => (journal += 1),
    } as unknown as Room['journal'],
    uses: { added: () => {}, behind: () => false, tells: () => false } as unknown as Room['uses'],
    meter: openMeter([]),
    keptKeys: { forgottenUntilMs: () => null },
    calls: { count: () => {} },
    seen: { begin: () => () => {}, answered: () => {} },
    skew: openSkew(clock),
    shown: openShownSecrets(clock),
    log: (_, message, fields) => void warned.push(`${message} ${JSON.stringify(fields)}`),
    modes: { of: () => passing },
    shares: { of: () => 1 },
    priorities: { of: () => 5 },
    retries: openRetries({ clock, random }),
    repeats: openRepeats(clock),
    budgets: openBudgets(clock, []),
    frozen: () => false,
    ending: () => false,
  }
  const told = new Map<string, number>()
  const tell = (what: string): void => void told.set(what, (told.get(what) ?? 0) + 1)

  const ask = async (agent: string, what: (typeof asks)[number]): Promise<void> => {
    const query = what.target.endsWith('/apply') ? '?coin=XTS&address=a1&amount=1.5' : ''
    for (;;) {
      const response = new Answer()
      const answered = await answerBy(
        {
          grant: null,
          seat: {
            cell: 'cell',
            agents: new Set([agent]),
            upstreams: new Set(['exchange']),
            epochs: new Map(),
            ended: new Set(),
          },
          subject: null,
          agent: null,
          upstreamName: 'exchange',
          method: what.method,
          target: what.target + query,
          headers: [],
          body: null,
          bodyBytes: null,
          waitMs: null,
          epoch: 1,
          onWaiting: () => {},
        },
        {
          response: response as unknown as ServerResponse,
          whole: null,
          isGone: false,
          leave: () => {},
          flow: undefined,
        },
        room,
      )
      if (answered.with !== 'problem') return tell(String(response.status))
      tell(answered.problem.code)
      const { retryAfterMs } = answered.problem
      if (retryAfterMs === undefined) return
      const nowMs = clock.wallMs()
      await sleep(clock, waitUntil(nowMs, retryAfterMs, random) - nowMs)
    }
  }
  const pick = (): (typeof asks)[number] => {
    let left = random.next()
    return asks.find(({ share }) => (left -= share) < 0) ?? asks[0]
  }
  return {
    timeline,
    provider,
    room,
    random,
    told,
    warned,
    agent: async (name, thinkMs) => {
      for (;;) {
        await sleep(clock, random.next() * 2 * thinkMs)
        await ask(name, pick())
      }
    },
  }
}

/** Somebody else at the same address, who knows of no gate: clumps of calls, so much in a minute. */
export const stranger = (world: World, perMinute: number): void => {
  const { timeline, provider, random } = world
  const clump = (): void => {
    const calls = Math.floor(1 + random.next() * 8)
    // It obeys as well, in its own way.
    let isRefused = false
    for (let index = 0; index < calls && !isRefused; index += 1) {
      const deed = provider.take({ method: 'GET', target: '/api/v3/depth?symbol=X' }, false)
      isRefused = deed === 'cut' || deed.status !== 200
    }
    const usualMs = (calls * 50 * minuteMs * 2 * random.next()) / perMinute
    timeline.after(isRefused ? minuteMs : usualMs, clump)
  }
  timeline.after(100, clump)
}

/** By minute of the provider's clock. */
export const byMinute = (log: readonly Arrival[]): ReadonlyMap<number, readonly Arrival[]> =>
  Map.groupBy(log, ({ atMs }) => Math.floor(atMs / minuteMs))
