/**
 * The bank's HTTP routes. Order per request: token, the bank's own limit, the route; the log line is durable before the
 * answer goes out or the connection is cut. A bank that cannot write its log answers nothing any more.
 *
 *   POST /v1/payouts · GET /v1/payouts?key=… · GET /v1/balance · GET /_rehearsal/state · POST /_rehearsal/faults
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../std/std.ts'
import { mostPayments, type Book } from './book.ts'
import { decide, problem, showPayment, type Answer } from './decide.ts'
import { wrongShares, type FaultShares } from './faults.ts'
import type { Line, Log } from './log.ts'
import { isKey, isRefusal, readBody, readJson, readKey, readPayout, type Refusal } from './request.ts'
import { showTotals } from './totals.ts'
import type { Window } from './window.ts'

export interface Provider {
  readonly name: string
  readonly seed: number
  readonly rate: number
  readonly clock: Pick<Clock, 'wallMs' | 'monoMs' | 'timer'>
  readonly book: Book
  readonly log: Log
  readonly window: Window
  readonly allowed: (authorization: string | undefined) => boolean
  /** Switchable at run time. */
  readonly settings: { faults: FaultShares; query: boolean; latencyMs: number }
  /** The number of the next request; it goes up over restarts. */
  readonly nextRequest: () => number
}

/** What was decided about a request, and when its line is durable; only then is the deed done. */
interface Turn {
  readonly durable: Promise<void>
  readonly deed: Answer | 'cut'
  readonly delayMs: number
}
type Facts = Pick<Line, 'request' | 'key'>

/**
 * Takes a decision into the book and the log in one synchronous step: a second request of the same key, in whatever
 * turn, sees it, and its own line stands behind this one, so that a replay or a query is never durable before the
 * payment that it tells of.
 */
const decided = (provider: Provider, line: Omit<Line, 'at'>, deed: Answer | 'cut', delayMs = 0): Turn => {
  const stamped: Line = { at: provider.clock.wallMs(), ...line }
  provider.book.take(stamped)
  return { durable: provider.log.append(stamped), deed, delayMs }
}

const refused = (provider: Provider, refusal: Refusal, facts: Facts): Turn =>
  decided(
    provider,
    { ...facts, kind: 'invalid', detail: refusal.why },
    // What is left of a body that was not read whole must not be taken for the next request.
    problem(refusal.status, refusal.status === 413 ? 'too-large' : 'invalid', refusal.why, { connection: 'close' }),
  )

const pay = async (provider: Provider, request: IncomingMessage, facts: Facts): Promise<Turn> => {
  const body = await readBody(request)
  if (isRefusal(body)) return refused(provider, body, facts)
  if (facts.key === undefined)
    return refused(
      provider,
      { status: 400, why: 'send one idempotency-key of 1 to 255 visible ASCII characters' },
      facts,
    )
  const json = readJson(body.text)
  const payout = isRefusal(json) ? json : readPayout(json.value)
  if (isRefusal(payout)) return refused(provider, payout, facts)
  if (provider.book.full) {
    return decided(
      provider,
      { ...facts, kind: 'full' },
      problem(503, 'full', `this rehearsal ends at ${mostPayments} payments`),
    )
  }
  const { book, seed, name, settings, clock } = provider
  const { line, deed, delayMs } = decide(
    { book, seed, name, faults: settings.faults },
    { key: facts.key, payout, number: facts.request, atMs: clock.wallMs() },
  )
  return decided(provider, line, deed, delayMs)
}

const query = (provider: Provider, parameters: URLSearchParams, facts: Facts): Turn => {
  const key = parameters.get('key')
  const line = { ...facts, kind: 'query' } as const
  if (!provider.settings.query)
    return decided(
      provider,
      { ...line, detail: 'off' },
      problem(501, 'not-implemented', 'this bank has no payout query'),
    )
  if (key === null || !isKey(key))
    return refused(provider, { status: 400, why: 'ask with ?key= of 1 to 255 visible ASCII characters' }, facts)
  const payment = provider.book.byKey(key)
  return payment === undefined
    ? decided(provider, { ...line, key, detail: 'absent' }, problem(404, 'not-found', 'no payout has this key'))
    : decided(
        provider,
        { ...line, key, id: payment.id },
        { status: 200, body: { items: [showPayment(payment, provider.clock.wallMs())] } },
      )
}

const switchFaults = async (provider: Provider, request: IncomingMessage, facts: Facts): Promise<Turn> => {
  const body = await readBody(request)
  const json = isRefusal(body) ? body : readJson(body.text)
  if (isRefusal(json)) return refused(provider, json, facts)
  // A value that is no object becomes a share of no known name, and is refused as such.
  const given =
    typeof json.value === 'object' && json.value !== null && !Array.isArray(json.value)
      ? json.value
      : { '': json.value }
  const {
    query: on = provider.settings.query,
    latencyMs = provider.settings.latencyMs,
    ...faults
  } = given as Record<string, unknown>
  const wrong = wrongShares(faults)
  if (wrong !== undefined) return refused(provider, { status: 400, why: wrong }, facts)
  if (typeof on !== 'boolean' || typeof latencyMs !== 'number' || !(latencyMs >= 0 && latencyMs <= 60_000)) {
    return refused(provider, { status: 400, why: 'query is true or false, latencyMs a number from 0 to 60000' }, facts)
  }
  Object.assign(provider.settings, { faults, query: on, latencyMs })
  return decided(
    provider,
    { ...facts, kind: 'faults', detail: JSON.stringify(provider.settings) },
    { status: 200, body: state(provider) },
  )
}

const state = (provider: Provider): Record<string, unknown> => ({
  name: provider.name,
  seed: provider.seed,
  rate: provider.rate,
  ...provider.settings,
  counts: provider.book.counts,
})

const notLet = (provider: Provider, request: IncomingMessage, path: string, facts: Facts): Turn | undefined => {
  if (!provider.allowed(request.headers.authorization)) {
    const deed = problem(401, 'unauthorized', 'send the bearer token that this bank issued', {
      'www-authenticate': 'Bearer',
      connection: 'close',
    })
    return decided(provider, { request: facts.request, kind: 'unauthorized' }, deed)
  }
  const waitMs = path.startsWith('/_rehearsal/') ? 0 : provider.window.enter(provider.clock.monoMs())
  if (waitMs === 0) return undefined
  const headers = { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1_000))) }
  return decided(
    provider,
    { ...facts, kind: 'over-limit' },
    problem(429, 'over-limit', `more than ${provider.rate} requests in a second`, headers),
  )
}

const route = async (provider: Provider, request: IncomingMessage): Promise<Turn> => {
  const [path = '/', search = ''] = (request.url ?? '/').split('?', 2)
  const key = path === '/v1/payouts' && request.method === 'POST' ? readKey(request) : undefined
  const facts: Facts = { request: provider.nextRequest(), ...(key === undefined ? {} : { key }) }
  const turn = notLet(provider, request, path, facts)
  if (turn) return turn
  switch (`${request.method} ${path}`) {
    case 'POST /v1/payouts':
      return pay(provider, request, facts)
    case 'GET /v1/payouts':
      return query(provider, new URLSearchParams(search), facts)
    case 'GET /v1/balance':
      return decided(
        provider,
        { ...facts, kind: 'balance' },
        { status: 200, body: { items: showTotals(provider.book.totals) } },
      )
    case 'POST /_rehearsal/faults':
      return switchFaults(provider, request, facts)
    default:
      return decided(
        provider,
        { ...facts, kind: 'invalid', detail: 'no such route' },
        problem(404, 'not-found', 'no such route', { connection: 'close' }),
      )
  }
}

const send = (response: ServerResponse, answer: Answer): void => {
  const text = JSON.stringify(answer.body)
  response.writeHead(answer.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...answer.headers,
  })
  response.end(text)
}

/** Answers one request. Rejects only when the log cannot be written: then nothing was answered. */
export const serve = async (provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  if (
    request.method === 'GET' &&
    request.url === '/_rehearsal/state' &&
    provider.allowed(request.headers.authorization)
  ) {
    return send(response, { status: 200, body: state(provider) })
  }
  let turn: Turn
  try {
    turn = await route(provider, request)
  } catch (error) {
    // The client hung up before its request was whole: there is nothing to decide and nobody to answer.
    if (request.destroyed) return
    throw error
  }
  await turn.durable
  const delayMs = turn.delayMs + provider.settings.latencyMs
  if (delayMs > 0)
    await new Promise<void>((resolve) => {
      provider.clock.timer(delayMs, resolve)
    })
  if (turn.deed === 'cut') request.socket.destroy()
  else send(response, turn.deed)
}
