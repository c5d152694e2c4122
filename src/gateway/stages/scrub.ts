/**
 * Keeps secrets and sessions from coming back. Cookies and hop-by-hop headers go; of head and body every form of the
 * call's secrets is blotted out (forms.ts). Upstreams are asked for plain bodies (`accept-encoding: identity`); one
 * that compresses all the same is unpacked here and goes on plain. A body that cannot be read (an unknown encoding,
 * UTF-16) is withheld: status and headers come, and `x-sitter-withheld` says why the body does not.
 */
import type { Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib'
import { asFailure, failure } from '../../std/std.ts'
import type { CallInHand } from '../call.ts'
import { headerOf, incoming, type HeaderPairs } from '../headers.ts'
import { openScrubber, type Scrubber } from '../scrubber.ts'

const decoders: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
}

/** What becomes of a body: as it is, through decoders, or not at all. */
type Plan =
  | { readonly body: 'as-it-is' }
  | { readonly body: 'withheld'; readonly why: string }
  | { readonly body: 'unpacked'; readonly decoders: readonly (() => Transform)[] }

const nothing = Buffer.alloc(0)
/** Encodings inside encodings: more than two are nobody's honest answer. */
const mostLayers = 2
/** What a packed body may become: a few kilobytes can say gigabytes. Plain ones may be of any size, and stream. */
const mostUnpackedBytes = 32 * 1024 * 1024

export const planOf = (headers: HeaderPairs): Plan => {
  if (/charset\s*=\s*"?utf-?(16|32)/i.test(headerOf(headers, 'content-type') ?? ''))
    return { body: 'withheld', why: 'charset' }
  const layers = headers
    .filter(([name]) => name.toLowerCase() === 'content-encoding')
    .flatMap(([, value]) => value.split(','))
    .map((one) => one.trim().toLowerCase())
    .filter((one) => one !== '' && one !== 'identity')
  if (layers.length === 0) return { body: 'as-it-is' }
  const found = layers.flatMap((name) => (Object.hasOwn(decoders, name) ? [decoders[name]!] : []))
  return found.length < layers.length || layers.length > mostLayers
    ? { body: 'withheld', why: 'content-encoding' }
    : { body: 'unpacked', decoders: found.toReversed() }
}

/** Sizes and sums of a body that is no longer the one that was sent. */
const ofBody = new Set(['content-encoding', 'content-length', 'content-md5', 'content-digest', 'digest'])

const headOf = (headers: HeaderPairs, plan: Plan, scrubber: Scrubber): HeaderPairs => {
  const clean = incoming(headers)
    .filter(([name]) => scrubber.text(name) === name)
    .map(([name, value]) => [name, scrubber.text(value)] as const)
  if (plan.body === 'as-it-is') return clean
  const rest = clean.filter(([name]) => !ofBody.has(name.toLowerCase()))
  return plan.body === 'unpacked' ? rest : [...rest, ['content-length', '0'], ['x-sitter-withheld', plan.why]]
}

export interface Scrubbing {
  head(status: number, headers: HeaderPairs): HeaderPairs
  /** False: no more until it is resumed. */
  data(chunk: Buffer): boolean
  resume(): void
  /**
   * The answer is whole, and the last of it given on when this returns, or where it is unpacked resolves. Rejects when
   * it could not be unpacked.
   */
  end(): Promise<void> | undefined
  /** Nothing more is wanted. */
  drop(): void
}

interface Ways {
  /** False: the receiver wants no more for now. */
  give(chunk: Buffer): boolean
  /** Asks for what was held up here. */
  more(): void
  /** It cannot be unpacked; nothing more of it is wanted. `end` rejects with the reason. */
  broken(): void
}

/** The answer to one call on its way home. */
export const openScrubbing = (call: CallInHand, { give, more, broken }: Ways): Scrubbing => {
  const scrubber = openScrubber(call.signed?.secrets ?? [])
  let plan: Plan = { body: 'as-it-is' }
  let chain: readonly Transform[] = []
  let dropped = false
  /** Where it is unpacked. */
  let finished: PromiseWithResolvers<void> | undefined
  const pass = (chunk: Buffer): boolean => {
    const out = dropped ? nothing : scrubber.push(chunk)
    return out.length === 0 || give(out)
  }
  const finish = (): void => {
    const rest = scrubber.end()
    if (rest.length > 0 && !dropped) give(rest)
    finished?.resolve()
  }
  const stop = (error: unknown): void => {
    finished?.reject(asFailure(error))
    dropped = true
    broken()
  }
  const unpack = (makers: readonly (() => Transform)[]): void => {
    let unpacked = 0
    finished = Promise.withResolvers<void>()
    finished.promise.catch(() => {
      /* whoever ends the answer is told */
    })
    chain = makers.map((make) => make())
    for (const [index, one] of chain.entries()) {
      one.on('error', stop)
      if (index > 0) chain[index - 1]!.pipe(one)
    }
    chain[0]!.on('drain', more)
    const last = chain.at(-1)!
    last.on('data', (chunk: Buffer) => {
      unpacked += chunk.length
      if (unpacked > mostUnpackedBytes) last.destroy(failure('too-large', `it has over ${mostUnpackedBytes} bytes`))
      else if (!pass(chunk)) last.pause()
    })
    last.on('end', finish)
  }
  return {
    head: (status, headers) => {
      // Without a secret nothing is looked for, and bodies go on as they are; some answers have none.
      const reads = call.signed !== null && call.method !== 'HEAD' && status !== 204 && status !== 304
      plan = reads ? planOf(headers) : { body: 'as-it-is' }
      if (plan.body === 'unpacked') unpack(plan.decoders)
      return headOf(headers, plan, scrubber)
    },
    data: (chunk) => {
      if (plan.body === 'withheld') return true
      const [first] = chain
      if (first === undefined) return pass(chunk)
      return dropped || first.write(chunk)
    },
    resume: () => chain.at(-1)?.resume(),
    end: () => {
      const [first] = chain
      if (first === undefined) finish()
      else first.end()
      return finished?.promise
    },
    drop: () => {
      dropped = true
      for (const one of chain) one.destroy()
      finished?.resolve()
    },
  }
}
