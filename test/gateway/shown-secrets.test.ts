/** A host that says back what it was shown by other calls than the one that it answers. */
import { afterEach, expect, test } from 'vitest'
import { openShownSecrets } from '../../src/gateway/shown-secrets.ts'
import { openRotationWorld, rotation, rulesOf } from '../vault/rotation/world.ts'
import { openBy, openSocketUpstream } from './sockets/ends.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})
const person = rotation({ rotator: { by: 'person' } })
const [first, second, third] = ['the-first-secret-1', 'the-second-secret-2', 'the-third-secret-3']

test('versions of before, and others of a pool, do not come back either', async () => {
  const upstream = await openUpstream()
  const opened = await openRotationWorld(upstream as never, rulesOf(upstream, person, ['bank-a', 'bank-b']))
  closing.push(opened.close)
  const shown = new Set<string>()
  upstream.answer(({ headers }, response) => {
    shown.add(String(headers['authorization']).slice(7))
    const told = [...shown].map((one) => `${one} ${Buffer.from(`x:${one}`).toString('base64')}`)
    response.writeHead(shown.has(second) && !shown.has(third) ? 401 : 200, { 'x-echo': [...shown].join() })
    response.end(told.join('\n'))
  })
  const said: string[] = []
  const call = async (): Promise<void> => void said.push(JSON.stringify(await opened.call()))
  await opened.set(first, 'bank-a')
  await call()
  await opened.set(second, 'bank-a')
  await opened.set(third, 'bank-b')
  // The second version is refused, and the pool goes on.
  for (let time = 0; time < 3; time += 1) await call()
  expect([...shown]).toEqual([first, second, third])
  const hidden = (secret: string): string => Buffer.from(`x:${secret}`).toString('base64').slice(4, 20)
  for (const secret of shown) for (const form of [secret, hidden(secret)]) expect(said.join('\n')).not.toContain(form)
  expect(said.at(-1)!.match(/\*{18}/g)!.length).toBeGreaterThanOrEqual(6)
})

test('nor in a socket that was opened before they were shown', async () => {
  const far = await openSocketUpstream()
  const rules = rulesOf(far.upstream, person)
  const bank = { ...rules.upstreams['bank']!, allow: ['WEBSOCKET /v1/**'] }
  const opened = await openRotationWorld(far.upstream as never, { ...rules, upstreams: { bank } })
  closing.push(opened.close)
  await opened.set(first)
  const old = await openBy(opened.door, '/bank/v1/stream')
  await opened.set(second)
  await openBy(opened.door, '/bank/v1/stream')
  expect(far.handshakes.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${first}`, `Bearer ${second}`])
  old.socket.send(`${first} ${second} ${third}`)
  expect(await old.next()).toBe(`${'*'.repeat(first.length)} ${'*'.repeat(second.length)} ${third}`)
})

test('what was not shown for an hour, and what is older than six others, is forgotten; the list is the same as long as it can be', () => {
  let nowMs = 0
  const shown = openShownSecrets({ monoMs: () => nowMs })
  const all = shown.add('a', ['one'])
  expect(shown.add('a', ['one'])).toBe(all)
  expect(shown.add('b', ['else'])).toEqual(['else'])
  nowMs = 3_000_000
  const both = shown.add('a', ['two', 'name'])
  expect(both).toEqual(['name', 'one', 'two'])
  expect(shown.add('a', ['one'])).toBe(both)
  nowMs = 6_500_000
  expect(shown.add('a', ['one'])).toBe(both)
  nowMs = 6_700_000
  expect(shown.add('a', ['one'])).toEqual(['one'])
  for (const key of ['2', '3', '4', '5', '6', '7']) shown.add('a', [key])
  expect(shown.of('a')).toEqual(['2', '3', '4', '5', '6', '7'])
  expect(shown.of('nowhere')).toEqual([])
})
