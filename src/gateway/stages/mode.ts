/**
 * Whether anything may be sent at all: not while frozen, and only what the strictest mode of swarm, type, agent and
 * channel lets pass. In shadow a call that changes something is written down and refused in plain words: an answer that
 * looked like the provider's would be a false success.
 */
import { modeLets, type ModeScope } from '../../model/model.ts'
import { asFailure } from '../../std/std.ts'
import type { CallInHand, Refusal, Room, Stage } from '../call.ts'
import type { SetMode } from '../modes.ts'
import { kindOfUpstream } from '../vacancies.ts'

export const scopeOf = ({ agent, grant }: CallInHand): ModeScope => ({ agent, channel: grant?.channel ?? null })

const why = ({ target, mode, reason }: SetMode): string => `${target} is ${mode}: ${reason}`.slice(0, 600)

/** The sitter keeps a payment itself; of an agent's own call there is no other trace than this. */
const shadowed = async (call: CallInHand, room: Room, set: SetMode): Promise<Refusal> => {
  const { agent, upstreamName, method, plain, bodyBytes } = call
  try {
    await room.journal.shadow({
      atMs: room.clock.wallMs(),
      agent,
      upstream: upstreamName,
      method,
      path: plain!.path,
      bodyBytes,
      target: set.target,
    })
  } catch (error) {
    return { code: asFailure(error).code, message: 'the gate could not record what it kept back; nothing was sent' }
  }
  return { code: 'mode-forbids', message: `recorded and not sent: ${why(set)}`, mode: 'shadow' }
}

/** An agent's call is tried again after this at the latest; who thaws wakes its task. */
const frozenRetryMs = 30_000

/** A payment that is held back by a freeze waits in ways of its own. */
export const frozenMs = ({ grant, upstreamName }: CallInHand): Pick<Refusal, 'retryAfterMs' | 'waitsFor'> =>
  grant === null ? { retryAfterMs: frozenRetryMs, waitsFor: kindOfUpstream(upstreamName) } : {}

export const mode: Stage = (call, room) => {
  if (room.ending()) return { code: 'gate-lost', message: 'the gate is ending: nothing was sent', silent: true }
  if (room.frozen()) {
    const message = 'the swarm is frozen: nothing is sent until sitter thaw'
    return { code: 'frozen', message, ...frozenMs(call) }
  }
  const set = room.modes.of(scopeOf(call))
  if (modeLets(set.mode, call.method)) return undefined
  if (set.mode === 'shadow' && call.grant === null) return shadowed(call, room, set)
  return { code: 'mode-forbids', message: `not sent: ${why(set)}`, mode: set.mode }
}
