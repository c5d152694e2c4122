/** What an agent throws. In a file of its own, because machines of `vm` cells load it and nothing else of the kind. */
import type { FailOptions } from './context.ts'

/** A failure with what the sitter needs to judge it: a kind, a code, when to try again. */
export class TaskFailure extends Error {
  override readonly name: string = 'TaskFailure'
  readonly kind: string | undefined
  readonly code: string | undefined
  readonly status: number | undefined
  readonly retryAfterMs: number | undefined
  readonly waitsFor: string | undefined
  readonly partial: FailOptions['partial']
  constructor(message: string, options: Omit<FailOptions, 'kind'> & { readonly kind?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.kind = options.kind
    this.code = options.code
    this.status = options.status
    this.retryAfterMs = options.retryAfterMs
    this.waitsFor = options.waitsFor
    this.partial = options.partial
  }
}
