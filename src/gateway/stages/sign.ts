/**
 * Opens the secret, for this call alone, and signs with it as its kind wants. What comes here is sent next, so times in
 * signatures are those of this attempt, by the upstream's own clock.
 */
import type { Readable } from 'node:stream'
import { asFailure, failure } from '../../std/std.ts'
import type { CredentialVersion } from '../../vault/vault.ts'
import type { CallInHand, Refusal, Room, Stage } from '../call.ts'
import type { Signer } from '../signers/signer.ts'
import { signerOf } from '../signers/signers.ts'

/** A body over which a signature goes must be whole before its head is written; beyond this it is refused. */
const gatheredBytes = 1024 * 1024

const gather = async (body: Readable): Promise<string> => {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > gatheredBytes) throw failure('too-large', `a signed body may have ${gatheredBytes} bytes`)
    chunks.push(chunk)
  }
  const whole = Buffer.concat(chunks)
  const text = whole.toString('utf8')
  if (Buffer.byteLength(text) !== whole.length || !Buffer.from(text).equals(whole))
    throw failure('invalid', 'a signed body must be UTF-8 text')
  return text
}

/** The body as one text; from then on it is sent with its length. */
const wholeBody = async (call: CallInHand): Promise<string | null> => {
  if (call.body !== null && typeof call.body !== 'string') {
    call.body = await gather(call.body)
    call.bodyBytes = null
  }
  return call.body
}

/** What a program that knows of no gate has signed by itself: the gate says the same, with the real secret. */
const leaveOut = (call: CallInHand, { own = {} }: Signer): void => {
  const { parameters = [], headers = [] } = own
  const { query } = call.plain!
  const left = query
    .slice(1)
    .split('&')
    .filter((pair) => !parameters.includes(pair.split('=', 1)[0]!))
  if (parameters.length > 0) call.plain = { ...call.plain!, query: left.length === 0 ? '' : `?${left.join('&')}` }
  call.headers = call.headers.filter(([name]) => !headers.includes(name.toLowerCase()))
}

const signBy = async (call: CallInHand, credential: CredentialVersion, room: Room): Promise<Refusal | undefined> => {
  const { rule, credential: own } = call.upstream!
  try {
    const signer = signerOf(call.credentialRule?.signing ?? { kind: 'bearer' })
    if (call.unaware === true) {
      leaveOut(call, signer)
      // Its program signs as the upstream's own credential does, also while another one is used.
      if (own !== null && own !== call.credentialRule) leaveOut(call, signerOf(own.signing ?? { kind: 'bearer' }))
    }
    const body = signer.needsBody ? await wholeBody(call) : null
    const { path, query } = call.plain!
    const nowMs = room.clock.wallMs() + room.skew.of(rule.name)
    const { host } = new URL(rule.url)
    const secret = await room.vault.secretFor(credential)
    const method = call.isSocket === true ? 'GET' : call.method
    const signed = signer.sign({ method, path, query, host, headers: call.headers, body, nowMs }, secret)
    call.signed = { ...signed, secrets: room.shown.add(call.upstream!.place, signed.secrets) }
  } catch (error) {
    const { code, message, retryAfterMs } = asFailure(error)
    return { code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
  }
  return undefined
}

export const sign: Stage = (call, room) => (call.credential === null ? undefined : signBy(call, call.credential, room))
