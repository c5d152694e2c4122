/**
 * Where it goes: an upstream of the configuration, by a path that its allow-list has, with the credential that it
 * stands for now.
 */
import { createHash } from 'node:crypto'
import type { CallInHand, Refusal, Room, Stage } from '../call.ts'
import { headerOf, notGrantable } from '../headers.ts'
import { outsideOf } from '../outside.ts'
import { plainTarget, routeMatches } from '../path.ts'
import { kindOfCall } from '../vacancies.ts'
import { waitsMs } from '../waits.ts'
import { changesNothing } from './judge.ts'

const methodText = /^[A-Z]{3,16}$/
/** A person has to do something: told again after this at the latest. A payment waits in ways of its own. */
const unavailableRetryMs = 60_000

export const unavailable = (call: CallInHand, message: string): Refusal => ({
  code: 'credential-unavailable',
  message,
  ...(call.grant === null && { retryAfterMs: unavailableRetryMs, waitsFor: kindOfCall(call) }),
})
/** Others of its kind may go: that they can is no reason for this one to come back. */
const unavailableAlone = (message: string, retryAfterMs = unavailableRetryMs): Refusal => ({
  code: 'credential-unavailable',
  message,
  retryAfterMs,
})

/** What an agent opens by asking for it with an upgrade; no request has this method. */
export const socketMethod = 'WEBSOCKET'
const isNeverSent = ({ method, isSocket }: CallInHand): boolean =>
  !methodText.test(method) ||
  method === 'CONNECT' ||
  method === 'TRACE' ||
  (method === socketMethod) !== (isSocket === true)

/**
 * What an agent's own call is known by, should its outcome stay open: a hash, for keys are anybody's texts. What
 * changes nothing leaves nothing open.
 */
export const keyOf = (call: CallInHand): string | null => {
  const key = call.grant === null ? headerOf(call.headers, 'idempotency-key') : undefined
  if (key === undefined || changesNothing(call)) return null
  return createHash('sha256')
    .update(JSON.stringify([call.upstreamName, call.agent, key]))
    .digest('hex')
    .slice(0, 32)
}

/** The credential that it goes by, and so the account. */
const choose = (call: CallInHand, room: Room): Refusal | undefined => {
  const { rule, credential } = call.upstream!
  call.credential = null
  call.credentialRule = null
  if (credential === null) return undefined
  const nowMs = room.clock.monoMs()
  const way = room.vault.way(credential, {
    subject: call.subject,
    key: keyOf(call),
    changes: !changesNothing(call),
    isGranted: call.grant !== null,
    waitsMs: (name) => waitsMs(call, room, name),
    pausedMs: (name) =>
      Math.max(0, room.buckets.pausedUntil({ upstream: rule.name, credential: name, agent: null }) - nowMs),
    forgottenUntilMs: () => room.keptKeys.forgottenUntilMs(rule.name),
    outside: (one) => outsideOf(call, one),
  })
  if ('why' in way) {
    const isAlone = way.isAlone && call.grant === null
    return isAlone ? unavailableAlone(way.why, way.retryAfterMs) : unavailable(call, way.why)
  }
  call.credential = way.credential
  call.credentialRule = way.rule
  return undefined
}

/** Who reads by another account sees another account's things, and must be able to know it. */
export const accountHeader = ({ credentialRule: by, upstream }: CallInHand): Record<string, string> => {
  const account = by?.scope?.account
  return by?.name === upstream?.credential?.name || account == null
    ? {}
    : { 'x-sitter-account': encodeURIComponent(account) }
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
  const refusal = choose(call, room)
  if (refusal !== undefined) return refusal
  call.scope = {
    upstream: upstream.rule.name,
    host: upstream.place,
    credential: call.credential?.name ?? null,
    agent: call.agent,
  }
  return undefined
}
