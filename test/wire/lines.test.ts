import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bounds, doneLine, lineReader, takenLine, toLine, type LineBounds } from '../../src/wire/wire.ts'

type Told = { readonly object: unknown } | { readonly refused: string }

const encoder = new TextEncoder()
const bytes = (text: string): Uint8Array => encoder.encode(text)

/** What a reader tells of these chunks. */
const read = (chunks: readonly Uint8Array[], limits: LineBounds = bounds): Told[] => {
  const told: Told[] = []
  const feed = lineReader(limits, {
    object: (object) => told.push({ object }),
    refused: (refused) => told.push({ refused }),
  })
  for (const chunk of chunks) feed(chunk)
  return told
}

/** Cuts bytes at any places. */
const cut = (whole: Uint8Array, places: readonly number[]): Uint8Array[] => {
  const at = [0, ...places.map((place) => place % (whole.length + 1)).toSorted((a, b) => a - b), whole.length]
  return at.slice(1).map((end, index) => whole.subarray(at[index], end))
}

const line = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })).map((value) => bytes(toLine(value))),
  },
  { weight: 1, arbitrary: fc.string().map((text) => bytes(`${text}\n`)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((raw) => Uint8Array.of(...raw, 10)) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1, max: 9 }).map((depth) => bytes(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}\n`)),
  },
)

test('However a stream is cut into chunks, the same frames and refusals come out', () => {
  const small = { frameBytes: 60, jsonDepth: 5 }
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 40 }), (lines, places) => {
      const whole = Buffer.concat(lines)
      expect(read(cut(whole, places), small)).toEqual(read([whole], small))
    }),
    { numRuns: 1_000 },
  )
})

test('Every frame that is written is read back', () => {
  fc.assert(
    fc.property(fc.array(fc.dictionary(fc.string(), fc.jsonValue())), fc.array(fc.nat()), (frames, places) => {
      const expected = frames.map((frame) => ({ object: JSON.parse(JSON.stringify(frame)) as unknown }))
      expect(read(cut(bytes(frames.map(toLine).join('')), places))).toEqual(expected)
    }),
  )
})

test('What is written as a line at once reads as the frame would', () => {
  const id = fc.oneof(fc.nat(), fc.string())
  fc.assert(
    fc.property(id, fc.string(), fc.string(), fc.option(fc.jsonValue()), (number, agent, attempt, value) => {
      expect(read([bytes(takenLine(number))])).toEqual([{ object: { jsonrpc: '2.0', id: number, result: null } }])
      const text = value === null ? undefined : JSON.stringify(value)
      const params = { agent, attempt, ...(text === undefined ? {} : { result: JSON.parse(text) as unknown }) }
      const object = { jsonrpc: '2.0', id: 7, method: 'done', params }
      expect(read([bytes(doneLine(7, { agent, attempt }, text))])).toEqual([{ object }])
    }),
  )
})

test.for(['garbage', '{"a":', '[]', '"text"', '1', 'null', '{}{}', "{'a':1}", '{"a":NaN}', '\u0000', '{"a":1}\u0000'])(
  'The line %j is refused, and the next is read as usual',
  (garbage) => {
    expect(read([bytes(`{"a":1}\n${garbage}\n{"b":2}\n`)])).toEqual([
      { object: { a: 1 } },
      { refused: 'frame-invalid' },
      { object: { b: 2 } },
    ])
  },
)

test.for([
  ['an overlong slash', [0xc0, 0xaf]],
  ['an overlong NUL', [0xc0, 0x80]],
  ['half a surrogate pair', [0xed, 0xa0, 0x80]],
  ['a lone continuation', [0x80]],
  ['a cut character', [0xe2, 0x82]],
  ['a point beyond Unicode', [0xf5, 0x80, 0x80, 0x80]],
] as const)('A line with %s is no UTF-8 and is refused', ([, raw]) => {
  const chunk = Buffer.concat([bytes('{"a":"'), Uint8Array.from(raw), bytes('"}\n{"b":2}\n')])
  expect(read([chunk])).toEqual([{ refused: 'frame-invalid' }, { object: { b: 2 } }])
})

test('A byte order mark, blank lines and CRLF do no harm', () => {
  expect(read([bytes('\ufeff{"a":1}\r\n\r\n  \n\n{"b":2}\r\n')])).toEqual([{ object: { a: 1 } }, { object: { b: 2 } }])
})

test('A key named like the prototype stays a key', () => {
  const [told] = read([bytes('{"__proto__":{"polluted":1},"constructor":2}\n')])
  const value = (told as { object: Record<string, unknown> }).object
  expect(Object.keys(value)).toEqual(['__proto__', 'constructor'])
  expect((value as { polluted?: number }).polluted).toBeUndefined()
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
})

test('A frame may be as large as its bound, and no byte larger', () => {
  const frame = (size: number): string => `{"a":"${'x'.repeat(size - 8)}"}\n`
  expect(read([bytes(frame(100))], { frameBytes: 100, jsonDepth: 9 })).toHaveLength(1)
  expect(read([bytes(frame(100))], { frameBytes: 100, jsonDepth: 9 })[0]).toHaveProperty('object')
  const tooLarge = read(cut(bytes(`${frame(101)}{"b":2}\n`), [7, 50]), { frameBytes: 100, jsonDepth: 9 })
  expect(tooLarge).toEqual([{ refused: 'frame-too-large' }, { object: { b: 2 } }])
})

test('A line without end is refused once, holds no memory, and the stream goes on behind it', () => {
  const told: Told[] = []
  const feed = lineReader(bounds, {
    object: (object) => told.push({ object }),
    refused: (refused) => told.push({ refused }),
  })
  // One chunk again and again stands for a gigabyte: whatever the reader kept would keep the count of its bytes alive.
  const chunk = new Uint8Array(1_048_576).fill(120)
  const before = process.memoryUsage().arrayBuffers
  for (let sent = 0; sent < 1_024; sent += 1) feed(chunk.slice())
  expect(told).toEqual([{ refused: 'frame-too-large' }])
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(512 * 1_048_576)
  feed(bytes('\n{"b":2}\n'))
  expect(told).toEqual([{ refused: 'frame-too-large' }, { object: { b: 2 } }])
})

test('A frame that drips in byte by byte is read', () => {
  const frame = { text: 'y'.repeat(5_000) }
  expect(read([...bytes(toLine(frame))].map((byte) => Uint8Array.of(byte)))).toEqual([{ object: frame }])
})

test('A bomb of brackets is refused before it is parsed', () => {
  const deep = `{"a":${'['.repeat(200_000)}`
  const parse = JSON.parse
  let parsed = 0
  JSON.parse = (...given: Parameters<typeof parse>) => {
    parsed += 1
    return parse(...given) as unknown
  }
  try {
    expect(read([bytes(`${deep}\n{"b":2}\n`)])).toEqual([{ refused: 'frame-too-deep' }, { object: { b: 2 } }])
    expect(parsed).toBe(1)
  } finally {
    JSON.parse = parse
  }
})

test('Depth counts nesting, not brackets inside of texts', () => {
  const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}\n`
  expect(read([bytes(nested(64))])[0]).toHaveProperty('object')
  expect(read([bytes(nested(65))])).toEqual([{ refused: 'frame-too-deep' }])
  const text = `${'['.repeat(500)}\\"${'{'.repeat(500)}`
  expect(read([bytes(toLine({ text }))])).toEqual([{ object: { text } }])
})
