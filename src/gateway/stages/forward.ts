/** Sends it, once. The head of the answer is scrubbed and learnt from before anybody sees it. */
import type { CallInHand, Room } from '../call.ts'
import { outgoing, type HeaderPairs } from '../headers.ts'
import type { Flow } from '../exchange.ts'
import { learn } from './learn.ts'
import { scrubHead } from './scrub.ts'

export interface Receiver {
  head(status: number, headers: HeaderPairs): void
  /** False: wait until the flow is resumed. */
  data(chunk: Buffer): boolean
}

/** As much of a refusal as is looked at for the provider's code. */
const mostText = 65_536

const headersOut = (call: CallInHand): HeaderPairs => {
  const own = call.grant === null ? outgoing(call.headers) : call.headers
  const length: HeaderPairs = call.bodyBytes === null ? [] : [['content-length', String(call.bodyBytes)]]
  const signed: HeaderPairs = call.secret === null ? [] : [['authorization', `Bearer ${call.secret}`]]
  return [...own, ...length, ...signed]
}

export const forward = (call: CallInHand, room: Room, receiver: Receiver): Flow => {
  const { rule, outbound } = call.upstream!
  const hearing = { on: false }
  return outbound.send(
    {
      method: call.method,
      target: call.plain!.path + call.plain!.query,
      headers: headersOut(call),
      body: call.body,
      timeoutMs: rule.timeoutMs,
    },
    {
      started: () => {
        call.sentWallMs = room.clock.wallMs()
        call.sentMonoMs = room.clock.monoMs()
        call.charged = false
        room.buckets.sent(call.limits, call.sentMonoMs)
        room.lines.wake(rule.name)
      },
      head: (status, headers) => {
        hearing.on = status >= 400 && rule.profile !== null
        learn(call, room, status, headers)
        receiver.head(status, scrubHead(call, headers))
      },
      data: (chunk) => {
        if (hearing.on && call.answerText.length < mostText) call.answerText += chunk.toString('latin1')
        return receiver.data(chunk)
      },
    },
  )
}

/** A charged call that was never sent gives its place to the next one. */
export const giveBack = (call: CallInHand, room: Room): void => {
  if (!call.charged) return
  call.charged = false
  room.buckets.giveUp(call.limits)
  room.lines.wake(call.upstreamName)
}
