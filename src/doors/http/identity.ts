/**
 * Who asks: the operator's token, a token of the record, or the cookie of a page that was opened with one of them or
 * with the one-time code. The cookie is `expiry.nonce.who.mac`, keyed by the operator's token: it lives through a
 * restart of the sitter, and dies with the token that opened it.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { operatorName, type Role, type Tokens } from '../../record/record.ts'
import { Failure, type Clock, type Random } from '../../std/std.ts'
import { openGuesses } from './guesses.ts'

/** A working day; then the page asks for the token again. */
const sessionMs = 12 * 3_600_000
/** A printed address that nobody opened is worth nothing the next day. */
const codeMs = 24 * 3_600_000

const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest()
const same = (left: string, right: string): boolean => timingSafeEqual(digest(left), digest(right))

export interface Principal {
  /** Name of the token; `operator` for the token file, whose holder is root of the swarm and nobody's second pair. */
  readonly name: string
  readonly role: Role
  /** `tok_…`, or `operator`. */
  readonly id: string
  readonly bySession: boolean
}

/** As audit entries name them: `token:<name>`, or `session:<name>` for a page that was opened with that token. */
export const actorOf = ({ name, bySession }: Principal): string => `${bySession ? 'session' : 'token'}:${name}`

interface Shown {
  readonly authorization: string | undefined
  readonly cookie: string | undefined
  /** Address of who shows it. */
  readonly address: string
}

export interface Identity {
  /**
   * Undefined when neither header nor cookie proves anything. A wrong header is not healed by a right cookie. A Failure
   * `too-many-attempts` when this address has guessed too often.
   */
  principalOf(shown: Shown): Principal | Failure | undefined
  /** Whether whoever was let in may still be here: the token lives. */
  holds(principal: Principal): boolean
  /** Who shows this text as a token in a form. @throws Failure `too-many-attempts`. */
  byToken(text: string, address: string): Principal | undefined
  /** Spends a one-time code; the second time it is false. @throws Failure `too-many-attempts`. */
  spend(code: string, address: string): boolean
  /** The one-time code that is good now. */
  readonly code: string
  /** Value of a Set-Cookie header that opens a session; by default the operator's. */
  newCookie(principal?: Principal): string
  /** Short proof that this door wrote a text for a purpose; for cursors. */
  seal(purpose: string, text: string): string
}

export interface IdentityOptions {
  readonly token: string
  readonly tokens: Tokens
  readonly loginSecret?: string | undefined
  readonly clock: Clock
  readonly random: Random
}

const operator: Principal = { name: operatorName, role: 'admin', id: operatorName, bySession: false }

/** The value of our cookie among those of a header. */
const cookieValue = (cookie: string, name: string): string | undefined => {
  const prefix = `${name}=`
  return cookie
    .split(';')
    .map((part) => part.trim())
    .find((part) => part.startsWith(prefix))
    ?.slice(prefix.length)
}

class DoorIdentity implements Identity {
  readonly code: string
  readonly #options: IdentityOptions
  readonly #codeUntilMs: number
  readonly #guesses: ReturnType<typeof openGuesses>
  /** Cookies do not know ports: two sitters on one host must not use one name. */
  readonly #cookieName: string
  #spent = false

  constructor(options: IdentityOptions) {
    const { token, loginSecret, clock } = options
    this.#options = options
    this.#cookieName = `sitter_${digest(`cookie ${token}`).toString('hex').slice(0, 8)}`
    this.code = loginSecret ?? this.#randomText()
    this.#codeUntilMs = clock.wallMs() + codeMs
    this.#guesses = openGuesses(clock)
  }

  principalOf({ authorization, cookie, address }: Shown): Principal | Failure | undefined {
    const value = cookie === undefined ? undefined : cookieValue(cookie, this.#cookieName)
    if (authorization === undefined && value === undefined) return undefined
    const found = authorization === undefined ? this.#ofSession(value!) : this.#ofHeader(authorization)
    const late = this.#judge(found !== 'guess' && found !== undefined ? found : undefined, found === 'guess', address)
    return late ?? (found === 'guess' ? undefined : found)
  }

  holds({ id }: Principal): boolean {
    return id === operatorName || this.#options.tokens.living(id) !== undefined
  }

  byToken(text: string, address: string): Principal | undefined {
    const found = this.#ofToken(text)
    const late = this.#judge(found, found === undefined, address)
    if (late !== undefined) throw late
    return found
  }

  spend(given: string, address: string): boolean {
    const fits = same(given, this.code)
    const late = this.#judge(undefined, !fits, address)
    if (late !== undefined) throw late
    if (!fits || this.#spent || this.#options.clock.wallMs() >= this.#codeUntilMs) return false
    this.#spent = true
    return true
  }

  newCookie(principal: Principal = operator): string {
    const head = `${this.#options.clock.wallMs() + sessionMs}.${this.#randomText()}.${principal.id}`
    const value = `${head}.${this.#mac('session', head)}`
    return `${this.#cookieName}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${sessionMs / 1_000}`
  }

  seal(purpose: string, text: string): string {
    return this.#mac(purpose, text).slice(0, 22)
  }

  /** Counts a guess, and says how long to wait when there were too many; whoever was right from there before passes. */
  #judge(found: Principal | undefined, guess: boolean, address: string): Failure | undefined {
    const waitMs = this.#guesses.waitMs(address)
    if (waitMs > 0 && (found === undefined || !this.#guesses.knows(address, found.name))) {
      return new Failure('too-many-attempts', 'too many wrong credentials came from this address', {
        retryAfterMs: waitMs,
      })
    }
    if (guess) this.#guesses.wrong(address)
    if (found === undefined) return undefined
    this.#guesses.right(address, found.name)
    if (found.id !== operatorName) this.#options.tokens.used(found.id)
    return undefined
  }

  #randomText(): string {
    return Buffer.from(this.#options.random.bytes(24)).toString('base64url')
  }

  #mac(purpose: string, text: string): string {
    return createHmac('sha256', this.#options.token).update(`${purpose}\n${text}`, 'utf8').digest('base64url')
  }

  #ofToken(text: string): Principal | undefined {
    if (same(text, this.#options.token)) return operator
    const found = this.#options.tokens.find(text)
    return found && { ...found, bySession: false }
  }

  #ofHeader(authorization: string): Principal | 'guess' {
    const given = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization)?.[1]
    return (given === undefined ? undefined : this.#ofToken(given)) ?? 'guess'
  }

  /** A session that is over or whose token is gone proves nothing, and is no guess either. */
  #ofSession(value: string): Principal | 'guess' | undefined {
    const [until, nonce, who, mac, ...more] = value.split('.')
    if (until === undefined || nonce === undefined || who === undefined || mac === undefined || more.length > 0)
      return 'guess'
    if (!/^[0-9]{1,15}$/.test(until) || !same(mac, this.#mac('session', `${until}.${nonce}.${who}`))) return 'guess'
    if (Number(until) <= this.#options.clock.wallMs()) return undefined
    if (who === operatorName) return { ...operator, bySession: true }
    const found = this.#options.tokens.living(who)
    return found && { ...found, bySession: true }
  }
}

export const identity = (options: IdentityOptions): Identity => new DoorIdentity(options)
