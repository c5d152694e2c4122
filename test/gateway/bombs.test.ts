/** B22 at the gate, and the bounds of what one cell may have in hand. */
import { connect } from 'node:net'
import { constants, crc32, deflateRawSync, gzipSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { openDoorTo, statusesOf } from './door.ts'
import { fetchBy, grantFor, type UpstreamRules } from './harness.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = async (more: Partial<UpstreamRules> = {}) => {
  const opened = await openDoorTo(await openUpstream(), more)
  closing.push(opened.close)
  return opened
}

const mebibyte = 1024 * 1024

/** 300 MiB of zeros, in 300 kB: one mebibyte is packed, and its blocks are sent 300 times. */
const bomb = (): Buffer => {
  const zeros = Buffer.alloc(mebibyte)
  const blocks = deflateRawSync(zeros, { level: 9, finishFlush: constants.Z_FULL_FLUSH })
  const head = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff])
  const end = Buffer.alloc(8)
  let sum = 0
  for (let at = 0; at < 300; at += 1) sum = crc32(zeros, sum)
  end.writeUInt32LE(sum, 0)
  end.writeUInt32LE(300 * mebibyte, 4)
  return Buffer.concat([head, ...Array.from({ length: 300 }, () => blocks), deflateRawSync(Buffer.alloc(0)), end])
}

test('B22: an answer that unpacks to hundreds of megabytes is cut at its bound, and costs no memory', async () => {
  const packed = bomb()
  const { door, upstream } = await world()
  upstream.answer((_seen, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'application/json' })
    response.end(packed)
  })
  const before = process.memoryUsage().rss
  let most = 0
  const looking = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss - before)
  }, 5)
  // The agent reads all that comes and keeps nothing of it.
  const got = await new Promise<{ bytes: number; whole: boolean }>((resolve) => {
    let bytes = 0
    let tail = ''
    const socket = connect(door, () => socket.write('GET /bank/v1/a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'))
    socket.on('data', (chunk) => {
      bytes += chunk.length
      tail = (tail + chunk.toString('latin1')).slice(-5)
    })
    socket.on('error', () => {
      /* its cut is what is looked for */
    })
    socket.on('close', () => resolve({ bytes, whole: tail === '0\r\n\r\n' }))
  })
  clearInterval(looking)
  expect(got.whole).toBe(false)
  expect(got.bytes).toBeLessThan(40 * mebibyte)
  expect(most).toBeLessThan(150 * mebibyte)
  upstream.answer((_seen, response) => response.end('ok'))
  expect((await fetchBy(door, { path: '/bank/v1/after' })).status).toBe(200)
})

test('B22: a granted call whose answer is a bomb keeps its first part, and says that it is cut', async () => {
  const packed = bomb()
  const { sitter, upstream } = await world()
  upstream.answer((_seen, response) => {
    response.writeHead(201, { 'content-encoding': 'gzip', 'content-type': 'application/json' })
    response.end(packed)
  })
  const grant = grantFor()
  sitter.link.grant([grant])
  const { outcome } = await sitter.callOf(grant.grant)
  expect(outcome).toMatchObject({ kind: 'answered', status: 201, truncated: true })
  expect(JSON.stringify(outcome).length).toBeLessThan(7 * mebibyte)
})

test('B22: an answer packed in gzip twice is unpacked, a third layer is withheld', async () => {
  const { door, upstream } = await world()
  let layers = 2
  upstream.answer((_seen, response) => {
    let body: Buffer = Buffer.from('{"fine":true}')
    for (let at = 0; at < layers; at += 1) body = gzipSync(body)
    response.writeHead(200, { 'content-encoding': Array.from({ length: layers }, () => 'gzip').join(', ') })
    response.end(body)
  })
  expect((await fetchBy(door, { path: '/bank/v1/a' })).body).toBe('{"fine":true}')
  layers = 3
  expect(await fetchBy(door, { path: '/bank/v1/a' })).toMatchObject({
    body: '',
    headers: { 'x-sitter-withheld': 'content-encoding' },
  })
})

test('B22: JSON of any depth and width passes as bytes; nothing of it is parsed beyond what a profile reads', async () => {
  const { door, upstream } = await world({
    profile: { codeAt: ['error.code'], rules: [{ code: ['x'], class: 'funds' }], limits: {} } as never,
  })
  const bodies = [
    '['.repeat(1_000_000),
    `${'{"error":'.repeat(7_000)}1${'}'.repeat(7_000)}`,
    `{"error":{"code":${'9'.repeat(60_000)}}}`,
    `{"error":{"__proto__":{"code":"x"}}}`,
  ]
  for (const body of bodies) {
    upstream.answer((_seen, response) => {
      response.writeHead(402, { 'content-type': 'application/json' })
      response.end(body)
    })
    const answer = await fetchBy(door, { path: '/bank/v1/a' })
    expect([answer.status, answer.body === body]).toEqual([402, true])
  }
  // 402 came from a status, not from what a prototype said.
  expect(({} as { code?: string }).code).toBe(undefined)
})

test('a connection that asks thousands of things at once has a thousand in hand, and an answer to each', async () => {
  const { door, upstream, gate } = await world({ timeoutMs: 60_000 })
  const held: (() => void)[] = []
  let opened = false
  upstream.answer((_seen, response) => {
    const answer = (): void => {
      response.end('ok')
    }
    if (opened) answer()
    else held.push(answer)
  })
  const count = 2_000
  let answer = ''
  let begun = 0
  const socket = connect(door)
  socket.setEncoding('latin1')
  const answered = new Promise<void>((resolve) => {
    socket.on('data', (chunk: string) => {
      // Only what is new is looked at: all of it again with each chunk takes longer than the answers.
      begun += statusesOf(answer.slice(-12) + chunk).length
      answer += chunk
      if (begun === count) resolve()
    })
  })
  socket.write('GET /bank/v1/a HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(count))
  while (gate.status().inFlight < 1_024) await new Promise((resolve) => setImmediate(resolve))
  expect(gate.status().inFlight).toBe(1_024)
  opened = true
  for (const release of held) release()
  await answered
  socket.destroy()
  const statuses = statusesOf(answer)
  expect(statuses.slice(0, 1_024)).toEqual(Array.from({ length: 1_024 }, () => 200))
  // Those that came while a thousand were in hand were refused, each in its turn; what was not read by then was served.
  expect(new Set(statuses)).toEqual(new Set([200, 503]))
  expect(upstream.seen).toHaveLength(statuses.filter((status) => status === 200).length)
  expect(gate.status().inFlight).toBe(0)
  expect((await fetchBy(door, { path: '/bank/v1/after' })).status).toBe(200)
})
