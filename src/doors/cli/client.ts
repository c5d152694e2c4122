/**
 * The API as the CLI calls it: JSON in and out with the token, whole lists, streams by line. Problems become Refusals.
 */
import { failure, idMaker } from '../../std/std.ts'
import type { List, Problem } from '../api.ts'
import { Refusal } from './refusal.ts'
import type { Surroundings } from './surroundings.ts'

export interface Door {
  readonly url: string
  readonly token: string
}

export type Query = Readonly<Record<string, string | number | undefined>>
export interface PostExtra {
  readonly query?: Query
  readonly text?: { readonly type: string; readonly body: string }
  readonly withinMs?: number
}

export interface Api {
  readonly url: string
  get<Answer>(path: string, query?: Query, withinMs?: number): Promise<Answer>
  post<Answer>(path: string, body?: unknown, extra?: PostExtra): Promise<Answer>
  /**
   * Items of a list, following `next`, up to `most` (0 = all). Rejects `too-large` over 100,000: those are for
   * `export`.
   */
  all<Item>(path: string, query?: Query, most?: number): Promise<readonly Item[]>
  /** Lines of an answer that streams (NDJSON, SSE), without their ends. Rejects `no-sitter` when the link breaks. */
  lines(
    path: string,
    ask?: {
      readonly query?: Query
      readonly headers?: Readonly<Record<string, string>>
      /** Sent with POST; without it the lines are got. */
      readonly post?: { readonly type: string; readonly body: string }
    },
  ): AsyncGenerator<string, void>
}

const answerWithinMs = 30_000
/** Longer than any answer of a sitter that is well, shorter than a person waits without a word. */
const slowAfterMs = 3_000
const pageSize = 1_000
/** A list in memory; 100,000 tasks are about 100 MB as JSON. */
const mostItems = 100_000
/** The server's own bound on an NDJSON line is 1 MiB; twice that in one line is no sitter. */
const longestLine = 2_097_152

const withQuery = (path: string, query: Query = {}): string => {
  const asked = Object.entries(query).filter((entry): entry is [string, string | number] => entry[1] !== undefined)
  if (asked.length === 0) return path
  const pairs = asked.map(([name, value]): [string, string] => [name, String(value)])
  return `${path}?${new URLSearchParams(pairs).toString()}`
}

const isProblem = (value: unknown): value is Problem =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Problem).code === 'string' &&
  typeof (value as Problem).status === 'number'

/** An answer that is no 2xx as something to throw. */
const refusalOf = async (answer: Response, url: string): Promise<Error> => {
  const text = await answer.text()
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined /* no JSON: it is not one of our answers, said below */
  }
  if (isProblem(value)) return new Refusal({ ...value, detail: value.detail ?? value.title ?? value.code })
  return failure('no-sitter', `${url} answers ${answer.status} but not as a sitter does`)
}

const unreachable = (url: string, cause: unknown): Error => {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  const why = inner instanceof Error ? ((inner as NodeJS.ErrnoException).code ?? inner.message) : String(inner)
  return failure('no-sitter', `no sitter answers at ${url} (${why})`, { cause })
}

const jsonOf = async <Answer>(answer: Response, url: string): Promise<Answer> => {
  const text = await answer.text()
  if (text === '') return {} as Answer
  try {
    return JSON.parse(text) as Answer
  } catch (error) {
    throw failure('no-sitter', `${url} answers, but not with JSON: is it a sitter?`, { cause: error })
  }
}

/** Lines of a stream without their ends. */
async function* linesOf(body: ReadableStream<Uint8Array>, url: string): AsyncGenerator<string, void> {
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of body) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = parts.pop()!
      if (rest.length > longestLine) throw failure('too-large', 'the answer has a line over 2 MiB')
      for (const part of parts) yield part.endsWith('\r') ? part.slice(0, -1) : part
    }
  } catch (error) {
    if (error instanceof TypeError) throw unreachable(url, error)
    throw error
  }
  if (rest !== '') yield rest
}

type Call = (path: string, init: RequestInit, withinMs: number | null) => Promise<Response>

/** Calls with the token, at most `withinMs` long; null = as long as the answer streams. */
const caller =
  (world: Surroundings, door: Door, interrupted: AbortSignal | undefined, slow: () => void): Call =>
  async (path, init, withinMs) => {
    const late = new AbortController()
    const cancel = withinMs === null ? () => {} : world.clock.timer(withinMs, () => late.abort())
    const cancelSlow = withinMs === null ? () => {} : world.clock.timer(slowAfterMs, slow)
    const signal = interrupted === undefined ? late.signal : AbortSignal.any([late.signal, interrupted])
    const headers = { authorization: `Bearer ${door.token}`, ...(init.headers as Record<string, string>) }
    try {
      // A redirect would carry the token along: no sitter redirects its API.
      const answer = await world.fetch(`${door.url}${path}`, { ...init, headers, signal, redirect: 'error' })
      if (!answer.ok) throw await refusalOf(answer, door.url)
      if (withinMs === null) return answer
      return new Response(await answer.arrayBuffer(), { status: answer.status, headers: answer.headers })
    } catch (error) {
      if (late.signal.aborted)
        throw failure('timed-out', `${door.url}${path.split('?')[0]} did not answer within ${withinMs! / 1_000} s`, {
          cause: error,
        })
      if (error instanceof TypeError) throw unreachable(door.url, error)
      throw error
    } finally {
      cancel()
      cancelSlow()
    }
  }

/** `slow` is called when a request has no answer for three seconds. */
export const openApi = (world: Surroundings, door: Door, interrupted?: AbortSignal, slow = (): void => {}): Api => {
  const newId = idMaker(world.clock, world.random)
  const call = caller(world, door, interrupted, slow)
  const api: Api = {
    url: door.url,
    get: async (path, query, withinMs = answerWithinMs) =>
      jsonOf(await call(withQuery(path, query), { headers: { accept: 'application/json' } }, withinMs), door.url),
    post: async (path, body, extra = {}) => {
      const headers = {
        accept: 'application/json',
        'content-type': extra.text?.type ?? 'application/json',
        'idempotency-key': newId('req'),
      }
      const init = { method: 'POST', headers, body: extra.text?.body ?? JSON.stringify(body ?? {}) }
      return jsonOf(await call(withQuery(path, extra.query), init, extra.withinMs ?? answerWithinMs), door.url)
    },
    all: async <Item>(path: string, query: Query = {}, asked = 0) => {
      const most = asked === 0 ? Infinity : asked
      const items: Item[] = []
      let cursor: string | undefined
      do {
        const page: List<Item> = await api.get<List<Item>>(path, {
          ...query,
          limit: Math.min(pageSize, most - items.length),
          cursor,
        })
        items.push(...page.items)
        cursor = page.next ?? undefined
        if (items.length > mostItems)
          throw failure('too-large', `more than ${mostItems} items: use \`sitter export\`, which streams them`)
      } while (cursor !== undefined && items.length < most)
      return items
    },
    lines: async function* lines(path, ask = {}) {
      const { post } = ask
      const sent = post === undefined ? {} : { method: 'POST', body: post.body }
      const media = post === undefined ? {} : { 'content-type': post.type }
      const answer = await call(withQuery(path, ask.query), { ...sent, headers: { ...ask.headers, ...media } }, null)
      if (answer.body !== null) yield* linesOf(answer.body as ReadableStream<Uint8Array>, door.url)
    },
  }
  return api
}
