/**
 * How one process a task ended, as what an agent would have told: done with its stdout, or a failure of a kind that
 * its exit code says (sysexits.h). Pure.
 */
import type { ErrorReport } from '../../model/model.ts'
import { bounds } from '../../wire/wire.ts'
import type { WalledEnd } from '../port.ts'

export type ExecEnding =
  | { readonly method: 'done'; readonly params: { readonly result: unknown } }
  | { readonly method: 'fail'; readonly params: { readonly error: ErrorReport } }

export interface ExecFacts {
  readonly end: WalledEnd
  /** What it printed on stdout, and whether that was more than a result may have. */
  readonly output: Uint8Array
  readonly tooMuch: boolean
  /** The last lines of its stderr. */
  readonly errors: string
  /** Why we ended it, null = we did not. */
  readonly stopped: string | null
}

/** Usage, data, no input, software, protocol, no permission, configuration: trying again changes nothing. */
const permanent: ReadonlySet<number | null> = new Set([64, 65, 66, 70, 76, 77, 78])

const longestRetryMs = 366 * 86_400_000
/** Half a frame: the other is for what its stderr may be when every sign is escaped. */
const longestPart = bounds.frameBytes / 2

const isDeep = (value: unknown): boolean => {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth += 1) {
    // The frame that carries it (frame, params, result) has three levels of its own.
    if (depth > bounds.jsonDepth - 3) return true
    level = level.flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : []))
  }
  return false
}

/** JSON when it parses (nothing at all is null), else text without its last newline. */
const resultOf = (text: string): unknown => {
  if (text.trim() === '') return null
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text.replace(/\r?\n$/, '')
  }
}

const fail = (error: ErrorReport, errors: string): ExecEnding => ({
  method: 'fail',
  params: { error: { ...error, ...(errors === '' ? {} : { stack: `stderr: ${errors}` }) } },
})

type Said = Readonly<Record<string, unknown>>

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Said)[name] : undefined

/** What was done and what is left. One that does not fit is no reason to do all of it again. */
const partOf = (partial: unknown): Partial<ErrorReport> => {
  if (partial === undefined) return {}
  const [done, rest] = [fieldOf(partial, 'done'), fieldOf(partial, 'rest')]
  if (rest === undefined)
    return { code: 'invalid', kind: 'permanent', message: 'its partial does not say what is left (rest)' }
  if (Buffer.byteLength(JSON.stringify(partial)) > longestPart || isDeep([partial])) {
    const message = `its partial nests too deep, or has more than ${longestPart} bytes`
    return { code: 'too-large', kind: 'permanent', message }
  }
  return { partial: { ...(done !== undefined && { done }), rest } }
}

/** The words that a report has; what is none of them is as good as not said. */
const errorOf = (said: unknown): Partial<ErrorReport> => {
  const [message, code] = [fieldOf(said, 'message'), fieldOf(said, 'code')]
  const [retryAfterMs, waitsFor] = [fieldOf(said, 'retryAfterMs'), fieldOf(said, 'waitsFor')]
  return {
    ...(typeof message === 'string' && message !== '' && { message }),
    ...(typeof code === 'string' && /^[!-~]{1,200}$/.test(code) && { code }),
    ...(typeof retryAfterMs === 'number' && retryAfterMs >= 0 && retryAfterMs <= longestRetryMs && { retryAfterMs }),
    ...(typeof waitsFor === 'string' && /^[ -~]{1,200}$/.test(waitsFor) && { waitsFor }),
  }
}

/**
 * What a program that failed may say on stdout: `{"error": {"message", "code", "retryAfterMs", "waitsFor"}, "partial":
 * {"done", "rest"}}`, each when it has something to say. Anything else that it printed is no result. What becomes of
 * the task is decided by its exit code.
 */
const saidOf = ({ output, tooMuch }: Pick<ExecFacts, 'output' | 'tooMuch'>): Partial<ErrorReport> => {
  const said = tooMuch ? undefined : resultOf(new TextDecoder().decode(output))
  return { ...errorOf(fieldOf(said, 'error')), ...partOf(fieldOf(said, 'partial')) }
}

export const execEnding = ({ end, output, tooMuch, errors, stopped }: ExecFacts): ExecEnding => {
  const hit = (end.hits ?? []).map(({ says }) => `; ${says}`).join('')
  const said = end.code === 0 || end.signal !== null ? {} : saidOf({ output, tooMuch })
  if (stopped !== null) return fail({ ...said, name: 'Cancelled', message: stopped, kind: 'interrupted' }, errors)
  if (end.signal !== null) {
    const message = `the process of the task was killed by ${end.signal}${hit}`
    return fail({ name: 'KilledBySignal', message, code: end.signal, kind: 'poison' }, errors)
  }
  if (end.code !== 0) {
    const kind = permanent.has(end.code) ? 'permanent' : 'transient'
    const error = { name: 'ExitCode', message: `exit code ${end.code}${hit}`, code: `exit-${end.code}`, kind }
    return fail({ ...error, ...said }, errors)
  }
  const most = `a result may have ${bounds.frameBytes} bytes`
  if (tooMuch) return fail({ name: 'ResultTooLarge', message: most, code: 'too-large', kind: 'permanent' }, errors)
  const result = resultOf(new TextDecoder().decode(output))
  if (isDeep(result))
    return fail({ name: 'ResultTooDeep', message: 'a result nests too deep', kind: 'permanent' }, errors)
  if (Buffer.byteLength(JSON.stringify(result)) > bounds.frameBytes)
    return fail({ name: 'ResultTooLarge', message: `${most} as JSON`, code: 'too-large', kind: 'permanent' }, errors)
  return { method: 'done', params: { result } }
}
