/**
 * What a credential may be used for, looked at before anybody opens it. A refusal is written like a use: who asked for
 * which secret, and for where.
 */
import { asFailure } from '../../std/std.ts'
import type { CallInHand, Refusal, Room, Stage } from '../call.ts'
import { outsideOf } from '../outside.ts'
import { rowOf } from './journal.ts'

/** A grant's refusal is journalled by whoever has it in hand; an agent's own call leaves a trace by this alone. */
const write = async (call: CallInHand, room: Room, refusal: Refusal): Promise<void> => {
  const end = { ended: 'not-sent', status: null, outcome: null, sentMs: null, tookMs: null, cost: null } as const
  try {
    await room.journal.refuse(rowOf(call, room.clock.wallMs()), end)
    room.uses.added()
  } catch (error) {
    room.log('error', 'a refused use of a secret was not written', {
      code: asFailure(error).code,
      credential: call.credential!.name,
      why: refusal.message,
    })
  }
}

const refused = async (call: CallInHand, room: Room, outside: string): Promise<Refusal> => {
  call.decision = 'refused'
  const { name } = call.credential!
  const refusal: Refusal = { code: 'not-allowed', message: `the credential ${name} may not be used for ${outside}` }
  if (call.grant === null && room.uses.tells(call.agent!)) await write(call, room, refusal)
  return refusal
}

export const scope: Stage = (call, room) => {
  if (call.credential === null) return undefined
  const outside = outsideOf(call, call.credentialRule!)
  return outside === undefined ? undefined : refused(call, room, outside)
}
