/**
 * The provider's own log, `log.ndjson`: what it did, durable before it answers; the oracle of every check from outside.
 * Lines that arrive while a flush is under way share the next one. A torn last line was never answered for and is cut
 * off at the next start.
 */
import { open, readFile, type FileHandle } from 'node:fs/promises'
import { Failure } from '../std/std.ts'

export const lineKinds = [
  'accepted',
  'declined',
  'limited',
  'error',
  'cut-before-accept',
  'replayed',
  'conflict',
  'over-limit',
  'unauthorized',
  'invalid',
  'query',
  'balance',
  'faults',
  'full',
  'answered',
  'overloaded',
  'cut',
  'withdrawn',
  'banned',
] as const
export type LineKind = (typeof lineKinds)[number]

export interface Line {
  /** Wall ms. */
  readonly at: number
  readonly kind: LineKind
  /** The provider's count of requests, from 1; it goes on after a restart. */
  readonly request: number
  readonly key?: string
  readonly reference?: string
  readonly payee?: string
  readonly amount?: string
  readonly currency?: string
  /** The provider's id of the payment. */
  readonly id?: string
  /** SHA-256 of the request's body, on lines that answer for its key from then on. */
  readonly bodyHash?: string
  readonly status?: 'settled' | 'pending' | 'declined'
  /** The injected fault, when one was met. */
  readonly fault?: string
  readonly detail?: string
  /** What a language model was asked for, and the tokens that it billed. */
  readonly model?: string
  readonly input?: number
  readonly output?: number
}

export interface Log {
  /** Resolves when the line is durable; rejects for good once a write has failed. */
  append(line: Line): Promise<void>
  close(): Promise<void>
}

const isLine = (value: unknown): value is Line => {
  const line = value as Partial<Line> | null
  return (
    typeof line === 'object' &&
    line !== null &&
    typeof line.at === 'number' &&
    typeof line.request === 'number' &&
    lineKinds.some((kind) => kind === line.kind)
  )
}

const parseLine = (text: string, number: number, path: string): Line => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined /* told below with its line number */
  }
  if (isLine(value)) return value
  throw new Failure(
    'file-invalid',
    `${path}: line ${number} is damaged; a bank does not guess: restore the file, or start anew with --fresh`,
  )
}

/** Reads the log and cuts a torn end off. */
const recover = async (handle: FileHandle, path: string, each: (line: Line) => void): Promise<void> => {
  const bytes = await readFile(handle)
  const whole = bytes.lastIndexOf(0x0a) + 1
  let start = 0
  for (let number = 1; start < whole; number += 1) {
    const end = bytes.indexOf(0x0a, start)
    each(parseLine(bytes.toString('utf8', start, end), number, path))
    start = end + 1
  }
  if (whole < bytes.length) {
    await handle.truncate(whole)
    await handle.sync()
  }
}

/**
 * Opens the log, gives every kept line to `each`, and appends from then on. @throws Failure `file-invalid` on a damaged
 * line.
 */
export const openLog = async (path: string, each: (line: Line) => void): Promise<Log> => {
  const handle = await open(path, 'a+', 0o600)
  try {
    await recover(handle, path, each)
  } catch (error) {
    await handle.close()
    throw error
  }
  // The turn that is being gathered; `under` is the flush under way. Its length is bounded by the connections the
  // server takes.
  let gathered: string[] = []
  let next: Promise<void> | undefined
  let under: Promise<void> = Promise.resolve()
  const flush = async (): Promise<void> => {
    await under
    const text = gathered.join('')
    gathered = []
    next = undefined
    under = handle.appendFile(text).then(() => handle.datasync())
    await under
  }
  return {
    append: (line) => {
      gathered.push(`${JSON.stringify(line)}\n`)
      return (next ??= flush())
    },
    close: async () => {
      try {
        await next
        await under
      } finally {
        await handle.close()
      }
    },
  }
}
