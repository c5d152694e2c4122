import { afterEach, expect, test } from 'vitest'
import { grantFor } from '../gateway/harness.ts'
import { openUpstream, type TestUpstream } from '../gateway/upstream.ts'
import { openRotationWorld, rotation, rulesOf, type RotationWorld } from './rotation/world.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const [first, second] = ['secret-of-member-a', 'secret-of-member-b']

const world = async (): Promise<RotationWorld & { upstream: TestUpstream; by: () => string[] }> => {
  const upstream = await openUpstream()
  const rules = rulesOf(upstream, rotation({ rotator: { by: 'person' } }), ['bank-a', 'bank-b'])
  const opened = await openRotationWorld(upstream as never, rules)
  closing.push(opened.close)
  await opened.set(first, 'bank-a')
  await opened.set(second, 'bank-b')
  const by = (): string[] => upstream.seen.map(({ headers }) => String(headers['authorization']).slice(-1))
  return { ...opened, upstream, by }
}

test('a member that is refused lets the next one go first, and every switch is told', async () => {
  const { upstream, call, by, sitter } = await world()
  upstream.answer((seen, response) => {
    response.writeHead(seen.headers['authorization'] === `Bearer ${first}` ? 401 : 200)
    response.end()
  })
  expect((await call()).status).toBe(401)
  expect((await call()).status).toBe(200)
  expect((await call()).status).toBe(200)
  expect(by()).toEqual(['a', 'b', 'b'])
  const notes = await sitter.link.vaultNotes(0)
  expect(notes.map(({ kind, message }) => [kind, message])).toEqual([
    ['credential.switched', 'calls go on with bank-b instead of bank-a'],
  ])
})

test('who looks at the gate switches nothing: a switch is told with the call that went by it', async () => {
  const { upstream, call, sitter } = await world()
  upstream.answer((_, response) => void response.writeHead(401).end())
  expect((await call()).status).toBe(401)
  for (let look = 0; look < 3; look += 1) await sitter.link.status()
  expect(await sitter.link.vaultNotes(0)).toEqual([])
  await call()
  expect(await sitter.link.vaultNotes(0)).toHaveLength(1)
})

test('when all members are refused they are still tried: the answer is the provider’s and no guess', async () => {
  const { upstream, call, by } = await world()
  upstream.answer((_, response) => {
    response.writeHead(401)
    response.end()
  })
  for (let time = 0; time < 8; time += 1) expect((await call()).status).toBe(401)
  expect(new Set(by())).toEqual(new Set(['a', 'b']))
})

test('a payment whose outcome is open keeps its member, also when another one would go first', async () => {
  const { upstream, call, sitter, by } = await world()
  const subject = 'set_open'
  upstream.answer((_, response, request) => void (response.destroyed || request.socket.destroy()))
  const lost = grantFor({}, { subject })
  sitter.link.grant([lost])
  expect((await sitter.callOf(lost.grant)).outcome.kind).toBe('lost')
  // Member a is refused for something else, so that b goes first from now on.
  upstream.answer((_, response) => {
    response.writeHead(401)
    response.end()
  })
  await call()
  upstream.answer((_, response) => {
    response.writeHead(201)
    response.end()
  })
  const again = grantFor({}, { subject })
  const other = grantFor()
  sitter.link.grant([again])
  expect((await sitter.callOf(again.grant)).credential).toBe('bank-a')
  sitter.link.grant([other])
  expect((await sitter.callOf(other.grant)).credential).toBe('bank-a')
  expect(by().slice(0, 3)).toEqual(['a', 'a', 'a'])
})
