/**
 * An agent that is slowed may go on repeating itself only slowly, also where no limit of its upstream would slow it.
 */
import { modeRank } from '../../model/model.ts'
import type { CallInHand, Refusal, Stage } from '../call.ts'
import { scopeOf } from './mode.ts'

export const callName = (call: CallInHand): { readonly method: string; readonly path: string } => ({
  method: call.method,
  path: `/${call.upstreamName}${call.target}`,
})

export const pace: Stage = (call, room): Refusal | undefined => {
  if (call.seat === null || call.agent === null) return undefined
  const { mode, target, reason } = room.modes.of(scopeOf(call))
  if (modeRank[mode] < modeRank.throttled) return undefined
  const waitMs = room.repeats.paceMs(call.agent, callName(call))
  if (waitMs <= 0) return undefined
  const message = `the same call again and again, and ${target} is ${mode}: ${reason}`.slice(0, 600)
  return { code: 'limited', message, retryAfterMs: waitMs }
}
