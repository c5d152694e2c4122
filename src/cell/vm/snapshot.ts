/**
 * A machine that sleeps, as bytes: what it is of, what waits for it, and its memory, compressed. Whoever wakes it looks
 * whether it fits before a byte of it becomes a machine: another build, other code, or a damaged file is a reason to
 * begin anew, never a crash.
 */
import { createHash } from 'node:crypto'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'

export interface Sleeper {
  /** The engine's build. */
  readonly build: string
  /** What it runs: its modules and its configuration. */
  readonly code: string
  /** What each timer still had when this was written. */
  readonly timers: readonly (readonly [id: number, leftMs: number])[]
}

interface Head extends Sleeper {
  readonly format: 2
  readonly sha256: string
}

/** Far more than a machine may have. */
const mostRawBytes = 1_073_741_824
const newline = 10

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Level 1 makes a tenth of it in 1.3 ms; higher ones gain little. */
export const pressed = (memory: Uint8Array): Uint8Array =>
  zstdCompressSync(memory, { params: { [constants.ZSTD_c_compressionLevel]: 1 } })
/** @throws Error when it is no such thing, or far too large. */
export const unpressed = (body: Uint8Array): Uint8Array => zstdDecompressSync(body, { maxOutputLength: mostRawBytes })

/** `body` is what was pressed. */
export const writeSnapshot = (sleeper: Sleeper, body: Uint8Array): Buffer => {
  const head: Head = { format: 2, sha256: hash(body), ...sleeper }
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), body])
}

const headOf = (text: string): Partial<Head> => {
  try {
    return Object(JSON.parse(text)) as Partial<Head>
  } catch {
    return {}
  }
}

/** @throws Error that says why it cannot be woken. */
export const readSnapshot = (
  bytes: Uint8Array,
  { build, code }: Pick<Sleeper, 'build' | 'code'>,
): { readonly timers: Sleeper['timers']; readonly body: Uint8Array } => {
  const end = bytes.indexOf(newline)
  const head = headOf(Buffer.from(bytes.subarray(0, Math.max(0, end))).toString())
  const body = bytes.subarray(end + 1)
  if (head.format !== 2 || head.sha256 !== hash(body)) throw new Error('its snapshot is damaged')
  if (head.build !== build) throw new Error(`its snapshot is of another engine: ${head.build}, and this is ${build}`)
  if (head.code !== code) throw new Error('its code or its configuration has changed')
  return { timers: head.timers ?? [], body }
}
