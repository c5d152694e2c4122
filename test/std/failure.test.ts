import fc from 'fast-check'
import { expect, test } from 'vitest'
import { asFailure, assert, canonicalJson, codes, Failure, failure, stopAll, type Code } from '../../src/std/std.ts'

const all = Object.keys(codes) as Code[]

test('A failure has the kind of its code, its facts, and the cause that it came from', () => {
  const cause = new Error('disk')
  for (const code of all) {
    const one = failure(code, 'told', { cause, facts: { path: '/a' }, retryAfterMs: 5 })
    expect(one).toMatchObject({
      code,
      kind: codes[code].kind,
      message: 'told',
      facts: { path: '/a' },
      retryAfterMs: 5,
      cause,
    })
    expect(one).toBeInstanceOf(Error)
  }
  expect('cause' in failure('bug', 'alone')).toBe(false)
})

test('Each code has an HTTP status and an exit code that its kind allows', () => {
  const exits = [1, 2, 3, 5, 6, 69, 75, 124]
  for (const code of all) {
    const { kind, status, exit } = codes[code]
    expect(exits, code).toContain(exit)
    expect(status, code).toBeGreaterThanOrEqual(400)
    expect(status, code).toBeLessThan(600)
    // Trying again is advised only for what may pass by itself.
    if (exit === 75) expect([code, kind === 'transient' || status === 429]).toEqual([code, true])
  }
})

test('Whatever is thrown becomes a failure, and one of ours stays what it is', () => {
  const ours = failure('stale', 'old')
  expect(asFailure(ours)).toBe(ours)
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: true, withBigInt: true }), (thrown) => {
      const one = asFailure(thrown)
      expect(one.code).toBe('bug')
      expect(typeof one.message).toBe('string')
    }),
  )
  expect(asFailure(new TypeError('odd'))).toMatchObject({ code: 'bug', message: 'odd' })
})

test('The impossible is a bug', () => {
  expect(() => assert(false, 'two is one')).toThrow(expect.objectContaining({ code: 'bug', message: 'two is one' }))
  expect(() => assert(1, 'fine')).not.toThrow()
})

test('Canonical JSON does not depend on the order in which a value was built', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const turned = Object.fromEntries(Object.entries(value).toReversed())
      expect(canonicalJson(turned)).toBe(canonicalJson(value))
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
    }),
  )
})

test.for([
  [NaN, 'invalid'],
  [Infinity, 'invalid'],
  ['\ud800', 'invalid'],
  [{ '\udfff': 1 }, 'invalid'],
  [{ amount: 1n }, 'invalid'],
  [undefined, 'bug'],
  [() => 1, 'bug'],
] as const)('What has no canonical form is refused (%o: %s)', ([value, code]) => {
  expect(() => canonicalJson(value)).toThrow(expect.objectContaining({ code }))
})

test('Services stop in reverse order, all of them, and the first error is told', async () => {
  const stopped: string[] = []
  const service = (name: string, error?: Error) => ({
    stop: async () => {
      stopped.push(name)
      if (error) throw error
    },
  })
  const services = [service('store'), service('fleet', new Error('second')), service('doors', new Error('first'))]
  await expect(stopAll(services)).rejects.toThrow('first')
  expect(stopped).toEqual(['doors', 'fleet', 'store'])
})

test('A failure is an Error to whoever knows nothing of us', () => {
  expect(new Failure('bug', 'x')).toMatchObject({ name: 'Failure', message: 'x' })
})
