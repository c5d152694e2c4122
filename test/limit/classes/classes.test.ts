/** What answers mean, with and without knowing the provider: a table. */
import { expect, test } from 'vitest'
import { profiles } from '../../../src/config/profiles.ts'
import { classify, isFailure, isSafe, type Answer } from '../../../src/limit/classes/classes.ts'
import { limitProblem } from '../../../src/limit/classes/problems.ts'
import type { AnswerClass } from '../../../src/model/model.ts'

const answer = (status: number | null, body = '', limited = false): Answer => ({ status, body, limited })

const defaults: readonly (readonly [number | null, boolean, AnswerClass, AnswerClass])[] = [
  // status, asks for a wait; class when it changes nothing, class when it may have changed something
  [200, false, 'succeeded', 'succeeded'],
  [304, false, 'succeeded', 'succeeded'],
  [400, false, 'permanent', 'permanent'],
  [401, false, 'credential', 'credential'],
  [402, false, 'funds', 'funds'],
  [403, false, 'credential', 'credential'],
  [403, true, 'limited', 'limited'],
  [404, false, 'permanent', 'permanent'],
  [408, false, 'transient', 'transient'],
  [409, false, 'transient', 'unknown'],
  [422, false, 'permanent', 'permanent'],
  [429, false, 'limited', 'limited'],
  [500, false, 'transient', 'unknown'],
  [501, false, 'permanent', 'permanent'],
  [503, true, 'transient', 'unknown'],
  [529, false, 'transient', 'unknown'],
  [null, false, 'transient', 'unknown'],
]
for (const [status, limited, safe, changing] of defaults) {
  test(`By default ${status ?? 'a lost answer'}${limited ? ' with a wait' : ''} is ${safe} to a read, ${changing} to a change`, () => {
    expect(classify(null, true, answer(status, '', limited))).toBe(safe)
    expect(classify(null, false, answer(status, '', limited))).toBe(changing)
  })
}

const known: readonly (readonly [string, boolean, number, unknown, AnswerClass])[] = [
  ['binance', false, 429, { code: -1003 }, 'limited'],
  ['binance', false, 418, { code: -1003 }, 'limited'],
  ['binance', false, 400, { code: -1021 }, 'transient'],
  ['binance', false, 400, { code: -1007 }, 'unknown'],
  ['binance', true, 400, { code: -1007 }, 'transient'],
  ['binance', true, 400, { code: -1008 }, 'transient'],
  ['binance', false, 400, { code: -1008 }, 'unknown'],
  ['binance', true, 400, { code: -1001 }, 'transient'],
  ['binance', false, 400, { code: -2010, msg: 'Market is closed.' }, 'funds'],
  ['binance', false, 400, { code: -1022 }, 'credential'],
  ['binance', false, 400, { code: -2010, msg: 'Account has insufficient balance for requested action.' }, 'funds'],
  ['binance', false, 400, { code: -2010, msg: 'Duplicate order sent.' }, 'unknown'],
  ['binance', false, 400, { code: -1102 }, 'permanent'],
  ['binance', false, 403, '<html>', 'limited'],
  ['binance', false, 502, '', 'unknown'],
  ['paypal', false, 400, { name: 'USER_BUSINESS_ERROR', details: [{ issue: 'Duplicate batch request' }] }, 'unknown'],
  ['paypal', false, 400, { name: 'VALIDATION_ERROR' }, 'permanent'],
  ['paypal', false, 422, { name: 'INSUFFICIENT_FUNDS' }, 'funds'],
  ['stripe', false, 409, { error: { code: 'idempotency_key_in_use' } }, 'transient'],
  ['stripe', false, 429, { error: { code: 'lock_timeout' } }, 'transient'],
  ['github', true, 403, { message: 'You have exceeded a secondary rate limit.' }, 'limited'],
  ['github', true, 403, { message: 'Resource not accessible' }, 'credential'],
  ['openai', false, 429, { error: { code: 'insufficient_quota' } }, 'funds'],
  ['anthropic', false, 529, { error: { type: 'overloaded_error' } }, 'transient'],
]
for (const [name, safe, status, body, expected] of known) {
  test(`${name}: ${status} ${JSON.stringify(body).slice(0, 60)} is ${expected} to a ${safe ? 'read' : 'change'}`, () => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    expect(classify(profiles[name]!, safe, answer(status, text))).toBe(expected)
  })
}

const typed = (type: string, more: object = {}): string =>
  JSON.stringify({ type: `https://iana.org/assignments/http-problem-types#${type}`, ...more })

test('A problem document of a limit says that nothing was done, whatever its status; what only looks like one does not', () => {
  for (const type of ['quota-exceeded', 'temporary-reduced-capacity', 'abnormal-usage-detected'])
    for (const status of [400, 403, 503]) expect(classify(null, false, answer(status, typed(type)))).toBe('limited')
  const others = [
    typed('quota-exceeded-not'),
    typed('quota-exceeded').slice(0, -1),
    '{"type":"quota-exceeded"}',
    '{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded/x"}',
    '{"type":["https://iana.org/assignments/http-problem-types#quota-exceeded"]}',
  ]
  for (const body of others) expect(classify(null, false, answer(503, body))).toBe('unknown')
  // Nothing but what it says: a success stays one.
  expect(classify(null, false, answer(200, typed('quota-exceeded')))).toBe('succeeded')
})

test('The policies that were violated are read by name; what is malformed names none', () => {
  const of = (violated: unknown): unknown => limitProblem(typed('quota-exceeded', { 'violated-policies': violated }))
  expect(of(['burst', 'per day'])).toEqual({ violated: ['burst', 'per-day'] })
  expect(of([1, null, { a: 1 }, 'day'])).toEqual({ violated: ['day'] })
  for (const odd of [undefined, 'burst', { 0: 'burst' }, 7]) expect(of(odd)).toEqual({ violated: [] })
  expect(limitProblem(typed('about'))).toBeUndefined()
})

test('A body that is no JSON, is too large, or hides its code elsewhere has no code', () => {
  const profile = { ...profiles['binance']!, codeAt: ['__proto__.code', 'a.b.c'] }
  for (const body of ['', '[', 'null', '{"a":{"b":null}}', `{"code":-1003,"x":"${'y'.repeat(70_000)}"}`])
    expect(classify(profile, true, answer(400, body))).toBe('permanent')
})

test('Only what the upstream itself did badly is held against it', () => {
  expect(isFailure('succeeded', 200)).toBe(false)
  expect(isFailure('unknown', null)).toBe(true)
  expect(isFailure('transient', 500)).toBe(true)
  expect(isFailure('transient', null)).toBe(true)
  for (const [of, status] of [
    ['transient', 408],
    ['limited', 429],
    ['credential', 401],
    ['funds', 402],
    ['permanent', 404],
  ] as const)
    expect(isFailure(of, status)).toBeNull()
  expect(['GET', 'HEAD', 'OPTIONS', 'POST', 'DELETE'].map(isSafe)).toEqual([true, true, true, false, false])
})
