/**
 * Where it goes: an upstream of the configuration, by a path that its allow-list has, with the credential that it
 * stands for now.
 */
import { createHash } from 'node:crypto'
import type { CallInHand, Refusal, Room, Stage } from '../call.ts'
import { headerOf, notGrantable } from '../headers.ts'
import { plainTarget, routeMatches } from '../path.ts'
import { kindOfCall } from '../vacancies.ts'
import { waitsMs } from '../waits.ts'

const methodText = /^[A-Z]{3,16}$/
/** A person has to do something: told again after this at the latest. A payment waits in ways of its own. */
const unavailableRetryMs = 60_000

export const unavailable = (call: CallInHand, message: string): Refusal => ({
  code: 'credential-unavailable',
  message,
  ...(call.grant === null && { retryAfterMs: unavailableRetryMs, waitsFor: kindOfCall(call) }),
})

/** What an agent opens by asking for it with an upgrade; no request has this method. */
export const socketMethod = 'WEBSOCKET'
const isNeverSent = ({ method, isSocket }: CallInHand): boolean =>
  !methodText.test(method) ||
  method === 'CONNECT' ||
  method === 'TRACE' ||
  (method === socketMethod) !== (isSocket === true)

/** What an agent's own call is known by, should its outcome stay open: a hash, for keys are anybody's texts. */
export const keyOf = (call: CallInHand): string | null => {
  const key = call.grant === null ? headerOf(call.headers, 'idempotency-key') : undefined
  if (key === undefined) return null
  return createHash('sha256')
    .update(JSON.stringify([call.upstreamName, call.agent, key]))
    .digest('hex')
    .slice(0, 32)
}

const noneOf = (credential: string, call: CallInHand, room: Room): string => {
  const held = room.vault.openMember({ subject: call.subject, key: keyOf(call) })
  return held === undefined
    ? `${credential} has no active version: sitter vault set ${credential}`
    : `an earlier call of the same is open with ${held}, which has no active version: sitter vault set ${held}`
}

const choose = (call: CallInHand, room: Room): CallInHand['credential'] | undefined => {
  const isPaused = (name: string): boolean => waitsMs(call, room, name) > 0
  return room.vault.choose(call.upstream!.credential!, { subject: call.subject, key: keyOf(call), paused: isPaused })
}

export const route: Stage = (call, room) => {
  const upstream = room.upstreams.get(call.upstreamName)
  if (upstream === undefined) return { code: 'not-allowed', message: 'no such upstream' }
  if (isNeverSent(call)) return { code: 'not-allowed', message: 'this method is never sent' }
  const plain = plainTarget(call.target)
  if (plain === undefined)
    return { code: 'not-allowed', message: 'this path can be read in more than one way, so it is not sent' }
  if (call.grant !== null) {
    // A grant is for exact bytes: what would have to be changed is refused.
    if (plain.path + plain.query !== call.target)
      return { code: 'not-allowed', message: 'the granted path is not in its plain form' }
    const name = notGrantable(call.grant.request.headers)
    if (name !== undefined)
      return {
        code: 'not-allowed',
        message: `a granted request must not have the header ${JSON.stringify(name.slice(0, 60))}`,
      }
  }
  const allowed = upstream.allow.find((one) => routeMatches(one, call.method, plain.segments))
  if (allowed === undefined) {
    return {
      code: 'not-allowed',
      message: `${call.method} ${plain.path.slice(0, 200)} is not in the allow-list of ${upstream.rule.name}`,
    }
  }
  call.upstream = upstream
  call.endpoint = `${allowed.method} /${allowed.segments.join('/')}`
  call.plain = plain
  if (upstream.credential !== null) {
    const credential = choose(call, room)
    if (credential === undefined) return unavailable(call, noneOf(upstream.credential.name, call, room))
    call.credential = credential
  }
  call.scope = {
    upstream: upstream.rule.name,
    host: upstream.host,
    credential: call.credential?.name ?? null,
    agent: call.agent,
  }
  return undefined
}
