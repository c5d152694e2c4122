/**
 * Token requests as OAuth 2 has them (RFC 6749, 7523), and what their answers mean. Pure. Written here and not taken
 * from a client library: a library that refuses an answer for something beside the point throws away a refresh token
 * that its server has already replaced.
 */
import { createPrivateKey, sign, type KeyObject } from 'node:crypto'
import { failure } from '../../std/std.ts'
import type { OauthRule } from '../../model/model.ts'
import type { Asked } from '../ports.ts'

export interface Client {
  readonly id: string
  readonly secret: string | null
}
export interface TokenRequest {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export type TokenFact =
  | {
      readonly kind: 'tokens'
      readonly access: string
      /** Null: the one before goes on. */
      readonly refresh: string | null
      /** Null: it did not say; it is asked for anew when it is refused. */
      readonly lifeMs: number | null
    }
  /** The grant, or the client, is not taken any more: asking again does not help. */
  | { readonly kind: 'refused'; readonly error: string }
  /** Nothing happened, or it may have: asked again. */
  | { readonly kind: 'later'; readonly why: string; readonly lost: boolean }

/** RFC 6749 2.3.1: both are form-encoded before they are put together. */
const formText = (text: string): string => new URLSearchParams({ x: text }).toString().slice(2)

export const tokenRequest = (
  rule: OauthRule,
  client: Client,
  parameters: Readonly<Record<string, string>>,
): TokenRequest => {
  const form = new URLSearchParams(parameters)
  if (rule.scope !== null) form.set('scope', rule.scope)
  if (rule.audience !== null && rule.grant !== 'jwt-bearer') form.set('audience', rule.audience)
  const usual = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' }
  const isBasic = rule.auth === 'basic' && client.secret !== null
  if (!isBasic) {
    form.set('client_id', client.id)
    if (client.secret !== null) form.set('client_secret', client.secret)
    return { headers: usual, body: form.toString() }
  }
  const basic = Buffer.from(`${formText(client.id)}:${formText(client.secret!)}`).toString('base64')
  return { headers: { ...usual, authorization: `Basic ${basic}` }, body: form.toString() }
}

const parse = (text: string): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    // An answer that is no JSON has none of the fields that are looked for.
    return {}
  }
}

const tokenText = /^[\x21-\x7e]{1,16384}$/
const isToken = (value: unknown): value is string => typeof value === 'string' && tokenText.test(value)

const refusals = ['invalid_grant', 'invalid_client', 'unauthorized_client', 'unsupported_grant_type', 'invalid_scope']

/** Said of the client: its grant is as good as before. */
export const isOfClient = (error: string): boolean => error === 'invalid_client' || error === 'unauthorized_client'

export const readAnswer = (asked: Asked): TokenFact => {
  if (asked.kind !== 'answered') return { kind: 'later', why: asked.message, lost: asked.kind === 'lost' }
  const { status, body } = asked
  const { access_token: access, refresh_token: refresh, expires_in: expiresIn, error } = parse(body)
  if (status === 200 && isToken(access)) {
    const life = Number(expiresIn)
    const lifeMs = Number.isFinite(life) && life > 0 ? life * 1_000 : null
    return { kind: 'tokens', access, refresh: isToken(refresh) ? refresh : null, lifeMs }
  }
  if (status >= 400 && status < 500 && typeof error === 'string' && refusals.includes(error))
    return { kind: 'refused', error }
  // A good status without a token is an answer that nobody can use: the grant may have moved on.
  return { kind: 'later', why: `it answered ${status}`, lost: status === 200 || status >= 500 }
}

const algorithms: Readonly<Record<string, { readonly alg: string; readonly hash: string | null }>> = {
  rsa: { alg: 'RS256', hash: 'sha256' },
  ec: { alg: 'ES256', hash: 'sha256' },
  ed25519: { alg: 'EdDSA', hash: null },
}
const keyIn = (text: string): KeyObject | undefined => {
  try {
    return createPrivateKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'pkcs8' })
  } catch {
    return undefined // the cause could show a part of the key
  }
}

/** How the secret of a grant looks, and what is wrong with one that is to be kept; undefined = nothing. */
export const grantFault = (
  { grant, clientId }: OauthRule,
  secret: string,
): { readonly form: string; readonly fault: string } | undefined => {
  if (grant === 'jwt-bearer') {
    const form = 'a private key (RSA, P-256 or Ed25519): openssl pkey -in key.pem -outform DER | base64 -w0'
    const key = keyIn(secret)
    if (key === undefined) return { form, fault: 'it is no base64 of a PKCS 8 private key' }
    const isKnown = Object.hasOwn(algorithms, key.asymmetricKeyType ?? '')
    const isCurve = key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
    return isKnown && isCurve ? undefined : { form, fault: `its key is of another kind (${key.asymmetricKeyType})` }
  }
  const what = grant === 'refresh-token' ? 'a refresh token' : "the client's secret"
  if (!tokenText.test(secret)) return { form: what, fault: 'it is not one word of visible ASCII characters' }
  if (grant === 'refresh-token' || clientId !== null || /^[^:]+:./.test(secret)) return undefined
  return { form: 'clientId:clientSecret', fault: 'the configuration has no clientId, and it has no two parts' }
}
const algorithmOf = (key: KeyObject): { readonly alg: string; readonly hash: string | null } => {
  const found = algorithms[key.asymmetricKeyType ?? '']
  if (found === undefined)
    throw failure('credential-unavailable', 'the key of an assertion is RSA, P-256 or Ed25519: sitter vault set')
  return found
}

/** Long enough for a slow server, short enough that a stolen one is worth little. */
const assertionSeconds = 300

/** A signed assertion (RFC 7523); `nowMs` by the server's clock. */
export const assertionOf = (
  key: string,
  claims: { readonly issuer: string; readonly subject: string; readonly audience: string; readonly id: string },
  nowMs: number,
): string => {
  const privateKey = keyIn(key)
  if (privateKey === undefined)
    throw failure('credential-unavailable', 'its secret is no base64 of a PKCS 8 private key: sitter vault set')
  const { alg, hash } = algorithmOf(privateKey)
  const now = Math.floor(nowMs / 1_000)
  const payload = {
    iss: claims.issuer,
    sub: claims.subject,
    aud: claims.audience,
    jti: claims.id,
    iat: now,
    exp: now + assertionSeconds,
  }
  const text = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${text({ alg, typ: 'JWT' })}.${text(payload)}`
  const signature = sign(hash, Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}

/** Token endpoint of a server's metadata; undefined when they are not its own (RFC 8414 3.3). */
export const endpointIn = (body: string, issuer: string): string | undefined => {
  const { issuer: named, token_endpoint: endpoint } = parse(body)
  const isOwn = typeof named === 'string' && named.replace(/\/$/, '') === issuer.replace(/\/$/, '')
  return isOwn && typeof endpoint === 'string' && URL.canParse(endpoint) ? endpoint : undefined
}

/** Where metadata lie: RFC 8414 puts the path after the well-known part, OpenID before it. */
export const metadataAddresses = (issuer: string): readonly string[] => {
  const url = new URL(issuer)
  const path = url.pathname.replace(/\/$/, '')
  return [
    `${url.origin}${path}/.well-known/openid-configuration`,
    `${url.origin}/.well-known/oauth-authorization-server${path}`,
  ]
}

/**
 * How long a token is good for, counted from when it was asked for: the server began to count at the earliest then,
 * but most count whole seconds, and begin with the one that has begun.
 */
export const surelyMs = (lifeMs: number): number => lifeMs - Math.min(1_000, lifeMs / 2)

/** When a token is asked for again, after it was: early enough that calls never wait for it. */
export const refreshAfterMs = (lifeMs: number, chance: number): number => {
  const goodMs = surelyMs(lifeMs)
  const early = goodMs > 600_000 ? Math.min(0.8 * goodMs, goodMs - 300_000) : 0.6 * goodMs
  return early * (0.9 + 0.1 * chance)
}
/** Nothing is sent with a token that has less than this to live: it must arrive, at a server that is busy, too. */
export const marginMs = (lifeMs: number): number => Math.min(30_000, 0.35 * surelyMs(lifeMs))
