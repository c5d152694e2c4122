/**
 * A rehearsed exchange over HTTP, in the form of Binance's API: its line is durable before it answers. What it is asked
 * to do to its own client stands under `/_rehearsal/`, with the token as bearer.
 *
 *   GET /api/v3/{ping,time,exchangeInfo,ticker/price,depth,account,rateLimit/order}
 *   POST /api/v3/{order,orderList/oco}
 *   GET /sapi/v1/capital/config/getall
 *   POST /sapi/v1/capital/withdraw/apply · GET /sapi/v1/capital/withdraw/history
 *   GET /_rehearsal/state · POST /_rehearsal/ban {"seconds": 120}
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Line } from '../log.ts'
import type { Provider } from '../provider.ts'
import { isRefusal, readBody, readJson } from '../request.ts'
import { decideExchange, type Exchange, type ExchangeAnswer } from './exchange.ts'

export interface ExchangeProvider extends Provider {
  readonly exchange: Exchange
}

const longestBanS = 3 * 86_400

const send = (response: ServerResponse, deed: Exclude<ExchangeAnswer['deed'], 'cut'>): void => {
  const text = JSON.stringify(deed.body)
  response.writeHead(deed.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...deed.headers,
  })
  response.end(text)
}

const addressOf = ({ socket }: IncomingMessage): string => socket.remoteAddress ?? ''

/** The client that asks is the one that is banned. */
const ban = (provider: ExchangeProvider, asked: IncomingMessage, text: string, request: number): ExchangeAnswer => {
  const json = readJson(text)
  const seconds = isRefusal(json) ? undefined : (json.value as { readonly seconds?: unknown } | null)?.seconds
  if (typeof seconds !== 'number' || !(seconds > 0 && seconds <= longestBanS))
    return {
      line: { request, kind: 'invalid', detail: 'ban' },
      deed: { status: 400, headers: {}, body: { msg: `seconds is a number up to ${longestBanS}` } },
    }
  provider.exchange.weights.ban(provider.clock.wallMs(), addressOf(asked), seconds * 1_000)
  return { line: { request, kind: 'faults', detail: `ban ${seconds} s` }, deed: { status: 200, headers: {}, body: {} } }
}

const decide = async (provider: ExchangeProvider, asked: IncomingMessage): Promise<ExchangeAnswer> => {
  const request = provider.nextRequest()
  const read = await readBody(asked)
  if (isRefusal(read))
    return {
      line: { request, kind: 'invalid', detail: read.why },
      deed: { status: read.status, headers: { connection: 'close' }, body: { code: -1100, msg: read.why } },
    }
  const target = asked.url ?? '/'
  const method = asked.method ?? 'GET'
  if (target.startsWith('/_rehearsal/')) {
    const isAllowed = provider.allowed(asked.headers.authorization)
    if (isAllowed && `${method} ${target}` === 'POST /_rehearsal/ban') return ban(provider, asked, read.text, request)
    const [status, kind] = isAllowed ? ([404, 'invalid'] as const) : ([401, 'unauthorized'] as const)
    return { line: { request, kind }, deed: { status, headers: {}, body: { msg: kind } } }
  }
  const key = asked.headers['x-mbx-apikey']
  const keyId = typeof key === 'string' ? key : undefined
  const what = { number: request, method, target, keyId, body: read.text, address: addressOf(asked) }
  return decideExchange(provider.exchange, what, provider.clock.wallMs())
}

/** Answers one request. Rejects only when the log cannot be written: then nothing was answered. */
export const serveExchange = async (
  provider: ExchangeProvider,
  asked: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const { book, name, seed, settings, clock } = provider
  if (asked.url === '/_rehearsal/state' && provider.allowed(asked.headers.authorization))
    return send(response, { status: 200, headers: {}, body: { name, seed, counts: book.counts } })
  let answer: ExchangeAnswer
  try {
    answer = await decide(provider, asked)
  } catch (error) {
    // The client hung up before its request was whole.
    if (asked.destroyed) return
    throw error
  }
  const line: Line = { at: clock.wallMs(), ...answer.line }
  book.take(line)
  await provider.log.append(line)
  if (settings.latencyMs > 0)
    await new Promise<void>((resolve) => {
      clock.timer(settings.latencyMs, resolve)
    })
  if (answer.deed === 'cut') asked.socket.destroy()
  else send(response, answer.deed)
}
