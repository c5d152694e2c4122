/** The stages in their order. Everything before `forward` may refuse; from there on a call has an outcome. */
import type { CallInHand, Refusal, Room, Stage } from '../call.ts'
import { admit } from './admit.ts'
import { giveBack } from './forward.ts'
import { identify, lateBy } from './identify.ts'
import { intent } from './intent.ts'
import { journal } from './journal.ts'
import { mode } from './mode.ts'
import { pace } from './pace.ts'
import { pin } from './pin.ts'
import { route } from './route.ts'
import { scope } from './scope.ts'
import { sign } from './sign.ts'
import { look, reserve } from './spend.ts'

/** By the rules of its upstream as they are now. */
const anew: Stage = async (call, room) => {
  const name = call.credential?.name
  for (const stage of [route, mode, intent, scope, look]) {
    const refusal = await stage(call, room)
    if (refusal !== undefined) return refusal
  }
  if (call.credential?.name === name) return undefined
  // It goes by another credential now, within the limits of that.
  room.buckets.giveUp(call.limits)
  call.charged = false
  // Whoever stands behind it in the line that it leaves goes on now, and not when it has gone out by another.
  room.lines.wake(call.upstreamName)
  // It waits once more, and meanwhile all may change once more.
  return (await admit(call, room)) ?? again(call, room)
}

/**
 * While a call waited, its mode or its upstream's rules may have become others, and its agent another incarnation: it
 * is looked at again, by those.
 */
const again: Stage = (call, room) => {
  const late = lateBy(call)
  if (late !== undefined) return late
  return room.upstreams.get(call.upstreamName) === call.upstream ? mode(call, room) : anew(call, room)
}

const before: readonly Stage[] = [
  identify,
  route,
  mode,
  intent,
  scope,
  pace,
  look,
  admit,
  again,
  reserve,
  pin,
  journal,
  sign,
  // forward → scrub → learn → meter → witness follow in `forward.ts` and `witness.ts`.
]

/** Brings a call up to the moment of sending. A refusal means that nothing was sent. */
export const prepare = async (call: CallInHand, room: Room): Promise<Refusal | undefined> => {
  for (const stage of before) {
    const found = stage(call, room)
    // Most stages know at once: thirteen turns of the queue of promises for nothing were 2 µs of each call.
    const refusal = found instanceof Promise ? await found : found
    if (refusal === undefined) continue
    giveBack(call, room)
    return refusal
  }
  return undefined
}
