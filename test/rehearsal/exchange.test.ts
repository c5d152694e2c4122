/** The rehearsal of an exchange in the form of Binance: its limits, bans and signatures, and what its log tells. */
import { expect, onTestFinished, test } from 'vitest'
import { hmac } from '../../src/gateway/signers/binance.ts'
import { checkSigned } from '../../src/rehearsal/exchange/signed.ts'
import { openWeights, publishedRules } from '../../src/rehearsal/exchange/weights.ts'
import { startRehearsal, type RehearsalOptions } from '../../src/rehearsal/rehearsal.ts'
import { linesIn, newDirectory } from './bank.ts'

const minuteMs = 60_000
const asked = { address: '198.51.100.7', account: null, api: 'api', ip: 50, uid: 0 } as const

test('Weights count in the minutes of its clock, refused or not, and one over is told until when', () => {
  const weights = openWeights()
  const atMs = 100 * minuteMs + 30_000
  for (let call = 1; call <= 120; call += 1)
    expect(weights.enter(atMs, asked)).toEqual({
      is: 'in',
      retryAfterS: null,
      headers: { 'x-mbx-used-weight-1m': String(call * 50) },
    })
  expect(weights.enter(atMs, asked)).toEqual({
    is: 'limited',
    retryAfterS: 30,
    headers: { 'x-mbx-used-weight-1m': '6050' },
  })
  expect(weights.enter(atMs, { ...asked, address: '198.51.100.8' }).is).toBe('in')
  expect(weights.enter(101 * minuteMs, asked)).toMatchObject({ is: 'in', headers: { 'x-mbx-used-weight-1m': '50' } })
})

test('Accounts have weights of their own, whatever address they come from', () => {
  const weights = openWeights()
  const pay = (address: string, account: string) =>
    weights.enter(0, { address, account, api: 'sapi', ip: 0, uid: 18_000 })
  for (let call = 1; call <= 10; call += 1) expect(pay(`198.51.100.${call}`, 'one').is).toBe('in')
  expect(pay('198.51.100.99', 'one')).toMatchObject({
    is: 'limited',
    headers: { 'x-sapi-used-uid-weight-1m': '198000' },
  })
  expect(pay('198.51.100.99', 'two').is).toBe('in')
})

test('Who goes on after a refusal is banned by address, twice as long each time and three days at most', () => {
  const weights = openWeights()
  const heavy = { ...asked, ip: 6_001 }
  let nowMs = 0
  let beforeS = 60
  for (let ban = 0; ban < 15; ban += 1) {
    const told = Array.from({ length: publishedRules.mercy + 1 }, () => weights.enter(nowMs, heavy).is)
    expect(new Set(told)).toEqual(new Set(['limited']))
    const { is, retryAfterS } = weights.enter(nowMs, heavy)
    expect(is).toBe('banned')
    expect(retryAfterS).toBe(Math.min(259_200, 2 * beforeS))
    expect(weights.enter(nowMs + retryAfterS! * 1_000 - 1, { ...asked, ip: 1 }).is).toBe('banned')
    beforeS = retryAfterS!
    nowMs += retryAfterS! * 1_000
    expect(weights.enter(nowMs, { ...asked, ip: 1 }).is).toBe('in')
    nowMs += minuteMs
  }
})

const key = {
  id: 'vector',
  secret: 'NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j',
  account: 'one',
}
const keys = new Map([[key.id, key]])
const sentMs = 1_499_827_319_559

test('It takes the signature that the published pages give for their example, and no other', () => {
  const query =
    'symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559'
  const signature = 'c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71'
  const check = (text: string, at = sentMs, keyId: string | undefined = key.id) =>
    checkSigned({ query: text, body: '', keyId }, keys, at)
  expect(check(`${query}&signature=${signature}`)).toEqual({ key })
  expect(check(`${query}&signature=${signature.replace('c', 'd')}`)).toMatchObject({ status: 400, code: -1022 })
  expect(check(query)).toMatchObject({ code: -1022 })
  expect(check(`${query}&signature=${signature}`, sentMs + 5_001)).toMatchObject({ code: -1021 })
  expect(check(`${query}&signature=${signature}`, sentMs - 1_000)).toMatchObject({ code: -1021 })
  expect(check(`${query}&signature=${signature}`, sentMs, 'nobody')).toMatchObject({ status: 401, code: -2015 })
})

const open = async (options: Partial<RehearsalOptions> = {}) => {
  const directory = options.directory ?? (await newDirectory())
  const running = await startRehearsal({
    name: 'x',
    kind: 'exchange',
    port: 0,
    rate: 100,
    seed: 1,
    ...options,
    directory,
  })
  onTestFinished(() => running.stop())
  const signer = hmac('X-MBX-APIKEY', 5_000)
  const ask = (method: string, path: string, query = '') => {
    const [, host] = running.url.split('//')
    const toSign = { method, path, query, host: host!, headers: [], body: null, nowMs: Date.now() }
    const signed = signer.sign(toSign, running.token())
    return fetch(`${running.url}${path}${signed.query ?? query}`, {
      method,
      headers: Object.fromEntries(signed.headers),
    })
  }
  return { running, ask, directory, lines: () => linesIn(directory) }
}

test('What the gate signs it takes; a withdrawal is paid each time that it is asked for, and found after a restart', async () => {
  const first = await open()
  const withdraw = '?coin=XTS&address=a1&amount=1.5&withdrawOrderId=o1'
  expect((await first.ask('GET', '/api/v3/account')).status).toBe(200)
  for (const id of ['w2', 'w3']) {
    const answer = await first.ask('POST', '/sapi/v1/capital/withdraw/apply', withdraw)
    expect(await answer.json()).toEqual({ id })
  }
  const lines = await first.lines()
  expect(lines.filter(({ kind }) => kind === 'withdrawn')).toMatchObject([
    { key: 'o1', payee: 'a1', amount: '1.5', currency: 'XTS' },
    { key: 'o1' },
  ])
  const refused = await fetch(`${first.running.url}/api/v3/account`)
  expect([refused.status, await refused.json()]).toMatchObject([401, { code: -2015 }])
  await first.running.stop()
  const second = await open({ directory: first.directory })
  const found = await second.ask('GET', '/sapi/v1/capital/withdraw/history', '?withdrawOrderId=o1')
  expect(found.headers.get('x-sapi-used-uid-weight-1m')).toBe('18000')
  expect(await found.json()).toHaveLength(2)
})

test('It can be told to ban its client, and says so to whoever comes from there', async () => {
  const { running, lines } = await open({ exchange: { rules: { ip: 2 } } })
  const [, token] = running.token().split(':')
  const ban = (seconds: unknown, bearer = token) =>
    fetch(`${running.url}/_rehearsal/ban`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bearer}` },
      body: JSON.stringify({ seconds }),
    })
  const ping = () => fetch(`${running.url}/api/v3/ping`)
  expect([(await ping()).status, (await ping()).status, (await ping()).status]).toEqual([200, 200, 429])
  expect((await ban(60, 'nobody')).status).toBe(401)
  expect((await ban('long')).status).toBe(400)
  expect((await ban(60)).status).toBe(200)
  const answer = await ping()
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([418, '60'])
  expect((await lines()).map(({ kind }) => kind)).toEqual([
    'answered',
    'answered',
    'over-limit',
    'unauthorized',
    'invalid',
    'faults',
    'banned',
  ])
})
