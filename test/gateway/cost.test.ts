/** What calls cost, through the real gate: told to who asked, and written with the outcome. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { gzipSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { profiles } from '../../src/config/profiles.ts'
import type { Price } from '../../src/model/model.ts'
import { openDoor } from './cell-door.ts'
import { fetchBy, grantFor, openWorld, type UpstreamRules } from './harness.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

/** 3 and 15 USD per million tokens, at most 0.50 USD. */
const tokenPrice: Price = {
  currency: 'USD',
  call: 0n,
  weight: 0n,
  weights: [],
  tokens: {
    match: ['POST /v1/messages'],
    models: [],
    rates: { input: 3_000_000n, output: 15_000_000n, cacheRead: 300_000n, cacheWrite: 3_750_000n },
    most: 500_000_000_000n,
  },
}

const world = async (more: Partial<UpstreamRules> = {}) => {
  const upstream = await openUpstream()
  const profile = profiles['anthropic']!
  const opened = await openWorld(upstream, { price: tokenPrice, profile, ...more })
  closing.push(opened.close)
  const { sitter, place } = opened
  const door = await openDoor({ link: sitter.link, directory: place.directory }, ['payer/0001'])
  const say = (path = '/bank/v1/messages', method = 'POST') =>
    fetchBy(door, { method, path, body: method === 'POST' ? '{}' : '', headers: { 'accept-encoding': 'gzip' } })
  /** As the journal has it. */
  const costs = async (): Promise<readonly unknown[]> => {
    // Answers are given before their ends are written.
    await sitter.link.costs({ by: 'agent', sinceMs: 0, limit: 1, offset: 0 })
    const db = new DatabaseSync(join(place.data, 'gate', 'gate.db'), { readOnly: true })
    const rows = db.prepare('SELECT ended, cost FROM calls ORDER BY journal').all()
    db.close()
    return rows.map(({ ended, cost }) => [ended, cost])
  }
  return { ...opened, upstream, say, costs }
}

const message = (usage: object) => JSON.stringify({ model: 'claude-sonnet', content: [], usage })

test('The tokens that an answer tells are its cost, to the last digit, from a body and from a stream', async () => {
  const { upstream, say, costs } = await world()
  upstream.answer((_seen, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(message({ input_tokens: 7, output_tokens: 3 }))
  })
  const whole = await say()
  expect(whole.headers['x-sitter-cost'], 'known at its end only').toBe('unknown')
  upstream.answer((_seen, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const start = { type: 'message_start', message: { usage: { input_tokens: 100, output_tokens: 1 } } }
    response.write(`event: message_start\ndata: ${JSON.stringify(start)}\n\n`)
    const end = { type: 'message_delta', usage: { output_tokens: 40 } }
    setImmediate(() => response.end(`event: message_delta\ndata: ${JSON.stringify(end)}\n\n`))
  })
  await say()
  await say('/bank/v1/models', 'GET')
  expect(await costs()).toEqual([
    ['answered', '0.000066 USD'],
    ['answered', '0.0009 USD'],
    ['answered', '0.00 USD'],
  ])
  expect(upstream.seen[0]!.headers['accept-encoding'], 'what is packed could not be read').toBe('identity')
})

test('A refusal costs nothing; an answer that does not tell, is packed or is cut has an unknown cost', async () => {
  const { upstream, say, costs } = await world({ learn: false })
  upstream.answer((_seen, response) => {
    response.writeHead(429, { 'content-type': 'application/json' })
    response.end('{"type":"error","error":{"type":"rate_limit_error"}}')
  })
  await say()
  const packed = gzipSync(message({ input_tokens: 7, output_tokens: 3 }))
  upstream.answer((_seen, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end('{"content":[]}')
  })
  await say()
  upstream.answer((_seen, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
    response.write(message({ input_tokens: 7, output_tokens: 3 }))
    setImmediate(() => response.destroy())
  })
  await say().catch(() => undefined)
  upstream.answer((_seen, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
    response.end(packed)
  })
  await say()
  expect(await costs()).toEqual([
    ['answered', '0.00 USD'],
    ['answered', 'unknown'],
    ['lost', 'unknown'],
    // With a secret on its way the gate unpacks what comes back, and so it can read it.
    ['answered', '0.000066 USD'],
  ])
})

test('What nobody signs is read as well, if it is not packed', async () => {
  const { upstream, say, costs } = await world({ credential: null })
  upstream.answer((_seen, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(message({ input_tokens: 7, output_tokens: 3 }))
  })
  await say()
  upstream.answer((_seen, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
    response.end(gzipSync(message({ input_tokens: 7, output_tokens: 3 })))
  })
  await say()
  expect(await costs()).toEqual([
    ['answered', '0.000066 USD'],
    ['answered', 'unknown'],
  ])
})

test("A grant's outcome tells what it cost", async () => {
  const { upstream, sitter } = await world()
  upstream.answer((_seen, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(message({ input_tokens: 1_000, output_tokens: 0 }))
  })
  const grant = grantFor({ path: '/v1/messages' })
  sitter.link.grant([grant])
  expect(await sitter.callOf(grant.grant)).toMatchObject({ cost: '0.003 USD' })
})
