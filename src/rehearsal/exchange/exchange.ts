/**
 * What the exchange answers, decided in one synchronous step: its limits, then the signature, then the route. Requests
 * that are refused weigh as much as others. A withdrawal is paid each time that it is asked for: its order id is there
 * to look it up, and no proof against a second one.
 */
import { faultOf, type FaultShares } from '../faults.ts'
import type { Line } from '../log.ts'
import { orderInterval, type OrderBook, type OrderRule } from './orders.ts'
import { checkSigned, type Key } from './signed.ts'
import type { Weighed, Weights } from './weights.ts'

export interface Withdrawal {
  readonly id: string
  readonly withdrawOrderId: string
  readonly coin: string
  readonly address: string
  readonly amount: string
  readonly applyTime: number
}
export interface Exchange {
  readonly weights: Weights
  readonly orders: OrderBook
  readonly keys: ReadonlyMap<string, Key>
  readonly seed: number
  /** Switchable at run time. */
  readonly settings: { faults: FaultShares }
  /** All of them, oldest first. */
  readonly withdrawals: Withdrawal[]
}
export interface ExchangeRequest {
  readonly number: number
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly keyId: string | undefined
  readonly body: string
  readonly address: string
}
export interface ExchangeAnswer {
  readonly line: Omit<Line, 'at'>
  readonly deed:
    | 'cut'
    | { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: unknown }
}

interface Route {
  readonly api: 'api' | 'sapi'
  readonly ip: number
  readonly uid: number
  readonly signed: boolean
  /** Orders that it places. */
  readonly orders?: number
  readonly answer: (exchange: Exchange, asked: Asked) => unknown
}
interface Asked {
  readonly parameters: URLSearchParams
  readonly wallMs: number
  readonly number: number
  readonly account: string
}

/** A rehearsal ends somewhere. */
export const mostWithdrawals = 1_000_000
const mostListed = 1_000

const open = (api: Route['api'], ip: number, answer: Route['answer']): Route => ({
  api,
  ip,
  uid: 0,
  signed: false,
  answer,
})

const withdraw: Route['answer'] = ({ withdrawals }, { parameters, wallMs, number }) => {
  const [coin, address, amount] = ['coin', 'address', 'amount'].map((name) => parameters.get(name))
  if (!coin || !address || !amount || !/^\d{1,12}(\.\d{1,8})?$/.test(amount))
    return {
      code: -1102,
      msg: 'Mandatory parameter coin, address or amount was not sent, was empty/null, or malformed.',
    }
  const id = `w${number}`
  const withdrawOrderId = parameters.get('withdrawOrderId') ?? ''
  withdrawals.push({ id, withdrawOrderId, coin, address, amount, applyTime: wallMs })
  return { id }
}

const history: Route['answer'] = ({ withdrawals }, { parameters }) => {
  const wanted = parameters.get('withdrawOrderId')
  const found = wanted === null ? withdrawals : withdrawals.filter((one) => one.withdrawOrderId === wanted)
  return found.slice(-mostListed).map((one) => ({ ...one, status: 6 }))
}

const orderLimit = (rule: OrderRule): Readonly<Record<string, unknown>> => {
  const { num, unit } = orderInterval(rule)
  return { rateLimitType: 'ORDERS', interval: unit, intervalNum: num, limit: rule.most }
}

const counted: Route['answer'] = ({ orders }, { wallMs, account }) => {
  const used = orders.counts(wallMs, account)
  return orders.rules.map((rule, at) => ({ ...orderLimit(rule), count: used[at]! }))
}

const placing = (orders: number): Route => ({
  api: 'api',
  ip: 1,
  uid: 0,
  signed: true,
  orders,
  answer: (_, { parameters, number, wallMs }) => ({
    symbol: parameters.get('symbol') ?? 'BTCUSDT',
    [orders === 1 ? 'orderId' : 'orderListId']: number,
    transactTime: wallMs,
  }),
})

/** Weights of the published pages. */
const routes: Readonly<Record<string, Route>> = {
  'GET /api/v3/ping': open('api', 1, () => ({})),
  'GET /api/v3/time': open('api', 1, (_, { wallMs }) => ({ serverTime: wallMs })),
  'GET /api/v3/exchangeInfo': open('api', 20, ({ weights: { rules }, orders }) => ({
    rateLimits: [
      {
        rateLimitType: 'REQUEST_WEIGHT',
        interval: rules.windowMs % 60_000 === 0 ? 'MINUTE' : 'SECOND',
        intervalNum: rules.windowMs / (rules.windowMs % 60_000 === 0 ? 60_000 : 1_000),
        limit: rules.ip,
      },
      ...orders.rules.map(orderLimit),
    ],
  })),
  'GET /api/v3/ticker/price': open('api', 2, (_, { parameters }) => ({
    symbol: parameters.get('symbol') ?? 'BTCUSDT',
    price: '4.00000200',
  })),
  'GET /api/v3/depth': open('api', 50, () => ({ lastUpdateId: 1, bids: [], asks: [] })),
  'GET /api/v3/account': {
    api: 'api',
    ip: 20,
    uid: 0,
    signed: true,
    answer: () => ({ canWithdraw: true, balances: [] }),
  },
  'GET /api/v3/rateLimit/order': { api: 'api', ip: 40, uid: 0, signed: true, answer: counted },
  'POST /api/v3/order': placing(1),
  'POST /api/v3/orderList/oco': placing(2),
  'GET /sapi/v1/capital/config/getall': { api: 'sapi', ip: 10, uid: 0, signed: true, answer: () => [] },
  'POST /sapi/v1/capital/withdraw/apply': { api: 'sapi', ip: 0, uid: 900, signed: true, answer: withdraw },
  'GET /sapi/v1/capital/withdraw/history': { api: 'sapi', ip: 0, uid: 18_000, signed: true, answer: history },
}

const asError = (code: number, msg: string): { readonly code: number; readonly msg: string } => ({ code, msg })

const refusals = {
  limited: { status: 429, kind: 'over-limit', body: asError(-1003, 'Too much request weight used.') },
  banned: { status: 418, kind: 'banned', body: asError(-1003, 'Way too much request weight used; IP banned.') },
} as const

/** Of an account that nobody knows it counts by the key that was told. */
const accountOf = ({ keys }: Exchange, keyId: string | undefined): string | null =>
  keyId === undefined ? null : (keys.get(keyId)?.account ?? keyId)

const kindOf = (path: string, body: unknown): 'withdrawn' | 'answered' =>
  path.endsWith('/withdraw/apply') && !Object.hasOwn(body as object, 'code') ? 'withdrawn' : 'answered'

/** A withdrawal as its line tells it, and as it is read again at the next start. */
export const withdrawalIn = ({ kind, at, id, key = '', payee, amount, currency }: Line): Withdrawal | undefined =>
  kind !== 'withdrawn' || id === undefined || payee === undefined || amount === undefined || currency === undefined
    ? undefined
    : { id, withdrawOrderId: key, coin: currency, address: payee, amount, applyTime: at }

const factsOf = ({ withdrawals }: Exchange): Partial<Line> => {
  const { id, withdrawOrderId, coin, address, amount } = withdrawals.at(-1)!
  return { id, payee: address, amount, currency: coin, ...(withdrawOrderId !== '' && { key: withdrawOrderId }) }
}

const served = (
  exchange: Exchange,
  { asked, path, route, headers }: { asked: Asked; path: string; route: Route; headers: Verdict['headers'] },
): ExchangeAnswer => {
  const { number: request } = asked
  const fault = faultOf(exchange.settings.faults, { seed: exchange.seed, key: path, number: request })
  if (fault === 'error')
    return {
      line: { request, kind: 'error', fault, detail: path },
      deed: { status: 500, headers, body: asError(-1000, 'An unknown error occurred while processing the request.') },
    }
  const body = route.answer(exchange, asked)
  const kind = kindOf(path, body)
  const facts = kind === 'withdrawn' ? factsOf(exchange) : {}
  const line = { request, kind, detail: path, ...facts }
  if (fault === 'acceptThenCut') return { line: { ...line, fault }, deed: 'cut' }
  const status = Object.hasOwn(body as object, 'code') ? 400 : 200
  return { line, deed: { status, headers, body } }
}

type Verdict = ReturnType<Weights['enter']>

/** A refusal for too many orders, in the words of Binance; no wait is named. */
const tooMany = (request: number, path: string, rule: OrderRule, headers: Verdict['headers']): ExchangeAnswer => {
  const { num, unit } = orderInterval(rule)
  const msg = `Too many new orders; current limit is ${rule.most} orders per ${num} ${unit}.`
  return {
    line: { request, kind: 'over-limit', detail: `-1015 ${path}` },
    deed: { status: 429, headers, body: asError(-1015, msg) },
  }
}

/** Decides about one request; what it changes is changed when this returns. */
export const decideExchange = (exchange: Exchange, request: ExchangeRequest, wallMs: number): ExchangeAnswer => {
  const [path = '/', query = ''] = request.target.split('?', 2)
  const route = routes[`${request.method} ${path}`]
  const { address, keyId, body, number } = request
  // What nobody knows weighs one, as what is refused for any other reason weighs all that it would have.
  const { api, ip, uid } = route ?? { api: path.startsWith('/sapi/') ? 'sapi' : 'api', ip: 1, uid: 0 }
  const weighed: Weighed = { address, account: accountOf(exchange, keyId), api, ip, uid }
  const { is, retryAfterS, headers } = exchange.weights.enter(wallMs, weighed)
  if (is !== 'in') {
    const { status, kind, body: said } = refusals[is]
    const told = { ...headers, 'retry-after': String(retryAfterS) }
    return { line: { request: number, kind, detail: path }, deed: { status, headers: told, body: said } }
  }
  const refuse = (status: number, kind: 'invalid' | 'unauthorized', code: number, msg: string): ExchangeAnswer => ({
    line: { request: number, kind, detail: `${code} ${path}`.slice(0, 200) },
    deed: { status, headers, body: asError(code, msg) },
  })
  if (route === undefined) return refuse(404, 'invalid', -1100, 'no such route')
  if (route.signed) {
    const checked = checkSigned({ query, body, keyId }, exchange.keys, wallMs)
    if ('code' in checked)
      return refuse(checked.status, checked.status === 401 ? 'unauthorized' : 'invalid', checked.code, checked.msg)
  }
  if (exchange.withdrawals.length >= mostWithdrawals) return refuse(400, 'invalid', -1008, 'this rehearsal ends here')
  const parameters = new URLSearchParams(body === '' ? query : `${query}&${body}`)
  const account = weighed.account ?? ''
  const placed = route.orders === undefined ? { headers: {} } : exchange.orders.place(wallMs, account, route.orders)
  if ('over' in placed) return tooMany(number, path, placed.over, headers)
  const asked = { parameters, wallMs, number, account }
  return served(exchange, { asked, path, route, headers: { ...headers, ...placed.headers } })
}
