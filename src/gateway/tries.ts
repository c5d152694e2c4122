/**
 * One agent's call, from its first try to the answer that the agent gets. The head of an answer that may be tried again
 * is held back with the beginning of its body until its class is known; everything else streams through.
 */
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { askedWaitMs } from '../limit/limit.ts'
import { asFailure, sleep } from '../std/std.ts'
import type { CallOutcome } from '../wire/wire.ts'
import { callOf, type CallInHand, type Refusal, type Room } from './call.ts'
import { notNowCode, type Ended, type Flow } from './exchange.ts'
import { gatherMoment } from './groups.ts'
import { headerOf, type HeaderPairs } from './headers.ts'
import { answerFailed, refusalFailed } from './heard.ts'
import type { Log } from './ports.ts'
import { noRetries, type Problem } from './problem.ts'
import type { Next } from './retries.ts'
import { costNow } from './stages/charge.ts'
import { forward, giveBack, pausedForMs } from './stages/forward.ts'
import { lateBy } from './stages/identify.ts'
import { isOurs, judge } from './stages/judge.ts'
import { prepare } from './stages/order.ts'
import { callName } from './stages/pace.ts'
import { accountHeader } from './stages/route.ts'
import { witness } from './stages/witness.ts'
import { kindOfCall } from './vacancies.ts'

/** As much of an answer as is held back. What is longer is given on: it is no plain refusal. */
const heldBytes = 64 * 1024
const mayPassByItself = new Set([408, 409, 423, 425, 429])

export type Asked = Parameters<typeof callOf>[0]
/** The answering side of a request, and what may be done to its call from outside. */
export interface Asker {
  readonly response: ServerResponse
  /** The body, where it is known to its end and can be sent again; undefined = it streams, and is sent once. */
  whole: Buffer | null | undefined
  /** The agent went away: nothing more is sent for it. */
  isGone: boolean
  /** Gives up what waits for the agent's sake. */
  leave: () => void
  flow: Flow | undefined
}

interface Tally {
  tries: number
  waitedMs: number
  /** When the first try was let through. */
  firstMs: number | undefined
}

const addedHeaders = (call: CallInHand, { tries, waitedMs }: Tally): Record<string, string> => {
  const cost = costNow(call)
  return {
    'x-sitter-call': String(call.journal),
    'x-sitter-waited-ms': String(Math.round(waitedMs)),
    ...(tries > 1 ? { 'x-sitter-tries': String(tries) } : {}),
    ...(cost === null ? {} : { 'x-sitter-cost': cost }),
    ...accountHeader(call),
  }
}

/** Names and values in turn. SDKs that ask leave it to the gate to try again, whatever the provider says. */
const headOf = (call: CallInHand, tally: Tally, status: number, headers: HeaderPairs): string[] => {
  const flat: string[] = []
  for (const [name, value] of headers)
    if (status < 400 || !Object.hasOwn(noRetries, name.toLowerCase())) flat.push(name, value)
  if (status >= 400) flat.push(...Object.entries(noRetries).flat())
  for (const [name, value] of Object.entries(addedHeaders(call, tally))) flat.push(name, value)
  return flat
}

/**
 * An answer on its way to the agent, or held back from it. What is let go is written by the next tick, with the answers
 * of others (groups.ts): a head and what there is of its body are one write.
 */
class Giving {
  readonly #response: ServerResponse
  readonly #mayHold: (status: number) => boolean
  readonly #head: (status: number, headers: HeaderPairs) => string[]
  readonly #log: Log
  #held: { readonly status: number; readonly headers: HeaderPairs } | undefined
  /** Its head, while it is let go and not written yet. */
  #due: { readonly status: number; readonly headers: HeaderPairs } | undefined
  #chunks: Buffer[] = []
  /** Of the chunks. */
  #bytes = 0
  #isWaiting = false
  /** `data` has said that there is no room. */
  #isFull = false
  /** Told when all is written. */
  #whenEnded: (() => void) | undefined
  status = 0
  /** Called when there is room again after `data` has said that there is none. */
  more: () => void = () => {}

  constructor(
    response: ServerResponse,
    mayHold: (status: number) => boolean,
    head: (status: number, headers: HeaderPairs) => string[],
    log: Log,
  ) {
    this.#response = response
    this.#mayHold = mayHold
    this.#head = head
    this.#log = log
  }

  get isHeld(): boolean {
    return this.#held !== undefined
  }

  get heldHeaders(): HeaderPairs {
    return this.#held?.headers ?? []
  }

  head(status: number, headers: HeaderPairs): void {
    this.status = status
    this.#held = { status, headers }
    if (!this.#mayHold(status)) this.release()
  }

  data(chunk: Buffer): boolean {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#held !== undefined && this.#bytes <= heldBytes) return true
    this.release()
    this.#soon()
    const { destroyed, writableNeedDrain, writableHighWaterMark } = this.#response
    this.#isFull ||= destroyed || writableNeedDrain || this.#bytes > writableHighWaterMark
    return !this.#isFull
  }

  /** Gives what was held, and streams from here on. */
  release(): void {
    if (this.#held === undefined) return
    this.#due = this.#held
    this.#held = undefined
    this.#soon()
  }

  /** Resolves when the whole of it is given. */
  end(): Promise<void> {
    this.release()
    this.#soon()
    return new Promise((resolve) => {
      this.#whenEnded = resolve
    })
  }

  /** Writes what was let go. */
  write(): void {
    this.#isWaiting = false
    // What is held back was never let go.
    if (this.#held !== undefined) return
    const [response, due, chunks, ended] = [this.#response, this.#due, this.#chunks, this.#whenEnded]
    this.#due = undefined
    this.#whenEnded = undefined
    this.#chunks = []
    this.#bytes = 0
    try {
      if (response.destroyed) return ended?.()
      if (due !== undefined) response.writeHead(due.status, this.#head(due.status, due.headers))
      for (const chunk of chunks) response.write(chunk)
      if (ended !== undefined) response.end()
      else if (due !== undefined && chunks.length === 0) response.flushHeaders()
    } catch (error) {
      const { code, message } = asFailure(error)
      this.#log('error', 'an answer could not be given to its agent', { code, message })
      // Cut, so that nobody takes a part for the whole, and what is under way for it ends.
      response.destroy()
    }
    this.#goOn()
    ended?.()
  }

  /** What was held up goes on when the agent has taken what it has, or at once where it took all. */
  #goOn(): void {
    if (!this.#isFull) return
    const goOn = (): void => {
      this.#isFull = false
      this.more()
    }
    if (!this.#response.writableNeedDrain) goOn()
    else if (this.#response.listenerCount('drain') === 0) this.#response.once('drain', goOn)
  }

  #soon(): void {
    if (this.#isWaiting) return
    this.#isWaiting = true
    toGive(this)
  }
}
const toGive = gatherMoment((giving: Giving) => giving.write())

const outcomeOf = (ended: Ended, status: number, closedMs: number): CallOutcome => {
  if (ended.kind === 'answered') return { kind: 'answered', status, headers: {}, body: '', truncated: false }
  return ended.kind === 'lost' ? { ...ended, closedMs } : { kind: 'not-sent', code: ended.code, message: ended.message }
}

/** By how it ended the next call with the same key chooses its credential, and that may come with the answer. */
const decidesForNext = ({ credential, headers }: CallInHand): boolean =>
  credential !== null && headerOf(headers, 'idempotency-key') !== undefined

/** Sends a prepared call; resolves with how it ended, which is being journalled then. */
const send = async (call: CallInHand, room: Room, asker: Asker, giving: Giving): Promise<Try> => {
  const flow = forward(call, room, giving)
  asker.flow = flow
  giving.more = () => flow.resume()
  // While its beginning was written: nobody would hear of the answer, and so nothing would end it.
  if (asker.isGone) flow.abort('given-up')
  const ended = await flow.ended
  judge(call, room, ended, giving.status)
  giveBack(call, room)
  call.signed = null
  const isUrgent = decidesForNext(call)
  const written = witness(call, room, outcomeOf(ended, giving.status, room.clock.wallMs()), isUrgent)
  written.catch(() => {
    /* whoever has it in hand is told */
  })
  if (isUrgent) await written
  return { call, giving, ended, written }
}

const canRetry = (call: CallInHand, { whole }: Asker): boolean =>
  call.upstream!.rule.retries !== null && whole !== undefined

type NoAnswer = Exclude<Ended, { kind: 'answered' }>

/** What the agent is told of a call that got no answer. */
const problemOf = (ended: NoAnswer): Problem =>
  ended.kind === 'not-sent'
    ? { code: 'upstream-unreachable', message: `nothing was sent: ${ended.message}` }
    : { code: 'outcome-unknown', message: `sent, but not answered: ${ended.message}` }

const bodyOf = ({ whole }: Asker): Readable | null =>
  whole === undefined || whole === null ? null : Readable.from([whole])

/** Waits before another try, unless the agent goes away. */
const pause = async (afterMs: number, room: Room, asker: Asker): Promise<void> => {
  const left = new AbortController()
  asker.leave = () => left.abort()
  await sleep(room.clock, afterMs, left.signal)
}

/** It waits for the pause to be over; where there is none, for its time alone. */
const putOff = (call: CallInHand, room: Room, afterMs: number): Problem => ({
  code: 'limited',
  message: `${call.upstreamName} asked for a pause that is longer than this call may wait`,
  retryAfterMs: Math.ceil(afterMs),
  ...(pausedForMs(call, room) > 0 && { waitsFor: kindOfCall(call) }),
})

const refuse = async (call: CallInHand, room: Room, refusal: Refusal): Promise<void> => {
  room.calls.count(call.agent, refusalFailed(refusal.code))
  if (call.journal === null) return
  await witness(call, room, { kind: 'not-sent', code: refusal.code, message: refusal.message })
}

/** Once for each time that the agent asked, whatever came of it. */
const repeats = (call: CallInHand, { whole }: Asker, room: Room): void => {
  if (call.agent === null) return
  room.repeats.asked(call.agent, callName(call), whole === undefined ? (call.bodyBytes ?? -1) : whole)
}

/**
 * `written` resolves when the end of the call is durable. An answer is not kept back for it: of a call without an end
 * the next gate says that its outcome is unknown, and counts the most that it can have cost.
 */
export type Answered = { readonly written?: Promise<unknown> } & (
  | { readonly with: 'answer' | 'nobody' }
  /** To be told by the caller, which knows what else went wrong. */
  | { readonly with: 'problem'; readonly problem: Problem; readonly headers: Readonly<Record<string, string>> }
)

/** One try that was let through, and where its answer stands. */
interface Try {
  readonly call: CallInHand
  readonly giving: Giving
  readonly ended: Ended
  readonly written: Promise<unknown>
}

const tryOnce = (call: CallInHand, asker: Asker, room: Room, tally: Tally): Promise<Try> => {
  tally.tries += 1
  if (tally.tries === 1) room.retries.first(call.upstream!.rule)
  tally.firstMs ??= room.clock.monoMs()
  const mayHold = (status: number): boolean =>
    canRetry(call, asker) &&
    (mayPassByItself.has(status) || status >= 500 || (status >= 400 && call.upstream!.rule.profile !== null))
  const giving = new Giving(
    asker.response,
    mayHold,
    (status, headers) => headOf(call, tally, status, headers),
    room.log,
  )
  return send(call, room, asker, giving)
}

const give: Next = { next: 'give' }

/** What comes after it. Whatever the agent has seen of an answer is final. */
const afterTry = ({ call, giving, ended }: Try, asker: Asker, room: Room, { tries, firstMs = 0 }: Tally): Next => {
  const isOpen = giving.isHeld || (ended.kind !== 'answered' && giving.status === 0)
  if (!isOpen || !canRetry(call, asker) || asker.isGone) return give
  return room.retries.next(call.upstream!.rule, {
    outcomeClass: call.outcomeClass,
    tries,
    askedMs: askedWaitMs(giving.heldHeaders, room.clock),
    elapsedMs: room.clock.monoMs() - firstMs,
  })
}

/** A call says one thing about its agent, however often the gate tried it. */
const heard = ({ call, giving, ended }: Try, room: Room): void => {
  if (isOurs(ended)) return
  room.calls.count(call.agent, answerFailed(call.outcomeClass!, ended.kind === 'answered' ? giving.status : null))
}

type Over = (wasAnswered: boolean) => void

/** Tries until there is something to tell the agent. Answers are written here; problems are handed back. */
export const answerBy = async (asked: Asked, asker: Asker, room: Room): Promise<Answered> => {
  const hand: { over?: Over } = {}
  let answered: Answered | undefined
  try {
    answered = await tryAll(asked, asker, room, (agent) => {
      hand.over ??= room.seen.begin(agent)
    })
    return answered
  } finally {
    hand.over?.(answered?.with === 'answer')
  }
}

const tryAll = async (
  asked: Asked,
  asker: Asker,
  room: Room,
  identified: (agent: string) => void,
): Promise<Answered> => {
  const tally: Tally = { tries: 0, waitedMs: 0, firstMs: undefined }
  for (;;) {
    if (asker.isGone) return { with: 'nobody' }
    const call = callOf({ ...asked, body: asker.whole === undefined ? asked.body : bodyOf(asker) })
    const prepared = prepare(call, room)
    // Who asks is known at once; the rest may wait for its turn.
    if (call.agent !== null) identified(call.agent)
    const refusal = await prepared
    tally.waitedMs += call.waitedMs
    if (tally.tries === 0) repeats(call, asker, room)
    if (refusal !== undefined) {
      await refuse(call, room, refusal)
      return { with: 'problem', problem: refusal, headers: {} }
    }
    const tried = await tryOnce(call, asker, room, tally)
    const { written } = tried
    if (tried.ended.kind === 'not-sent' && tried.ended.code === notNowCode) {
      // It was no try: it waits like those that had not been let through.
      tally.tries -= 1
      await written
      if (asker.whole !== undefined) continue
      const problem = lateBy(call) ?? putOff(call, room, pausedForMs(call, room))
      return { with: 'problem', problem, headers: {} }
    }
    const next = afterTry(tried, asker, room, tally)
    if (next.next === 'again') {
      tally.waitedMs += next.afterMs
      await Promise.all([written, pause(next.afterMs, room, asker)])
      continue
    }
    heard(tried, room)
    if (next.next !== 'park' && tried.ended.kind === 'answered') {
      await tried.giving.end()
      return { with: 'answer', written }
    }
    // Of an answer that has begun, a problem is told by cutting it; what there is of it goes before that.
    tried.giving.write()
    const problem = next.next === 'park' ? putOff(call, room, next.afterMs) : problemOf(tried.ended as NoAnswer)
    return { with: 'problem', problem, headers: addedHeaders(call, tally), written }
  }
}
