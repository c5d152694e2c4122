/**
 * A provider of language models: `POST /v1/messages` in the form of Anthropic's API, bodies and streams, with limits on
 * requests a second and on tokens, 429 and 529, and the headers that tell what is left. Its log line is durable before
 * the first byte of its answer: what it billed is what stands there. Nobody is billed for a refusal; who is cut off in
 * the middle is billed for all of it.
 *
 *   POST /v1/messages · GET /v1/models · GET /_rehearsal/state
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { faultOf, type FaultName } from '../faults.ts'
import type { Line } from '../log.ts'
import type { Provider } from '../provider.ts'
import { isRefusal } from '../request.ts'
import { documentOf, errorOf, eventsOf, textOf, type Usage } from './answer.ts'
import { readMessage, type Message } from './request.ts'
import { lengthOf, tokensOf, type TokenWindow } from './tokens.ts'

export interface LlmProvider extends Provider {
  readonly tokens: TokenWindow
}
interface Refused {
  readonly status: number
  readonly type: string
  readonly why: string
  readonly kind: Line['kind']
  readonly retryAfterMs?: number
  readonly fault?: FaultName
}

const betweenEventsMs = 5

const pause = ({ clock }: Provider, ms: number): Promise<void> =>
  ms <= 0 ? Promise.resolve() : new Promise((resolve) => void clock.timer(ms, resolve))

const limitHeaders = ({ tokens, clock }: LlmProvider): Record<string, string> => {
  const nowMs = clock.monoMs()
  return {
    'anthropic-ratelimit-tokens-limit': String(tokens.most),
    'anthropic-ratelimit-tokens-remaining': String(tokens.left(nowMs)),
    'anthropic-ratelimit-tokens-reset': new Date(clock.wallMs() + tokens.resetMs(nowMs)).toISOString(),
  }
}

const refuse = async (
  provider: LlmProvider,
  response: ServerResponse,
  request: number,
  refused: Refused,
): Promise<void> => {
  const { status, type, why, kind, retryAfterMs, fault } = refused
  await write(provider, { request, kind, detail: why, ...(fault !== undefined && { fault }) })
  response.writeHead(status, {
    'content-type': 'application/json',
    ...limitHeaders(provider),
    ...(retryAfterMs === undefined ? {} : { 'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1_000))) }),
  })
  response.end(JSON.stringify(errorOf(type, why)))
}

const write = (provider: Provider, line: Omit<Line, 'at'>): Promise<void> => {
  const stamped: Line = { at: provider.clock.wallMs(), ...line }
  provider.book.take(stamped)
  return provider.log.append(stamped)
}

const injected: Readonly<Partial<Record<FaultName, Refused>>> = {
  limited: { status: 429, type: 'rate_limit_error', why: 'too many at once', kind: 'limited', retryAfterMs: 1_000 },
  overloaded: { status: 529, type: 'overloaded_error', why: 'everybody asks at once', kind: 'overloaded' },
  error: { status: 500, type: 'api_error', why: 'something broke', kind: 'error' },
}

/** Refused before anything is done; undefined = it is answered. */
const limited = (provider: LlmProvider, tokens: number): Refused | undefined => {
  const nowMs = provider.clock.monoMs()
  const requestMs = provider.window.enter(nowMs)
  const waitMs = requestMs > 0 ? requestMs : provider.tokens.enter(nowMs, tokens)
  if (waitMs === 0) return undefined
  const why =
    requestMs > 0 ? `more than ${provider.rate} requests in a second` : 'the tokens of this window are used up'
  return { status: 429, type: 'rate_limit_error', why, kind: 'over-limit', retryAfterMs: waitMs }
}

interface Said {
  readonly id: string
  readonly message: Message
  readonly said: readonly string[]
  readonly usage: Usage
}

const sendWhole = (provider: LlmProvider, response: ServerResponse, { id, message, said, usage }: Said): void => {
  response.writeHead(200, { 'content-type': 'application/json', ...limitHeaders(provider) })
  response.end(JSON.stringify(documentOf(id, message, said, usage)))
}

/** `cut`: half of it, and then the connection is gone. */
const sendEvents = async (provider: LlmProvider, response: ServerResponse, what: Said, cut: boolean): Promise<void> => {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache',
    ...limitHeaders(provider),
  })
  const events = eventsOf(what.id, what.message, what.said, what.usage)
  for (const event of cut ? events.slice(0, Math.ceil(events.length / 2)) : events) {
    if (response.destroyed) return
    response.write(event)
    await pause(provider, betweenEventsMs)
  }
  if (cut) response.destroy()
  else response.end()
}

const answer = async (provider: LlmProvider, request: number, asked: IncomingMessage, response: ServerResponse) => {
  const message = await readMessage(asked)
  if (isRefusal(message)) {
    const refused = { type: 'invalid_request_error', why: message.why, kind: 'invalid' } as const
    return refuse(provider, response, request, { status: message.status, ...refused })
  }
  const { seed, settings } = provider
  const fault = faultOf(settings.faults, { seed, key: message.text, number: request })
  const refused = fault === undefined ? undefined : injected[fault]
  if (refused !== undefined) return refuse(provider, response, request, { ...refused, fault: fault! })
  const usage = { input: tokensOf(message.text), output: lengthOf(seed, message.text, message.maxTokens) }
  const over = limited(provider, usage.input + usage.output)
  if (over !== undefined) return refuse(provider, response, request, over)
  const what: Said = { id: `msg_${request}`, message, said: textOf(seed, message, usage.output), usage }
  const cut = fault === 'acceptThenCut'
  const { model } = message
  await write(provider, { request, kind: cut ? 'cut' : 'answered', model, ...usage, ...(cut && { fault }) })
  await pause(provider, settings.latencyMs + (fault === 'slow' ? 1_500 : 0))
  if (message.stream) return sendEvents(provider, response, what, cut)
  if (cut) response.destroy()
  else sendWhole(provider, response, what)
}

const models = {
  data: [
    { type: 'model', id: 'rehearsal-small' },
    { type: 'model', id: 'rehearsal-large' },
  ],
}

/** Answers one request. Rejects only when the log cannot be written: then nothing was answered. */
export const serveLlm = async (
  provider: LlmProvider,
  asked: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const request = provider.nextRequest()
  const key = asked.headers['x-api-key']
  const bearer = asked.headers.authorization ?? (typeof key === 'string' ? `Bearer ${key}` : undefined)
  if (!provider.allowed(bearer))
    return refuse(provider, response, request, {
      status: 401,
      type: 'authentication_error',
      why: 'send the token that this provider issued',
      kind: 'unauthorized',
    })
  const json = (value: object): void => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  }
  const [path] = (asked.url ?? '/').split('?', 1)
  try {
    if (asked.method === 'POST' && path === '/v1/messages') return await answer(provider, request, asked, response)
    if (asked.method === 'GET' && path === '/v1/models') return json(models)
    if (asked.method === 'GET' && path === '/_rehearsal/state')
      return json({ name: provider.name, seed: provider.seed, counts: provider.book.counts })
  } catch (error) {
    // The client hung up before its request was whole.
    if (asked.destroyed) return
    throw error
  }
  return refuse(provider, response, request, {
    status: 404,
    type: 'not_found_error',
    why: 'no such route',
    kind: 'invalid',
  })
}
