/**
 * What a credential may be used for, looked at before anybody opens it. A refusal is written like a use: who asked for
 * which secret, and for where.
 */
import { asFailure } from '../../std/std.ts'
import type { CallInHand, Refusal, Room, Stage } from '../call.ts'
import { parseRoute, routeMatches } from '../path.ts'
import { rowOf } from './journal.ts'

/** What of the scope does not fit; undefined when all does. */
const outsideOf = (call: CallInHand): string | undefined => {
  const { rule, credential } = call.upstream!
  const scope = credential?.scope
  if (scope === undefined) return undefined
  const url = new URL(rule.url)
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  const isHost = (one: string): boolean => one === url.host || one === `${url.hostname}:${port}`
  if (scope.hosts !== null && !scope.hosts.some(isHost)) return `the host ${url.host}`
  if (scope.methods !== null && !scope.methods.includes(call.method)) return `the method ${call.method}`
  const isPath = (one: string): boolean =>
    routeMatches(parseRoute(`${call.method} ${one}`), call.method, call.plain!.segments)
  if (scope.paths !== null && !scope.paths.some(isPath)) return 'this path'
  const type = call.agent?.split('/')[0]
  // What the sitter asks by itself (a query, a resend) has no agent.
  if (scope.agents !== null && type !== undefined && !scope.agents.includes(type)) return `agents of type ${type}`
  return undefined
}

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

export const scope: Stage = async (call, room) => {
  if (call.credential === null) return undefined
  const outside = outsideOf(call)
  if (outside === undefined) return undefined
  call.decision = 'refused'
  const { name } = call.credential
  const refusal: Refusal = { code: 'not-allowed', message: `the credential ${name} may not be used for ${outside}` }
  if (call.grant === null && room.uses.tells(call.agent!)) await write(call, room, refusal)
  return refusal
}
