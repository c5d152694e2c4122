/** B15 and S6: an upstream that sends its caller elsewhere gets nobody there, and no credential. */
import { afterEach, expect, test } from 'vitest'
import { openDoorTo } from './door.ts'
import { canary, fetchBy, grantFor, rulesFor, setSecret } from './harness.ts'
import { listenAt, type Listener } from './listeners.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = async () => {
  const upstream = await openUpstream()
  const elsewhere: Listener = await listenAt('127.0.0.1')
  const opened = await openDoorTo(upstream)
  closing.push(opened.close, elsewhere.close)
  return { ...opened, elsewhere }
}

/** Where a redirect may point, and the headers by which answers have moved callers. */
const movers = (port: number): readonly (readonly [number, Readonly<Record<string, string>>])[] => [
  ...[300, 301, 302, 303, 305, 307, 308].map((status) => [status, { location: `http://127.0.0.1:${port}/x` }] as const),
  [302, { location: `//127.0.0.1:${port}/x` }],
  [302, { location: `http://user:pw@127.0.0.1:${port}/x` }],
  [302, { location: `http://169.254.169.254/latest/meta-data/` }],
  [302, { location: '/v1/payouts' }],
  [200, { refresh: `0; url=http://127.0.0.1:${port}/x` }],
  [200, { 'alt-svc': `h2="127.0.0.1:${port}"`, 'content-location': `http://127.0.0.1:${port}/x` }],
  [200, { link: `<http://127.0.0.1:${port}/x>; rel=preload` }],
  [401, { 'www-authenticate': `Bearer realm="http://127.0.0.1:${port}/x"` }],
  [407, { 'proxy-authenticate': 'Basic' }],
]

test('B15: an answer that moves its caller comes home as it is; the gate goes nowhere, for agents and for payments', async () => {
  const { door, upstream, elsewhere, sitter } = await world()
  for (const [status, headers] of movers(elsewhere.port)) {
    upstream.answer((_seen, response) => {
      response.writeHead(status, headers)
      response.end('moved')
    })
    const answer = await fetchBy(door, { method: 'POST', path: '/bank/v1/a', body: 'x' })
    expect([headers, answer.status, answer.body]).toEqual([headers, status, 'moved'])
    const grant = grantFor()
    sitter.link.grant([grant])
    expect([headers, (await sitter.callOf(grant.grant)).outcome]).toEqual([
      headers,
      expect.objectContaining({ kind: 'answered', status }),
    ])
  }
  expect(upstream.seen).toHaveLength(2 * movers(0).length)
  expect(elsewhere.connections()).toBe(0)
})

test('B15: following a redirect is another call, which the allow-list refuses where it leads away', async () => {
  const { door, upstream, elsewhere } = await world()
  upstream.answer((_seen, response) => {
    response.writeHead(302, { location: `http://127.0.0.1:${elsewhere.port}/x` })
    response.end()
  })
  const { headers } = await fetchBy(door, { path: '/bank/v1/a' })
  for (const path of [headers.location!, `/bank/${headers.location}`, `/bank//127.0.0.1:${elsewhere.port}/x`])
    expect([path, (await fetchBy(door, { path })).status]).toEqual([path, 403])
  expect(elsewhere.connections()).toBe(0)
  expect(upstream.seen).toHaveLength(1)
})

test('S6: two upstreams with a credential each never see that of the other, also when one moves while calls go on', async () => {
  const { door, upstream, place: _place, take, sitter } = await world()
  const other = await openUpstream()
  closing.push(other.close)
  const rules = rulesFor(upstream)
  const { bank } = rules.upstreams
  const shop = { ...bank!, name: 'shop', url: `http://${other.host}`, grant: [other.host], credential: 'shop' }
  const both = {
    ...rules,
    upstreams: { bank: bank!, shop },
    credentials: { ...rules.credentials, shop: { name: 'shop', pool: [] } },
  }
  await take(both)
  await setSecret(sitter, 'canary-of-the-shop-91', 'shop')
  sitter.link.openCell({
    cell: 'cel_1',
    socketPath: door,
    type: 'payer',
    agents: ['payer/0001'],
    upstreams: ['bank', 'shop'],
  })
  // Frames of a link are worked on in order: once this is answered, the cell has its new list.
  await sitter.link.status()
  await Promise.all(
    Array.from({ length: 40 }, (_, index) => fetchBy(door, { path: index % 2 === 0 ? '/bank/v1/a' : '/shop/v1/a' })),
  )
  // The bank moves to where the shop is: its connections of before are not used for the new address, or the other way.
  await take({ ...both, upstreams: { bank: { ...bank!, url: shop.url, grant: shop.grant }, shop } })
  await Promise.all(Array.from({ length: 20 }, () => fetchBy(door, { path: '/bank/v1/moved' })))
  expect(upstream.seen.map(({ headers, url }) => [headers['authorization'], url])).toEqual(
    Array.from({ length: 20 }, () => [`Bearer ${canary}`, '/v1/a']),
  )
  for (const { url, headers } of other.seen)
    expect(headers['authorization']).toBe(url === '/v1/moved' ? `Bearer ${canary}` : 'Bearer canary-of-the-shop-91')
  expect(other.seen).toHaveLength(40)
})
