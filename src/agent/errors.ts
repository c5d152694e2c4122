/** How attempts end other than well: what an agent throws, and how any thrown thing is reported. */
import type { ErrorReport, PartDone, WaitReason } from '../model/model.ts'
import { bounds, cutBytes } from '../wire/wire.ts'

/** Thrown to leave a task that has to wait. The attempt remembers it, so that catching it changes nothing. */
export class Park extends Error {
  override readonly name = 'Park'
  readonly reason: WaitReason
  readonly untilMs: number | undefined
  constructor(reason: WaitReason, untilMs: number | undefined, message: string) {
    super(message)
    this.reason = reason
    this.untilMs = untilMs
  }
}

/** A thrown value may be hostile: a getter that throws must not take the report with it. */
const read = (thrown: object, name: string): unknown => {
  try {
    return (thrown as Readonly<Record<string, unknown>>)[name]
  } catch {
    return undefined
  }
}

/** Words that the wire takes as they are; anything else is left out rather than have the whole report refused. */
const shortText = (value: unknown): string | undefined =>
  typeof value === 'string' && /^[ -~]{1,200}$/.test(value) ? value : undefined
const finite = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined

const causes = (thrown: object): string => {
  let text = ''
  let cause = read(thrown, 'cause')
  for (let depth = 0; depth < 4 && cause instanceof Error; depth += 1) {
    text += `\ncaused by ${String(read(cause, 'stack') ?? read(cause, 'message'))}`
    cause = read(cause, 'cause')
  }
  return text
}

/** What `partial` may be as JSON: a frame, less what the longest stack and message are when every sign is escaped. */
const longestPart = bounds.frameBytes / 2

/** What was done and what is left; without a whole `rest` the next try would do all again, so that there is none. */
const partOf = (thrown: object): PartDone | string | undefined => {
  const said = read(thrown, 'partial')
  if (typeof said !== 'object' || said === null) return undefined
  try {
    const text = JSON.stringify({ done: read(said, 'done'), rest: read(said, 'rest') })
    if (Buffer.byteLength(text) > longestPart) return `partial has more than ${longestPart} bytes`
    const part = JSON.parse(text) as PartDone
    return part.rest === undefined ? 'partial does not say what is left (rest)' : part
  } catch {
    return 'partial has no JSON form'
  }
}

/**
 * Anything thrown as a bounded report. `kind`, `code`, `status`, `retryAfterMs` and `waitsFor` are taken from the
 * thrown thing where they fit.
 */
export const reportOf = (thrown: unknown, kind?: string): ErrorReport => {
  if (typeof thrown !== 'object' || thrown === null) {
    return {
      name: 'Error',
      message: cutBytes(`${typeof thrown} was thrown: ${String(thrown)}`, 4_096),
      ...(kind === undefined ? {} : { kind }),
    }
  }
  const stack = read(thrown, 'stack')
  const status = read(thrown, 'status')
  const named = kind ?? shortText(read(thrown, 'kind'))
  const code = shortText(read(thrown, 'code'))
  const retryAfterMs = finite(read(thrown, 'retryAfterMs'))
  const waitsFor = shortText(read(thrown, 'waitsFor'))
  const part = partOf(thrown)
  const said = read(thrown, 'message')
  const message = typeof said === 'string' ? said : 'an object without a message was thrown'
  if (typeof part === 'string') {
    const wrong = cutBytes(`${part}, so that nobody can go on from it: ${message}`, 4_096)
    return { name: 'PartialRefused', message: wrong, code: 'invalid', kind: 'permanent' }
  }
  return {
    name: shortText(read(thrown, 'name')) ?? 'Error',
    message: cutBytes(message, 4_096),
    ...(typeof stack === 'string' ? { stack: cutBytes(stack + causes(thrown), bounds.stackBytes) } : {}),
    ...(code === undefined ? {} : { code }),
    ...(Number.isInteger(status) && (status as number) >= 100 && (status as number) <= 999
      ? { status: status as number }
      : {}),
    ...(named === undefined ? {} : { kind: named }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(waitsFor === undefined ? {} : { waitsFor }),
    ...(part === undefined ? {} : { partial: part }),
  }
}
