/**
 * Failures are values with a kind and a stable code. Codes are a registry: each stands in docs/errors.md with what to
 * do (test/house.test.ts compares both). A failure never carries a secret: facts are plain, loggable values.
 */
import { codes, type Code, type FailureKind } from './codes.ts'

export type Facts = Readonly<Record<string, string | number | boolean | null | readonly string[]>>

export interface FailureOptions {
  readonly facts?: Facts
  readonly cause?: unknown
  readonly retryAfterMs?: number
}

export class Failure extends Error {
  override readonly name = 'Failure'
  readonly code: Code
  readonly kind: FailureKind
  readonly facts: Facts
  readonly retryAfterMs: number | undefined

  constructor(code: Code, message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.kind = codes[code].kind
    this.facts = options.facts ?? {}
    this.retryAfterMs = options.retryAfterMs
  }
}

export const failure = (code: Code, message: string, options?: FailureOptions): Failure =>
  new Failure(code, message, options)

/** The impossible: takes down its smallest owner, stays on in production. */
export function assert(truth: unknown, message: string): asserts truth {
  if (!truth) throw new Failure('bug', message)
}

const messageOf = (thrown: unknown): string => {
  if (thrown instanceof Error) return thrown.message
  try {
    return String(thrown)
  } catch {
    // An object without a prototype has no text; the cause is kept for whoever wants to look.
    return 'something without a message was thrown'
  }
}

/** Any thrown thing as a Failure; what is not one of ours is a bug with its cause kept. */
export const asFailure = (thrown: unknown): Failure =>
  thrown instanceof Failure ? thrown : new Failure('bug', messageOf(thrown), { cause: thrown })
