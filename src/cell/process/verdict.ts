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

export const execEnding = ({ end, output, tooMuch, errors, stopped }: ExecFacts): ExecEnding => {
  const hit = (end.hits ?? []).map(({ says }) => `; ${says}`).join('')
  if (stopped !== null) return fail({ name: 'Cancelled', message: stopped, kind: 'interrupted' }, errors)
  if (end.signal !== null) {
    const message = `the process of the task was killed by ${end.signal}${hit}`
    return fail({ name: 'KilledBySignal', message, code: end.signal, kind: 'poison' }, errors)
  }
  if (end.code !== 0) {
    const kind = permanent.has(end.code) ? 'permanent' : 'transient'
    return fail({ name: 'ExitCode', message: `exit code ${end.code}${hit}`, code: `exit-${end.code}`, kind }, errors)
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
