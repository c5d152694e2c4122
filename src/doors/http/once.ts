/**
 * Writes that are done once per Idempotency-Key. The first answer is kept for 24 h and given again; the same key with
 * another request is a conflict. Two at the same time: the second waits for the first. A sitter that dies between deed
 * and memory may do the deed again on a retry, so deeds are made harmless to repeat by themselves: tasks carry the
 * key, batches their content, moves their state.
 */
import { createHash } from 'node:crypto'
import { Failure } from '../../std/std.ts'
import type { Ask, Reply } from './route.ts'

const keptMs = 24 * 3_600_000

/**
 * The request's Idempotency-Key, or undefined. @throws Failure `invalid` when it is no plain text of at most 200
 * characters.
 */
export const keyOf = (ask: Ask): string | undefined => {
  const key = ask.request.headers.get('idempotency-key')
  if (key === null) return undefined
  if (!/^[\x21-\x7e]{1,200}$/.test(key))
    throw new Failure('invalid', 'an Idempotency-Key has 1 to 200 visible ASCII characters')
  return key
}

const hashOf = (ask: Ask, text: string): string => {
  const { pathname, search } = new URL(ask.request.url)
  return createHash('sha256').update(`${ask.method} ${pathname}${search}\n${text}`, 'utf8').digest('hex')
}

const differs = (): Failure => new Failure('conflict', 'this Idempotency-Key was used for another request')

export interface Once {
  /** Runs `deed` at most once per key; `text` is the request's body as sent. */
  (ask: Ask, text: string, deed: () => Promise<Reply>): Promise<Reply | Response>
}

const remember = async (ask: Ask, key: string, requestHash: string, reply: Reply): Promise<void> => {
  const wallMs = ask.rooms.clock.wallMs()
  const body = JSON.stringify(reply.body)
  const command = {
    kind: 'request.remember',
    with: { key, requestHash, status: reply.status, body, untilMs: wallMs + keptMs, wallMs },
  } as const
  const [result] = await ask.rooms.store.transact([command])
  if (!result.ok && result.refusal !== 'exists') throw differs()
}

/** One per door. The map of writes under way is bounded by the connections. */
export const onceMaker = (): Once => {
  const underWay = new Map<string, { readonly hash: string; readonly reply: Promise<Reply> }>()
  return async (ask, text, deed) => {
    const key = keyOf(ask)
    if (key === undefined) return deed()
    const hash = hashOf(ask, text)
    const other = underWay.get(key)
    if (other !== undefined) {
      if (other.hash !== hash) throw differs()
      return other.reply
    }
    const kept = await ask.rooms.store.read.request(key)
    if (kept !== undefined && kept.untilMs > ask.rooms.clock.wallMs()) {
      if (kept.requestHash !== hash) throw differs()
      return new Response(kept.body, {
        status: kept.status,
        headers: { 'content-type': 'application/json', 'cache-control': 'no-store', 'idempotency-replayed': 'true' },
      })
    }
    const reply = deed().then(async (done) => {
      await remember(ask, key, hash, done)
      return done
    })
    underWay.set(key, { hash, reply })
    try {
      return await reply
    } finally {
      underWay.delete(key)
    }
  }
}
