/**
 * Reads single values out of JSON that streams by, in constant memory: an answer may be of any size and is never held.
 * Only numbers, texts and words at wanted paths of object keys are kept (`usage.input_tokens`); what is inside a list
 * is never at such a path, so what a model says in its answer cannot pass for what the provider says about it.
 */

const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket, comma, colon] = [
  0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d, 0x2c, 0x3a,
] as const
/** No wanted key or value is longer. */
const longest = 120
const deepest = 256

export interface Scan {
  push(chunk: Uint8Array): void
  /** Whether what came is one whole value. Begins anew. */
  end(): boolean
}

interface Level {
  /** Undefined: nothing below is wanted. */
  readonly path: string | undefined
  readonly isObject: boolean
}

class JsonScan implements Scan {
  readonly #wanted: ReadonlySet<string>
  readonly #found: (path: string, value: string) => void
  #levels: Level[] = []
  #key = ''
  #expectsKey = false
  /** Bytes of the text or word that is being read; undefined = it is of no interest. */
  #kept: number[] | undefined
  #in: 'between' | 'text' | 'escape' | 'word' = 'between'
  #any = false
  #broken = false

  constructor(wanted: ReadonlySet<string>, found: (path: string, value: string) => void) {
    this.#wanted = wanted
    this.#found = found
  }

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && !this.#broken; at += 1) {
      const byte = chunk[at]!
      if (this.#in === 'text') this.#text(byte)
      else if (this.#in === 'escape') {
        this.#keep(byte)
        this.#in = 'text'
      } else this.#plain(byte)
    }
  }

  end(): boolean {
    if (this.#in === 'word') this.#endValue()
    const isWhole = !this.#broken && this.#any && this.#in === 'between' && this.#levels.length === 0
    this.#levels = []
    this.#in = 'between'
    this.#expectsKey = false
    this.#any = false
    this.#broken = false
    return isWhole
  }

  #text(byte: number): void {
    if (byte === backslash) {
      this.#keep(byte)
      this.#in = 'escape'
    } else if (byte === quote) this.#endText()
    else this.#keep(byte)
  }

  #plain(byte: number): void {
    const isSpace = byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
    const isMark = isSpace || byte === comma || byte === closeBrace || byte === closeBracket || byte === colon
    if (this.#in === 'word') {
      if (!isMark) return this.#keep(byte)
      this.#endValue()
    }
    if (isSpace) return
    this.#any = true
    if (byte === quote) this.#begin('text')
    else if (byte === openBrace) this.#open(true)
    else if (byte === openBracket) this.#open(false)
    else if (byte === closeBrace || byte === closeBracket) this.#close()
    else if (byte === comma) this.#expectsKey = this.#levels.at(-1)?.isObject ?? false
    else if (byte !== colon) {
      this.#begin('word')
      this.#keep(byte)
    }
  }

  /** Where the value that comes now stands. */
  #path(): string | undefined {
    const level = this.#levels.at(-1)
    if (level === undefined) return ''
    if (!level.isObject || level.path === undefined) return undefined
    return level.path === '' ? this.#key : `${level.path}.${this.#key}`
  }

  #begin(what: 'text' | 'word'): void {
    this.#in = what
    const path = this.#expectsKey ? this.#levels.at(-1)?.path : this.#path()
    this.#kept = path !== undefined && (this.#expectsKey || this.#wanted.has(path)) ? [] : undefined
  }

  #keep(byte: number): void {
    if (this.#kept === undefined) return
    if (this.#kept.length < longest) this.#kept.push(byte)
    else this.#kept = undefined
  }

  #endText(): void {
    this.#in = 'between'
    if (!this.#expectsKey) return this.#endValue()
    this.#key = this.#kept === undefined ? '' : Buffer.from(this.#kept).toString('utf8')
    this.#expectsKey = false
  }

  #endValue(): void {
    this.#in = 'between'
    const path = this.#kept === undefined ? undefined : this.#path()
    if (path !== undefined) this.#found(path, Buffer.from(this.#kept!).toString('utf8'))
    this.#kept = undefined
  }

  #open(isObject: boolean): void {
    if (this.#levels.length >= deepest) {
      this.#broken = true
      return
    }
    const path = this.#path()
    this.#levels.push({ path: isObject ? path : undefined, isObject })
    this.#expectsKey = isObject
  }

  #close(): void {
    if (this.#levels.pop() === undefined) this.#broken = true
    this.#expectsKey = false
  }
}

/** `found` is called with the path and the raw text of each wanted value, as soon as it has ended. */
export const openScan = (wanted: ReadonlySet<string>, found: (path: string, value: string) => void): Scan =>
  new JsonScan(wanted, found)
