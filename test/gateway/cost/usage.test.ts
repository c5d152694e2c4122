import fc from 'fast-check'
import { expect, test } from 'vitest'
import { profiles } from '../../../src/config/profiles.ts'
import { openScan } from '../../../src/gateway/cost/scan.ts'
import { openUsage, type Usage } from '../../../src/gateway/cost/usage.ts'

/** In pieces of the given sizes, in turn. */
const piecesOf = (text: string, sizes: readonly number[]): Buffer[] => {
  const bytes = Buffer.from(text)
  const pieces: Buffer[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length]!
    pieces.push(bytes.subarray(at, at + size))
    at += size
  }
  return pieces
}

const read = (profile: string, type: string, text: string, sizes = [7]): Usage | undefined => {
  const reader = openUsage(profiles[profile]!.usage!, type)
  for (const piece of piecesOf(text, sizes)) reader.data(piece)
  return reader.end()
}
const json = (profile: string, value: unknown): Usage | undefined =>
  read(profile, 'application/json; charset=utf-8', JSON.stringify(value))
const events = (profile: string, values: readonly unknown[]): Usage | undefined =>
  read(
    profile,
    'text/event-stream; charset=utf-8',
    values.map((one) => `event: x\ndata: ${typeof one === 'string' ? one : JSON.stringify(one)}\n\n`).join(''),
  )

/** All values at paths of keys alone, by another way. */
const leavesOf = (value: unknown, path: string): [string, string][] => {
  if (Array.isArray(value)) return []
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([key, one]) => leavesOf(one, path === '' ? key : `${path}.${key}`))
  return path === '' ? [] : [[path, typeof value === 'string' ? JSON.stringify(value).slice(1, -1) : String(value)]]
}

test('A scan in pieces finds what a parser finds, and nothing inside lists', () => {
  const key = fc.constantFrom('usage', 'input', 'a', 'model', 'x')
  const { tree } = fc.letrec((tie) => ({
    leaf: fc.oneof(fc.integer(), fc.string({ maxLength: 40 }), fc.boolean(), fc.constant(null)),
    tree: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      tie('leaf'),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(key, tie('tree'), { maxKeys: 4, noNullPrototype: true }),
    ),
  }))
  fc.assert(
    fc.property(
      tree,
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      fc.boolean(),
      (value, sizes, wide) => {
        const leaves = leavesOf(value, '')
        const found: [string, string][] = []
        const scan = openScan(new Set(leaves.map(([path]) => path)), (path, text) => found.push([path, text]))
        for (const piece of piecesOf(JSON.stringify(value, null, wide ? 2 : 0), sizes)) scan.push(piece)
        expect(scan.end()).toBe(true)
        expect(found).toEqual(leaves)
      },
    ),
  )
})

test('A scan of anything ends, and half a value is no whole one', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const scan = openScan(new Set(['a']), () => {})
      scan.push(bytes)
      expect(typeof scan.end()).toBe('boolean')
    }),
  )
  for (const text of ['{"a":1', '{"a":"x', '', '{"a":1}}', '{"a":"\\"}', '['.repeat(10_000)]) {
    const scan = openScan(new Set(['a']), () => {})
    scan.push(Buffer.from(text))
    expect(scan.end(), text.slice(0, 20)).toBe(false)
  }
})

test('OpenAI: chat completions, embeddings and responses tell their tokens, the cached ones within the input', () => {
  const usage = { prompt_tokens: 100, completion_tokens: 20, prompt_tokens_details: { cached_tokens: 60 } }
  expect(json('openai', { model: 'gpt-4o-mini', choices: [{ usage: { prompt_tokens: 1 } }], usage })).toEqual({
    model: 'gpt-4o-mini',
    input: 40,
    output: 20,
    cacheRead: 60,
    cacheWrite: 0,
  })
  expect(json('openai', { data: [0.5], usage: { prompt_tokens: 8, total_tokens: 8 } })).toMatchObject({
    input: 8,
    output: 0,
  })
  const chunk = { model: 'gpt-4o', choices: [{ delta: { content: '"usage":{"prompt_tokens":1}' } }], usage: null }
  expect(events('openai', [chunk, chunk, { model: 'gpt-4o', choices: [], usage }, '[DONE]'])).toMatchObject({
    model: 'gpt-4o',
    input: 40,
    output: 20,
  })
  const response = {
    model: 'o3',
    usage: { input_tokens: 5, output_tokens: 7, input_tokens_details: { cached_tokens: 2 } },
  }
  expect(events('openai', [{ response: { usage: null } }, { type: 'response.completed', response }])).toEqual({
    model: 'o3',
    input: 3,
    output: 7,
    cacheRead: 2,
    cacheWrite: 0,
  })
})

test('Anthropic: the last of a stream tells the output, and caches are counted beside the input', () => {
  const usage = { input_tokens: 25, cache_creation_input_tokens: 3, cache_read_input_tokens: 4, output_tokens: 1 }
  const start = { type: 'message_start', message: { model: 'claude-haiku-4-5', usage } }
  const delta = { type: 'content_block_delta', delta: { text: '{"usage":{"output_tokens":9}}' } }
  const last = { type: 'message_delta', usage: { output_tokens: 15 } }
  const whole = { model: 'claude-haiku-4-5', input: 25, output: 15, cacheRead: 4, cacheWrite: 3 }
  expect(events('anthropic', [start, delta, last, { type: 'message_stop' }])).toEqual(whole)
  expect(json('anthropic', { model: 'claude-haiku-4-5', content: [], usage: { ...usage, output_tokens: 15 } })).toEqual(
    whole,
  )
  expect(events('anthropic', [start, delta]), 'cut before its end').toBeUndefined()
})

test('What was told in part, malformed or beyond all sense is not known', () => {
  for (const value of [
    {},
    { usage: null },
    { usage: { prompt_tokens: -1 } },
    { usage: { prompt_tokens: 1.5 } },
    { usage: { prompt_tokens: '1e3' } },
    { usage: { prompt_tokens: 2_000_000_000 } },
    { usage: { prompt_tokens: 1, prompt_tokens_details: { cached_tokens: 2 } } },
    [{ usage: { prompt_tokens: 1 } }],
  ])
    expect(json('openai', value), JSON.stringify(value)).toBeUndefined()
  expect(read('openai', 'application/json', '{"usage":{"prompt_tokens":1}')).toBeUndefined()
})

test('An answer of 50 MB is read without being held', () => {
  const reader = openUsage(profiles['openai']!.usage!, 'application/json')
  const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed
  reader.data(Buffer.from('{"data":["'))
  const chunk = Buffer.alloc(65_536, 'x')
  for (let at = 0; at < 800; at += 1) reader.data(chunk)
  reader.data(Buffer.from('"],"usage":{"prompt_tokens":8}}'))
  expect(reader.end()).toMatchObject({ input: 8 })
  expect(process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - before).toBeLessThan(20_000_000)
})
