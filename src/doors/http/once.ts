/**
 * Writes that are done once per Idempotency-Key and caller. That a write begins is in the record before the deed, its
 * answer after it, both for 24 h: the same key gets the same answer, another request under it is a conflict, and after
 * a crash between the two nobody can tell, so the answer is `first-try-unknown` and the deed is not repeated. Deeds
 * that are harmless to repeat (a task carries the key itself, a file is known by its content) say so, and are. Two at
 * the same time: the second waits for the first.
 */
import { createHash } from 'node:crypto'
import { asFailure, Failure } from '../../std/std.ts'
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

const nobodyKnows = (): Failure =>
  new Failure(
    'first-try-unknown',
    'a write with this key began and its outcome is not known; look at what it was about, then use a new key',
  )

export interface Once {
  /** Runs `deed` at most once per key; `text` is the request's body as sent. */
  (ask: Ask, text: string, deed: () => Promise<Reply>, nature?: 'repeatable'): Promise<Reply | Response>
}

/** One write under its key. */
interface Kept {
  readonly ask: Ask
  readonly key: string
  readonly requestHash: string
}

const begin = async ({ ask, key, requestHash }: Kept): Promise<void> => {
  const wallMs = ask.rooms.clock.wallMs()
  const [result] = await ask.rooms.store.transact([
    { kind: 'request.begin', with: { key, requestHash, untilMs: wallMs + keptMs, wallMs } },
  ])
  if (!result.ok) throw result.refusal === 'exists' ? nobodyKnows() : differs()
}

const remember = async ({ ask, key, requestHash }: Kept, reply: Reply): Promise<void> => {
  const wallMs = ask.rooms.clock.wallMs()
  const body = JSON.stringify(reply.body)
  const command = {
    kind: 'request.remember',
    with: { key, requestHash, status: reply.status, body, untilMs: wallMs + keptMs, wallMs },
  } as const
  const [result] = await ask.rooms.store.transact([command])
  if (!result.ok && result.refusal !== 'exists') throw differs()
}

/** What was refused was not done: the key may try again. What is unknown, or a bug, stays begun. */
const wasNotDone = (error: unknown): boolean => {
  const { kind } = asFailure(error)
  return kind === 'refused' || kind === 'permanent' || kind === 'transient'
}

const doOnce = async (kept: Kept, deed: () => Promise<Reply>, repeatable: boolean): Promise<Reply> => {
  const { ask, key, requestHash } = kept
  if (!repeatable) await begin(kept)
  let reply: Reply
  try {
    reply = await deed()
  } catch (error) {
    if (!repeatable && wasNotDone(error))
      await ask.rooms.store.transact([{ kind: 'request.forget', with: { key, requestHash } }])
    throw error
  }
  await remember(kept, reply)
  return reply
}

/** The answer that was given before, or undefined when there was no such request. */
const answeredBefore = async ({ ask, key, requestHash }: Kept): Promise<Response | undefined> => {
  const kept = await ask.rooms.store.read.request(key)
  if (kept === undefined || kept.untilMs <= ask.rooms.clock.wallMs()) return undefined
  if (kept.requestHash !== requestHash) throw differs()
  return new Response(kept.body, {
    status: kept.status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', 'idempotency-replayed': 'true' },
  })
}

/** One per door. The map of writes under way is bounded by the connections. */
export const onceMaker = (): Once => {
  const underWay = new Map<string, { readonly hash: string; readonly reply: Promise<Reply> }>()
  return async (ask, text, deed, nature) => {
    const given = keyOf(ask)
    if (given === undefined) return deed()
    // Nobody gets another one's answer by guessing a key.
    const key = `${ask.principal?.id ?? 'nobody'} ${given}`
    const requestHash = hashOf(ask, text)
    const other = underWay.get(key)
    if (other !== undefined) {
      if (other.hash !== requestHash) throw differs()
      return other.reply
    }
    const kept: Kept = { ask, key, requestHash }
    const decided = Promise.withResolvers<Reply>()
    // Whoever waits is answered; a lone failure is told to the first caller below.
    decided.promise.catch(() => {})
    underWay.set(key, { hash: requestHash, reply: decided.promise })
    try {
      const before = await answeredBefore(kept)
      const reply = before ?? (await doOnce(kept, deed, nature === 'repeatable'))
      decided.resolve(
        reply instanceof Response ? { status: reply.status, body: (await reply.clone().json()) as object } : reply,
      )
      return reply
    } catch (error) {
      decided.reject(error)
      throw error
    } finally {
      underWay.delete(key)
    }
  }
}
