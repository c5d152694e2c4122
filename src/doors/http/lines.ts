/** NDJSON in both directions: lines of a body within their bounds, and answers that stream. */
import { Failure } from '../../std/std.ts'
import type { Page } from '../../store/store.ts'
import { jsonBounds, readText } from './json.ts'

const newline = 10

/**
 * Whole lines of a byte stream, without their ends; a line over the bound comes as a Failure `too-large` and is
 * dropped up to its end. Holds one bound and one chunk at most.
 */
export const linesOf = async function* (
  body: ReadableStream<Uint8Array>,
  bound = jsonBounds.bytes,
): AsyncGenerator<string | Failure, void> {
  const tooLong = (): Failure => new Failure('too-large', `a line may have ${bound} bytes`, { facts: { bound } })
  let parts: Uint8Array[] = []
  let held = 0
  let dropping = false
  const take = (piece: Uint8Array): string | Failure => {
    const whole = parts.length === 0 ? piece : Buffer.concat([...parts, piece])
    const long = dropping || whole.length > bound
    parts = []
    held = 0
    dropping = false
    if (long) return tooLong()
    try {
      return readText(whole)
    } catch (error) {
      return error as Failure
    }
  }
  for await (const chunk of body) {
    let from = 0
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
      yield take(chunk.subarray(from, at))
      from = at + 1
    }
    const rest = chunk.subarray(from)
    held += rest.length
    if (held > bound) {
      dropping = true
      parts = []
    }
    if (!dropping && rest.length > 0) parts.push(rest)
  }
  if (held > 0 || dropping) yield take(new Uint8Array(0))
}

/**
 * An answer of NDJSON lines, made as fast as the reader takes them. A failure on the way breaks the connection: no
 * false end.
 */
export const ndjson = (lines: AsyncGenerator<object, void>): Response => {
  const encoder = new TextEncoder()
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { value, done } = await lines.next()
        if (done === true || value === undefined) return controller.close()
        controller.enqueue(encoder.encode(batchText(value)))
      },
      cancel: async () => {
        await lines.return()
      },
    },
    { highWaterMark: 0 },
  )
  return new Response(stream, { headers: { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' } })
}

/** Generators give one object, or an array of objects that leave in one write. */
const batchText = (value: object): string =>
  Array.isArray(value) ? value.map((item) => `${JSON.stringify(item)}\n`).join('') : `${JSON.stringify(value)}\n`

const pageItems = 1_000

/** Every item of a paged query, page by page; between pages the loop is free for others. */
export const everyPage = async function* <From>(
  page: (ask: { readonly limit: number; readonly after: string | null }) => Promise<Page<From>>,
  present: (item: From) => object,
): AsyncGenerator<readonly object[], void> {
  let after: string | null = null
  do {
    const { items, next }: Page<From> = await page({ limit: pageItems, after })
    if (items.length > 0) yield items.map(present)
    after = next
  } while (after !== null)
}
