import { expect, test } from 'vitest'
import { isPublic, mayConnect } from '../../src/gateway/address.ts'
import { moneyMatches, parseRoute, plainTarget, routeMatches } from '../../src/gateway/path.ts'

test('only public unicast addresses are public', () => {
  for (const address of [
    '8.8.8.8',
    '1.1.1.1',
    '172.15.0.1',
    '172.32.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '2a00:1450:4001::200e',
  ]) {
    expect([address, isPublic(address)]).toEqual([address, true])
  }
  for (const address of [
    '0.0.0.0',
    '10.1.2.3',
    '127.0.0.1',
    '127.1',
    '169.254.169.254',
    '172.16.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:8.8.8.8',
    '::ffff:808:808',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001:0:1::',
    'fe80::1',
    'fe80::1%eth0',
    'fc00::1',
    'ff02::1',
    'x',
    '',
  ]) {
    expect([address, isPublic(address)]).toEqual([address, false])
  }
})

test('a grant is for host and port together, and a name never covers link-local', () => {
  const to = { host: 'bank.internal', address: '10.0.0.7', port: 443 }
  expect(mayConnect(to, [])).toBe(false)
  expect(mayConnect(to, ['bank.internal:443'])).toBe(true)
  expect(mayConnect(to, ['bank.internal:80', '10.0.0.7:80'])).toBe(false)
  expect(mayConnect(to, ['10.0.0.7:443'])).toBe(true)
  expect(mayConnect({ ...to, address: '169.254.169.254' }, ['bank.internal:443'])).toBe(false)
  expect(mayConnect({ ...to, address: '169.254.169.254' }, ['169.254.169.254:443'])).toBe(true)
  expect(mayConnect({ host: '::1', address: '::1', port: 80 }, ['[::1]:80'])).toBe(true)
})

test('a target is brought to one plain form or refused', () => {
  expect(plainTarget('/v1/%41ccounts/a%20b?x=%2F')).toMatchObject({
    path: '/v1/Accounts/a%20b',
    query: '?x=%2F',
    segments: ['v1', 'Accounts', 'a%20b'],
  })
  expect(plainTarget('/v1/a/')?.segments).toEqual(['v1', 'a', ''])
  for (const target of [
    '',
    'v1',
    '/a/../b',
    '/a/./b',
    '/a/%2e/b',
    '/a/.%2E',
    '/a%2fb',
    '/a%5Cb',
    '/a\\b',
    '/a%00',
    '/a%0a',
    '/a//b',
    '//a',
    '/a%25b',
    '/a%2',
    '/a b',
    '/ä',
    '/a#b',
    '/a?b c',
    '/a?b%zz',
    '/a?\r\nx',
    `/${'a'.repeat(9_000)}`,
  ]) {
    expect([target, plainTarget(target)]).toEqual([target, undefined])
  }
})

test('routes match by whole segments, and money routes by every spelling', () => {
  const below = parseRoute('GET /v1/**')
  expect(routeMatches(below, 'GET', ['v1', 'a', 'b'])).toBe(true)
  expect(routeMatches(below, 'GET', ['v1'])).toBe(false)
  expect(routeMatches(below, 'POST', ['v1', 'a'])).toBe(false)
  expect(routeMatches(below, 'GET', ['v11', 'a'])).toBe(false)
  expect(routeMatches(parseRoute('GET /v1/*/x'), 'GET', ['v1', 'a', 'x'])).toBe(true)
  expect(routeMatches(parseRoute('POST /v1/payouts'), 'POST', ['v1', 'PAYOUTS'])).toBe(false)
  const money = parseRoute('POST /v1/payouts')
  for (const path of ['/v1/payouts', '/V1/Payouts', '/v1/payouts/', '/v1/payouts;a=b', '/v1;x/payouts']) {
    expect([path, moneyMatches(money, 'POST', plainTarget(path)!.segments)]).toEqual([path, true])
  }
  expect(moneyMatches(money, 'POST', ['v1', 'payoutsx'])).toBe(false)
  expect(moneyMatches(money, 'GET', ['v1', 'payouts'])).toBe(false)
})
