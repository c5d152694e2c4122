/** Sends it, once. The head of the answer is scrubbed and learnt from before anybody sees it. */
import type { CallInHand, Room } from '../call.ts'
import { headerOf, outgoing, type HeaderPairs } from '../headers.ts'
import { asFailure } from '../../std/std.ts'
import type { Ended, Flow } from '../exchange.ts'
import { beginReading, readsTokens } from './charge.ts'
import { lateBy } from './identify.ts'
import { beginList, endList, learn, readList } from './learn.ts'
import { openScrubbing, type Scrubbing } from './scrub.ts'
import { letGo } from './spend.ts'

export interface Receiver {
  head(status: number, headers: HeaderPairs): void
  /** False: wait until the flow is resumed. */
  data(chunk: Buffer): boolean
}

/** As much of a refusal as is looked at for the provider's code. */
const mostText = 65_536

const isProblem = (headers: HeaderPairs): boolean =>
  /^application\/problem\+json\b/i.test(headerOf(headers, 'content-type') ?? '')

const plainOf = (headers: HeaderPairs): HeaderPairs =>
  headers.filter(([name]) => name.toLowerCase() !== 'accept-encoding')

const headersOut = (call: CallInHand): HeaderPairs => {
  const own = call.grant === null ? outgoing(call.headers) : call.headers
  const length: HeaderPairs = call.bodyBytes === null ? [] : [['content-length', String(call.bodyBytes)]]
  const readable: HeaderPairs = [['accept-encoding', 'identity']]
  if (call.signed === null) return readsTokens(call) ? [...plainOf(own), ...length, ...readable] : [...own, ...length]
  // Whoever is shown a secret may echo it, and what is packed cannot be read as it streams.
  const names = new Set(call.signed.headers.map(([name]) => name.toLowerCase()))
  const rest = plainOf(own).filter(([name]) => !names.has(name.toLowerCase()))
  return [...rest, ...length, ...readable, ...call.signed.headers]
}

/** The end of an exchange, after the last of its answer was scrubbed and given on. */
const afterScrubbing = async (call: CallInHand, room: Room, flow: Flow, scrubbing: Scrubbing): Promise<Ended> => {
  const ended = await flow.ended
  if (ended.kind !== 'answered') {
    scrubbing.drop()
    return ended
  }
  try {
    const unpacked = scrubbing.end()
    if (unpacked !== undefined) await unpacked
    endList(call, room)
    call.usage = call.reading?.end() ?? null
    return ended
  } catch (error) {
    const why = 'the answer could not be unpacked, so nobody knows what is in it'
    return { kind: 'lost', code: 'undecodable', message: `${why}: ${asFailure(error).message}` }
  }
}

/** For how long its upstream and credential pause, in ms; 0 = they do not. */
export const pausedForMs = (call: CallInHand, room: Room): number =>
  Math.max(0, room.buckets.pausedUntil(call.scope!) - room.clock.monoMs())

/** It leaves now: from here on it counts, whatever comes. */
export const leave = (call: CallInHand, room: Room): void => {
  call.sentWallMs = room.clock.wallMs()
  call.sentMonoMs = room.clock.monoMs()
  call.charged = false
  room.buckets.sent(call.limits, call.sentMonoMs)
  room.lines.wake(call.upstreamName)
}

export const forward = (call: CallInHand, room: Room, receiver: Receiver): Flow => {
  const { rule, outbound } = call.upstream!
  const hearing = { on: false }
  const scrubbing = openScrubbing(call, {
    give: (chunk) => {
      // As it is read by others: unpacked, and without secrets.
      if (hearing.on && call.answerText.length < mostText) call.answerText += chunk.toString('latin1')
      call.reading?.data(chunk)
      readList(call, chunk)
      return receiver.data(chunk)
    },
    more: () => flow.resume(),
    broken: () => flow.abort('enough'),
  })
  const flow = outbound.send(
    {
      method: call.method,
      target: call.plain!.path + (call.signed?.query ?? call.plain!.query),
      headers: headersOut(call),
      body: call.body,
      identity: call.signed?.identity,
      timeoutMs: rule.timeoutMs,
    },
    {
      // Between being let through and the first byte lie the journal and perhaps a handshake.
      notNow: () =>
        pausedForMs(call, room) > 0 ? 'the upstream asked for a pause in the last moment' : lateBy(call)?.message,
      started: () => leave(call, room),
      head: (status, headers) => {
        hearing.on = status >= 400 && (rule.profile !== null || isProblem(headers))
        learn(call, room, status, headers)
        beginList(call, status)
        // That calls have arrived makes room in the windows in which they stand.
        room.lines.wake(rule.name)
        const seen = scrubbing.head(status, headers)
        beginReading(call, seen)
        receiver.head(status, seen)
      },
      data: (chunk) => scrubbing.data(chunk),
    },
  )
  return {
    ended: afterScrubbing(call, room, flow, scrubbing),
    resume: () => {
      scrubbing.resume()
      flow.resume()
    },
    abort: (why) => {
      scrubbing.drop()
      flow.abort(why)
    },
  }
}

/** A call is over: its credential is let go, and if it was charged and never sent, the next one gets its place. */
export const giveBack = (call: CallInHand, room: Room): void => {
  call.release?.()
  call.release = null
  if (call.sentWallMs === null) letGo(call, room)
  if (!call.charged) return
  call.charged = false
  room.buckets.giveUp(call.limits)
  room.lines.wake(call.upstreamName)
}
