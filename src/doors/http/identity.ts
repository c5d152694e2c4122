/**
 * Who asks: a bearer token, or the cookie of a page that was opened with a one-time code or the token. The cookie is
 * `expiry.nonce.mac`, keyed by the token: it lives through a restart of the sitter, and dies with the token.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { Clock, Random } from '../../std/std.ts'

/** A working day; then the page asks for the token again. */
const sessionMs = 12 * 3_600_000
/** A printed address that nobody opened is worth nothing the next day. */
const codeMs = 24 * 3_600_000

const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest()
const same = (left: string, right: string): boolean => timingSafeEqual(digest(left), digest(right))

export type Actor = 'operator:token' | 'operator:session'

export interface Identity {
  /** Undefined when neither header nor cookie proves anything. A wrong header is not healed by a right cookie. */
  actorOf(headers: {
    readonly authorization: string | undefined
    readonly cookie: string | undefined
  }): Actor | undefined
  isToken(text: string): boolean
  /** Spends a one-time code; the second time it is false. */
  spend(code: string): boolean
  /** The one-time code that is good now. */
  readonly code: string
  /** Value of a Set-Cookie header that opens a session. */
  newCookie(): string
  /** Short proof that this door wrote a text for a purpose; for cursors. */
  seal(purpose: string, text: string): string
}

export interface IdentityOptions {
  readonly token: string
  readonly loginSecret?: string | undefined
  readonly clock: Clock
  readonly random: Random
}

export const identity = ({ token, loginSecret, clock, random }: IdentityOptions): Identity => {
  // Cookies do not know ports: two sitters on one host must not use one name.
  const cookieName = `sitter_${digest(`cookie ${token}`).toString('hex').slice(0, 8)}`
  const mac = (purpose: string, text: string): string =>
    createHmac('sha256', token).update(`${purpose}\n${text}`, 'utf8').digest('base64url')
  const randomText = (): string => Buffer.from(random.bytes(24)).toString('base64url')
  const code = loginSecret ?? randomText()
  const codeUntilMs = clock.wallMs() + codeMs
  let spent = false

  const sessionHolds = (value: string): boolean => {
    const parts = value.split('.')
    if (parts.length !== 3 || !/^[0-9]{1,15}$/.test(parts[0]!)) return false
    return same(parts[2]!, mac('session', `${parts[0]}.${parts[1]}`)) && Number(parts[0]) > clock.wallMs()
  }
  const cookieValue = (cookie: string): string | undefined => {
    const prefix = `${cookieName}=`
    return cookie
      .split(';')
      .map((part) => part.trim())
      .find((part) => part.startsWith(prefix))
      ?.slice(prefix.length)
  }
  const isToken = (text: string): boolean => same(text, token)

  return {
    code,
    isToken,
    actorOf: ({ authorization, cookie }) => {
      if (authorization !== undefined) {
        const given = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization)?.[1]
        return given !== undefined && isToken(given) ? 'operator:token' : undefined
      }
      const value = cookie === undefined ? undefined : cookieValue(cookie)
      return value !== undefined && sessionHolds(value) ? 'operator:session' : undefined
    },
    spend: (given) => {
      if (spent || clock.wallMs() >= codeUntilMs || !same(given, code)) return false
      spent = true
      return true
    },
    newCookie: () => {
      const head = `${clock.wallMs() + sessionMs}.${randomText()}`
      const value = `${head}.${mac('session', head)}`
      return `${cookieName}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${sessionMs / 1_000}`
    },
    seal: (purpose, text) => mac(purpose, text).slice(0, 22),
  }
}
