import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { request as ask } from 'node:http'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { openScrubber } from '../../src/gateway/scrubber.ts'
import { planOf } from '../../src/gateway/stages/scrub.ts'
import { canary, fetchBy, grantFor, openWorld } from './harness.ts'
import { openUpstream } from './upstream.ts'
import { untilOpen } from '../vault/rotation/world.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const nasty = 'k/3y+"&%\\Zz9=~secret'
const base64 = (text: string, before: number): string =>
  Buffer.from('x'.repeat(before) + text + 'yy').toString('base64')
const percentAll = (text: string): string =>
  [...text].map((char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`).join('')
const unicodeAll = (text: string): string =>
  [...text].map((char) => `\\u00${char.charCodeAt(0).toString(16).padStart(2, '0')}`).join('')

/** Every way in which an upstream may say a secret, and how a reader gets it back out of what arrives. */
const encodings: readonly (readonly [string, (secret: string) => string, (text: string) => string])[] = [
  ['raw', (secret) => secret, (text) => text],
  ...[0, 1, 2].flatMap((before) => [
    [
      `base64, ${before} before`,
      (secret: string) => base64(secret, before),
      (text: string) => Buffer.from(text.replaceAll('*', 'A'), 'base64').toString('latin1'),
    ] as const,
    [
      `base64url, ${before} before`,
      (secret: string) => Buffer.from('x'.repeat(before) + secret).toString('base64url'),
      (text: string) => Buffer.from(text.replaceAll('*', 'A'), 'base64url').toString('latin1'),
    ] as const,
  ]),
  [
    'base64 in lines',
    (secret) => base64(secret.repeat(1), 1).replace(/.{7}/g, '$&\r\n'),
    (text) => Buffer.from(text.replaceAll('*', 'A'), 'base64').toString('latin1'),
  ],
  [
    'hex',
    (secret) => Buffer.from(secret).toString('hex'),
    (text) => Buffer.from(text.replaceAll('*', '0'), 'hex').toString('latin1'),
  ],
  [
    'HEX',
    (secret) => Buffer.from(secret).toString('hex').toUpperCase(),
    (text) => Buffer.from(text.replaceAll('*', '0'), 'hex').toString('latin1'),
  ],
  [
    'percent',
    (secret) => encodeURIComponent(secret),
    (text) => text.replace(/%[0-9a-f]{2}/gi, (one) => decodeURIComponent(one)),
  ],
  [
    'percent, all',
    percentAll,
    (text) => text.replace(/%([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
  ],
  [
    'json',
    (secret) => JSON.stringify(secret).slice(1, -1),
    (text) => text.replaceAll('\\"', '"').replaceAll('\\\\', '\\'),
  ],
  [
    'json, slashes',
    (secret) => JSON.stringify(secret).slice(1, -1).replaceAll('/', '\\/'),
    (text) => text.replaceAll('\\/', '/').replaceAll('\\"', '"').replaceAll('\\\\', '\\'),
  ],
  [
    'json in json',
    (secret) => JSON.stringify(JSON.stringify(secret)).slice(3, -3),
    (text) => text.replaceAll('\\\\', '\\').replaceAll('\\"', '"').replaceAll('\\"', '"').replaceAll('\\\\', '\\'),
  ],
  [
    'json in an address',
    (secret) => encodeURIComponent(JSON.stringify(secret).slice(1, -1)),
    (text) =>
      text
        .replace(/%[0-9a-f]{2}/gi, (one) => decodeURIComponent(one))
        .replaceAll('\\"', '"')
        .replaceAll('\\\\', '\\'),
  ],
  [
    'form',
    (secret) => new URLSearchParams({ x: secret }).toString().slice(2),
    (text) => new URLSearchParams(`x=${text}`).get('x')!,
  ],
  [
    'html',
    (secret) => secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;'),
    (text) => text.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&amp;', '&'),
  ],
  [
    'json, all',
    unicodeAll,
    (text) => text.replace(/\\u00([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
  ],
]

const scrubbed = (secret: string, whole: string, cuts: readonly number[]): string => {
  const scrubber = openScrubber([secret])
  const bytes = Buffer.from(whole, 'latin1')
  const out: Buffer[] = []
  let from = 0
  for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
    out.push(Buffer.from(scrubber.push(bytes.subarray(from, cut))))
    from = cut
  }
  return Buffer.concat([...out, scrubber.end()]).toString('latin1')
}

test.each(encodings)(
  '%s: nothing of the secret comes through, wherever the chunks are cut, and the length stays',
  (_name, encode, decode) => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(400), { maxLength: 6 }),
        fc.string({ maxLength: 60 }),
        fc.constantFrom(canary, nasty, 'a phrase of <words>', 'abcabcabcabd', 'aaaaaaab'),
        (cuts, around, secret) => {
          const prefix = around.replace(/[^ -~]/g, '.').slice(0, 40)
          const whole = `${prefix}\n${encode(secret)}\n!`
          const out = scrubbed(
            secret,
            whole,
            cuts.map((cut) => cut % (whole.length + 1)),
          )
          expect(out.length).toBe(whole.length)
          expect(out).not.toContain(encode(secret))
          expect(decode(out.slice(prefix.length + 1, -2))).not.toContain(secret)
        },
      ),
      { numRuns: 100 },
    )
  },
)

test('what is no secret goes through unchanged and at once; only what may become one waits', () => {
  const scrubber = openScrubber([canary])
  expect(scrubber.push(Buffer.from('data: one\n\n')).toString()).toBe('data: one\n\n')
  expect(scrubber.push(Buffer.from(`data: ${canary.slice(0, 9)}`)).toString()).toBe('data: ')
  expect(scrubber.push(Buffer.from('!\n\n')).toString()).toBe(`${canary.slice(0, 9)}!\n\n`)
  expect(scrubber.end().length).toBe(0)
  // A body that is cut behind a secret's middle ends in stars.
  scrubber.push(Buffer.from(`x${canary.slice(0, 13)}`))
  expect(scrubber.end().toString()).toBe('*'.repeat(13))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, cut) => {
      const whole = Buffer.from(bytes)
      const one = openScrubber([canary])
      const out = Buffer.concat([
        Buffer.from(one.push(whole.subarray(0, cut))),
        Buffer.from(one.push(whole.subarray(cut))),
        one.end(),
      ])
      expect(out.equals(whole)).toBe(true)
    }),
  )
})

test('what an agent has said back to it does not tell whether it is the beginning of a secret', async () => {
  const { door, upstream } = await world()
  // As many upstreams do with a request's id, with a search that is redirected, and with what they do not know.
  upstream.answer(({ headers, url }, response) => {
    const said = String(headers['x-request-id'])
    response.writeHead(404, { 'x-request-id': said, location: url, 'content-type': 'text/plain' })
    response.end(`not found: ${said}`)
  })
  const known = canary.slice(0, 10)
  for (const guess of [known, `${known}0`, `${known}!`, Buffer.from(known).toString('base64').slice(0, 12)]) {
    const path = `/bank/v1/search?q=${guess}`
    const { headers, body } = await fetchBy(door, { path, headers: { 'x-request-id': guess } })
    expect([headers['x-request-id'], headers['location'], body]).toEqual([guess, path.slice(5), `not found: ${guess}`])
  }
  // Who has more than half of it has it from elsewhere; such a rest of one is what a text that was cut off has.
  const { body } = await fetchBy(door, { path: '/bank/v1/x', headers: { 'x-request-id': canary.slice(0, -1) } })
  expect(body).toBe(`not found: ${'*'.repeat(canary.length - 1)}`)
  for (let length = 1; length < canary.length; length += 1) {
    const text = `a ${canary.slice(0, length)}`
    const isMost = length >= canary.length / 2
    expect(openScrubber([canary]).text(text)).toBe(isMost ? `a ${'*'.repeat(length)}` : text)
    expect(openScrubber([canary]).bytes(Buffer.from(text)).toString()).toBe(isMost ? `a ${'*'.repeat(length)}` : text)
  }
})

const world = async () => {
  const upstream = await openUpstream()
  const opened = await openWorld(upstream)
  closing.push(opened.close)
  const door = join(opened.place.directory, 'cell.sock')
  opened.sitter.link.openCell({
    cell: 'cel_1',
    socketPath: door,
    type: 'payer',
    agents: ['payer/0001'],
    upstreams: ['bank'],
  })
  await untilOpen(door)
  return { ...opened, upstream, door }
}

test('an upstream that echoes the secret in every form, in headers, bodies and streams, tells the agent none', async () => {
  const { door, upstream, sitter } = await world()
  let plain = ''
  upstream.answer((seen, response) => {
    const secret = String(seen.headers['authorization']).slice(7)
    plain = secret
    const said = encodings.map(([name, encode]) => `${name}: ${encode(secret)}`).join('\n')
    response.setHeader('x-echo', secret)
    response.setHeader(`x-${secret}`, 'named')
    response.setHeader('x-basic', Buffer.from(`user:${secret}`).toString('base64'))
    response.setHeader('content-type', 'text/event-stream')
    response.write('data: begin\n\n')
    for (let at = 0; at < said.length; at += 11) response.write(said.slice(at, at + 11))
    response.end('\n\ndata: end\n\n')
  })
  const answer = await fetchBy(door, { path: '/bank/v1/echo' })
  expect(plain).toBe(canary)
  const everything = `${JSON.stringify(answer.headers)}\n${answer.body}`
  for (const [name, encode] of encodings)
    expect([name, everything.includes(encode(canary).slice(0, 20))]).toEqual([name, false])
  expect(everything).not.toContain(Buffer.from(`user:${canary}`).toString('base64').slice(8, 30))
  expect(answer.body).toContain('data: begin')
  expect(answer.body).toContain('data: end')
  const grant = grantFor()
  sitter.link.grant([grant])
  const { outcome } = await sitter.callOf(grant.grant)
  expect(JSON.stringify(outcome)).not.toContain(canary.slice(0, 16))
})

test('a body that comes packed all the same is unpacked, read and goes on plain; what nobody can read is withheld', async () => {
  const { door, upstream } = await world()
  const body = JSON.stringify({ said: canary, filler: 'x'.repeat(100_000) })
  const packed = {
    gzip: gzipSync(body),
    deflate: deflateSync(body),
    br: brotliCompressSync(body),
    zstd: zstdCompressSync(body),
  }
  let coding = 'gzip'
  upstream.answer((seen, response) => {
    expect(seen.headers['accept-encoding']).toBe('identity')
    response.setHeader('content-encoding', coding)
    response.setHeader('content-type', 'application/json')
    response.end(packed[coding as 'gzip'] ?? body)
  })
  for (coding of Object.keys(packed)) {
    const answer = await fetchBy(door, { path: '/bank/v1/echo', headers: { 'accept-encoding': 'gzip, br' } })
    expect(answer.headers['content-encoding']).toBe(undefined)
    expect(answer.body).toBe(body.replace(canary, '*'.repeat(canary.length)))
  }
  coding = 'sdch'
  const withheld = await fetchBy(door, { path: '/bank/v1/echo' })
  expect(withheld).toMatchObject({ status: 200, body: '', headers: { 'x-sitter-withheld': 'content-encoding' } })
  coding = 'br'
  packed.br = Buffer.from('this is no brotli')
  await expect(fetchBy(door, { path: '/bank/v1/echo' })).rejects.toThrow()
  expect(planOf([['content-type', 'text/plain; charset=UTF-16LE']])).toEqual({ body: 'withheld', why: 'charset' })
  expect(planOf([['content-encoding', 'gzip, gzip, gzip']])).toMatchObject({ body: 'withheld' })
})

test('an event that is not followed by another is not kept from the agent', async () => {
  const { door } = await (async () => {
    const held: (() => void)[] = []
    const server = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: first\n\n')
      held.push(() => response.end())
    })
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    const { port } = server.address() as AddressInfo
    const upstream = { ...(await openUpstream()), port, host: `127.0.0.1:${port}` }
    const opened = await openWorld(upstream)
    closing.push(opened.close, async () => {
      for (const end of held) end()
      server.close()
      server.closeAllConnections()
    })
    const path = join(opened.place.directory, 'cell.sock')
    opened.sitter.link.openCell({
      cell: 'cel_1',
      socketPath: path,
      type: 'payer',
      agents: ['payer/0001'],
      upstreams: ['bank'],
    })
    await untilOpen(path)
    return { door: path }
  })()
  const first = await new Promise<string>((resolve, reject) => {
    const asking = ask({ socketPath: door, path: '/bank/v1/stream', agent: false }, (response) => {
      response.once('data', (chunk: Buffer) => resolve(chunk.toString()))
    })
    asking.on('error', reject)
    asking.end()
    closing.push(async () => {
      asking.destroy()
    })
  })
  expect(first).toBe('data: first\n\n')
})
