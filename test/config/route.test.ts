/** Patterns of routes. */
import { expect, test } from 'vitest'
import { covers, parsePattern, parseRoute } from '../../src/config/config.ts'

const says = (pattern: string, route: string): boolean => covers(parsePattern(pattern)!, parseRoute(route, 'query')!)

test('A star stands for one segment, two at the end for one or more', () => {
  expect(says('GET /v1/*', 'GET /v1/payouts')).toBe(true)
  expect(says('GET /v1/*', 'GET /v1/payouts/7')).toBe(false)
  expect(says('GET /v1/*/items', 'GET /v1/payouts/items')).toBe(true)
  expect(says('GET /v1/**', 'GET /v1/payouts/7')).toBe(true)
  expect(says('GET /v1/**', 'GET /v1')).toBe(false)
  expect(says('GET /v1/**', 'GET /v10/x')).toBe(false)
  expect(says('GET /v1/**', 'POST /v1/payouts')).toBe(false)
  expect(says('GET /v1/payouts', 'GET /v1/payouts?key={key}')).toBe(true)
})

test('What could be read in two ways is no route', () => {
  for (const text of [
    'get /v1',
    'GET v1',
    'GET  /v1',
    'GET //v1',
    'GET /v1/',
    'GET /v1/..',
    'GET /./v1',
    'GET /v1/%2e%2e',
    'GET /v1#x',
    'GET /v1\\x',
    'GET /v1 HTTP/1.1',
    'GET /v1\r\nhost: x',
    'TRACE /v1',
    'CONNECT /v1',
    '',
    'GET',
    ' /v1',
    'GET /v1?x',
  ]) {
    expect(parseRoute(text, 'no-query'), text).toBeUndefined()
    expect(parsePattern(text), text).toBeUndefined()
  }
  for (const text of ['GET /**/x', 'GET /a*', 'GET /***']) expect(parsePattern(text), text).toBeUndefined()
})
