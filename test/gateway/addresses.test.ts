/** B12 and B13: whatever a name or an address is written as, what is connected to is what was checked. */
import { afterEach, expect, test } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import { mayConnect } from '../../src/gateway/address.ts'
import type { Ended } from '../../src/gateway/exchange.ts'
import { openOutbound, type Resolve } from '../../src/gateway/outbound.ts'
import { realClock } from '../../src/std/real/real.ts'
import { listenAt, listenOn, resolverOf, type Answering, type Listener } from './listeners.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const listening = async (addresses: readonly string[], answer?: Answering): Promise<readonly Listener[]> => {
  const opened = await listenOn(addresses, answer)
  closing.push(async () => {
    await Promise.all(opened.map((one) => one.close()))
  })
  return opened
}

/** One GET by the wire of an upstream; its end, and its status when it was answered. */
const callOnce = async (
  url: string,
  grant: readonly string[],
  resolve?: Resolve,
): Promise<Ended & { status?: number }> => {
  const outbound = openOutbound({ url, grant }, realClock(), resolve)
  closing.push(() => outbound.close())
  return callBy(outbound)
}
const callBy = async (outbound: ReturnType<typeof openOutbound>): Promise<Ended & { status?: number }> => {
  let status = 0
  const flow = outbound.send(
    { method: 'GET', target: '/', headers: [], body: null, timeoutMs: 5_000 },
    {
      started: () => {},
      head: (answered) => {
        status = answered
      },
      data: () => true,
    },
  )
  return { ...(await flow.ended), status }
}

/** Every way to write this host that readers of URLs agree on, or do not. */
const waysToLoopback = [
  '127.0.0.1',
  '127.1',
  '127.0.1',
  '0x7f.1',
  '0x7f000001',
  '2130706433',
  '017700000001',
  '0177.0.0.1',
  '0177.0x0.0.1',
  '①②⑦.⓪.⓪.①',
  '１２７.０.０.１',
  '127。0。0。1',
  '127.0.0.1.',
  '0.0.0.0',
  '0',
  'localhost',
  'LOCALHOST',
  'LocalHost.',
  'localhost.',
  'ⓛⓞⓒⓐⓛⓗⓞⓢⓣ',
  '[::1]',
  '[::]',
  '[0:0:0:0:0:0:0:1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::127.0.0.1]',
  '[64:ff9b::127.0.0.1]',
  '[64:ff9b::7f00:1]',
  '[2002:7f00:1::]',
  '[2001::7f00:1]',
]

test('B12: no way of writing this host reaches it without a grant', async () => {
  const [four, six] = await listening(['127.0.0.1', '::1'])
  for (const host of waysToLoopback) {
    const url = `http://${host}:${four!.port}`
    const ended = URL.canParse(url) ? await callOnce(url, []) : { kind: 'not-sent', code: 'EADDRFORBIDDEN' }
    expect([host, ended.kind]).toEqual([host, 'not-sent'])
  }
  expect([four!.connections(), six!.connections()]).toEqual([0, 0])
  // The listeners do listen: the grant alone is what was missing.
  expect(await callOnce(`http://127.0.0.1:${four!.port}`, [`127.0.0.1:${four!.port}`])).toMatchObject({ status: 200 })
  expect(await callOnce(`http://[::1]:${six!.port}`, [`[::1]:${six!.port}`])).toMatchObject({ status: 200 })
  expect([four!.connections(), six!.connections()]).toEqual([1, 1])
})

test('B12: a URL with a user, brackets around a name, a zone, a path or a trailing dot is no upstream', () => {
  const bad = [
    'https://user@api.test',
    'https://user:pw@api.test',
    'https://api.test#@127.0.0.1',
    'https://api.test\\@127.0.0.1',
    'https://[api.test]',
    'https://[fe80::1%25eth0]',
    'https://API.test',
    'https://api.test:443',
    'https://api.test/v1',
    'https://api.test?x',
    'http://0x7f.1',
    'http://2130706433',
    'http://127.1',
    'http://①②⑦.⓪.⓪.①',
    'ftp://api.test',
    'https://',
    'https://api test',
    'https://api.test\n',
    'https://api.test.',
  ]
  const config = (url: string): unknown => ({
    name: 's',
    agents: { a: { run: { module: './a.ts' }, count: 1 } },
    upstreams: { u: { url, allow: ['GET /**'] } },
  })
  for (const url of bad) expect(() => parseConfig(config(url), '/s'), url).toThrow(/config/)
  for (const url of ['https://api.test', 'https://xn--bcher-kva.test', 'http://[::1]:81', 'http://10.0.0.1'])
    expect(() => parseConfig(config(url), '/s'), url).not.toThrow()
})

/** Where clouds keep the credentials of their machines. */
const metadata = ['169.254.169.254', '100.100.100.200', '168.63.129.16', '192.0.0.192', 'fd00:ec2::254', 'fd20:ce::254']

test('B12: a grant of a name covers private addresses, and neither metadata nor an address inside of another', () => {
  const to = (address: string) => ({ host: 'api.internal', address, port: 80 })
  const grants = ['api.internal:80']
  for (const address of ['10.0.0.7', '172.16.0.1', '192.168.1.1', '127.0.0.1', '100.64.0.1', '::1', 'fd12::1'])
    expect([address, mayConnect(to(address), grants)]).toEqual([address, true])
  const never = [
    ...metadata,
    '169.254.170.2',
    'fe80::1',
    'fe80::1%eth0',
    '0.0.0.0',
    '::',
    '255.255.255.255',
    '224.0.0.1',
    'ff02::1',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '::ffff:127.0.0.1',
    '::169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b::169.254.169.254',
    '2002:a9fe:a9fe::1',
    '2001:0:a9fe:a9fe::1',
    'FD00:EC2:0:0:0:0:0:254',
    'fd00:0ec2::0254',
    'nonsense',
    '',
  ]
  for (const address of never) expect([address, mayConnect(to(address), grants)]).toEqual([address, false])
  // By its own address each can be granted; that is somebody's decision.
  expect(mayConnect(to('169.254.169.254'), ['169.254.169.254:80'])).toBe(true)
  expect(mayConnect(to('fd00:ec2::254'), ['[fd00:ec2::254]:80'])).toBe(true)
  for (const address of metadata) expect([address, mayConnect(to(address), [])]).toEqual([address, false])
})

test('B13: a name that says another address each time it is asked reaches only those that were checked', async () => {
  const [granted, forbidden] = await listening(['127.0.0.2', '127.0.0.3'], (socket) => {
    // Closed each time, so that each call looks the name up anew.
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok')
  })
  const { port } = granted!
  const resolve = resolverOf(['127.0.0.2'], ['127.0.0.3'], ['127.0.0.2'], ['127.0.0.3', '127.0.0.2'], ['127.0.0.3'])
  const outbound = openOutbound(
    { url: `http://rebind.test:${port}`, grant: [`127.0.0.2:${port}`] },
    realClock(),
    resolve,
  )
  closing.push(() => outbound.close())
  const ends: unknown[] = []
  for (let call = 0; call < 5; call += 1) ends.push((await callBy(outbound)).kind)
  expect(ends).toEqual(['answered', 'not-sent', 'answered', 'answered', 'not-sent'])
  expect(resolve.asked()).toBe(5)
  expect([granted!.connections(), forbidden!.connections()]).toEqual([3, 0])
})

test('B13: of many addresses of one name only those that may be connected to are tried, however many are mixed in', async () => {
  const [granted, forbidden, six] = await listening(['127.0.0.2', '127.0.0.3', '::1'])
  const { port } = granted!
  const resolve = resolverOf(['127.0.0.3', '::1', '169.254.169.254', '127.0.0.2', '::ffff:127.0.0.3'])
  expect(await callOnce(`http://many.test:${port}`, [`127.0.0.2:${port}`], resolve)).toMatchObject({ status: 200 })
  expect([granted!.connections(), forbidden!.connections(), six!.connections()]).toEqual([1, 0, 0])
})

test('B13: a name that is not found, or whose resolver says nonsense, is not sent to', async () => {
  const [listener] = await listening(['127.0.0.1'])
  for (const answer of [[], ['nonsense'], ['127.0.0.1\0'], ['1.2.3'], ['::1%lo']])
    expect(await callOnce(`http://odd.test:${listener!.port}`, [], resolverOf(answer))).toMatchObject({
      kind: 'not-sent',
      code: 'EADDRFORBIDDEN',
    })
  const failing: Resolve = (_host, reply) => reply(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), [])
  expect(await callOnce(`http://none.test:${listener!.port}`, [], failing)).toMatchObject({
    kind: 'not-sent',
    code: 'ENOTFOUND',
  })
  expect(listener!.connections()).toBe(0)
})

test('B13: the real resolver of this host is checked like any: localhost needs a grant', async () => {
  const listener = await listenAt('127.0.0.1')
  closing.push(listener.close)
  expect(await callOnce(`http://localhost:${listener.port}`, [])).toMatchObject({ kind: 'not-sent' })
  expect(listener.connections()).toBe(0)
  expect(await callOnce(`http://localhost:${listener.port}`, [`localhost:${listener.port}`])).toMatchObject({
    status: 200,
  })
  expect(listener.connections()).toBe(1)
})
