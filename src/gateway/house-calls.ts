/**
 * Requests of the gate's own to an upstream: how a credential is made, tried and ended there. Limits, freeze and
 * journal hold for them as for any call. Their routes are no agent's: they stand in the credential's rule and not in
 * the allow-list.
 */
import type { Asked, AskOutside } from '../vault/vault.ts'
import { callOf, type CallInHand, type Room } from './call.ts'
import { plainTarget } from './path.ts'
import { signerOf } from './signers/signers.ts'
import { admit } from './stages/admit.ts'
import { forward, giveBack } from './stages/forward.ts'
import { journal } from './stages/journal.ts'
import { judge } from './stages/judge.ts'
import { mode } from './stages/mode.ts'
import { reserve } from './stages/spend.ts'
import { witness } from './stages/witness.ts'

const keptBytes = 256 * 1024
const waitMs = 30_000
/** They have a breaker of their own: what agents' calls run into says nothing about them. */
const endpoint = 'credentials'
const stages = [mode, admit, reserve, journal]

type Asking = Parameters<AskOutside>[0]

const notSent = (code: string, message: string): Asked => ({ kind: 'not-sent', code, message })

const callFor = (asking: Asking): CallInHand =>
  callOf({
    grant: null,
    seat: null,
    subject: null,
    agent: null,
    upstreamName: asking.upstream,
    method: asking.method,
    target: asking.path,
    headers: Object.entries(asking.headers),
    body: asking.body,
    bodyBytes: null,
    waitMs,
    epoch: 0,
    onWaiting: () => {},
  })

const exchange = async (call: CallInHand, room: Room): Promise<Asked> => {
  const chunks: Buffer[] = []
  let kept = 0
  let status = 0
  let headers: Record<string, string> = {}
  const flow = forward(call, room, {
    head: (answered, pairs) => {
      status = answered
      headers = Object.fromEntries(pairs.map(([name, value]) => [name.toLowerCase(), value]))
    },
    data: (chunk) => {
      kept += chunk.length
      if (kept <= keptBytes) chunks.push(chunk)
      return true
    },
  })
  const ended = await flow.ended
  judge(call, room, ended, status)
  giveBack(call, room)
  if (ended.kind !== 'answered') return ended
  return { kind: 'answered', status, headers, body: Buffer.concat(chunks).toString('utf8') }
}

/** Never rejects. */
export const askUpstream = async (room: Room, asking: Asking): Promise<Asked> => {
  const upstream = room.upstreams.get(asking.upstream)
  const plain = plainTarget(asking.path)
  if (upstream === undefined) return notSent('not-allowed', `there is no upstream ${asking.upstream}`)
  if (plain === undefined) return notSent('not-allowed', 'this path can be read in more than one way')
  const call = callFor(asking)
  Object.assign(call, { upstream, plain, credential: asking.credential, endpoint })
  call.scope = { upstream: upstream.rule.name, host: upstream.place, credential: asking.credential.name, agent: null }
  for (const stage of stages) {
    const refusal = await stage(call, room)
    if (refusal === undefined) continue
    giveBack(call, room)
    if (call.journal !== null) await witness(call, room, { kind: 'not-sent', ...refusal })
    return notSent(refusal.code, refusal.message)
  }
  const nowMs = room.clock.wallMs() + room.skew.of(upstream.rule.name)
  const { host } = new URL(upstream.rule.url)
  const { path, query } = plain
  const toSign = { method: asking.method, path, query, host, headers: call.headers, body: asking.body, nowMs }
  let asked: Asked
  try {
    const signed = signerOf(asking.signing).sign(toSign, await asking.secret())
    call.signed = { ...signed, secrets: room.shown.add(upstream.place, signed.secrets) }
    asked = await exchange(call, room)
  } catch (error) {
    giveBack(call, room)
    asked = notSent('credential-unavailable', (error as Error).message)
  }
  call.signed = null
  const outcome =
    asked.kind === 'answered'
      ? ({ kind: 'answered', status: asked.status, headers: {}, body: '', truncated: false } as const)
      : asked.kind === 'lost'
        ? ({ kind: 'lost', code: asked.code, message: asked.message, closedMs: room.clock.wallMs() } as const)
        : ({ kind: 'not-sent', code: asked.code, message: asked.message } as const)
  await witness(call, room, outcome)
  return asked
}
