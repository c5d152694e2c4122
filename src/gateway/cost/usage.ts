/**
 * The tokens that an answer says it used, read as it streams by: from a JSON body, or from the `data:` lines of a
 * stream of events. What was told in part, malformed or beyond all sense is not known.
 */
import type { UsageRule } from '../../model/model.ts'
import { openScan, type Scan } from './scan.ts'

export interface Usage {
  readonly model: string | null
  /** Beside what was read from or written to a cache. */
  readonly input: number
  readonly output: number
  readonly cacheRead: number
  readonly cacheWrite: number
}
export interface UsageReader {
  data(chunk: Uint8Array): void
  /** After the last of the answer; undefined = it did not tell. */
  end(): Usage | undefined
}

/** No model reads or writes more in one call. */
const mostTokens = 1_000_000_000
const counts = ['input', 'output', 'cacheRead', 'cacheWrite'] as const
type Count = (typeof counts)[number]

/** Hands on what stands behind `data:` of each line. */
class Events {
  readonly #scan: Scan
  #line: number[] = []
  #in: 'name' | 'data' | 'other' = 'name'

  constructor(scan: Scan) {
    this.#scan = scan
  }

  data(chunk: Uint8Array): void {
    let from = 0
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at]!
      if (byte === 0x0a || byte === 0x0d) {
        if (this.#in === 'data') {
          this.#scan.push(chunk.subarray(from, at))
          this.#scan.end()
        }
        this.#in = 'name'
        this.#line = []
        continue
      }
      if (this.#in !== 'name') continue
      this.#line.push(byte)
      if (this.#line.length < 5) continue
      this.#in = Buffer.from(this.#line).toString('latin1') === 'data:' ? 'data' : 'other'
      from = at + 1
    }
    if (this.#in === 'data') this.#scan.push(chunk.subarray(from))
  }
}

const readCount = (text: string): number | undefined => {
  const value = /^(?:0|[1-9][0-9]{0,9})$/.test(text) ? Number(text) : Number.NaN
  return value <= mostTokens ? value : undefined
}

/** What each path stands for. */
const placesOf = (rule: UsageRule): ReadonlyMap<string, Count | 'model'> =>
  new Map(([...counts, 'model'] as const).flatMap((name) => rule[name].map((path) => [path, name] as const)))

export const openUsage = (rule: UsageRule, contentType: string): UsageReader => {
  const places = placesOf(rule)
  const told: Partial<Record<Count, number>> = {}
  let model: string | null = null
  let malformed = false
  const scan = openScan(new Set(places.keys()), (path, text) => {
    const name = places.get(path)!
    if (name === 'model') {
      model = text
      return
    }
    // Not yet known, in the first events of a stream.
    if (text === 'null') return
    const count = readCount(text)
    if (count === undefined) malformed = true
    else told[name] = Math.max(told[name] ?? 0, count)
  })
  const events = /^\s*text\/event-stream\b/i.test(contentType) ? new Events(scan) : undefined
  return {
    data: (chunk) => (events ?? { data: (bytes: Uint8Array) => scan.push(bytes) }).data(chunk),
    end: () => {
      const isWhole = events !== undefined || scan.end()
      const { input, output, cacheRead = 0, cacheWrite = 0 } = told
      if (!isWhole || malformed || input === undefined) return undefined
      if (output === undefined && !rule.outputMayLack) return undefined
      const cached = rule.cachedWithin ? cacheRead + cacheWrite : 0
      if (cached > input) return undefined
      return { model, input: input - cached, output: output ?? 0, cacheRead, cacheWrite }
    },
  }
}
