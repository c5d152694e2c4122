/** The two runs of damaged bytes against a real gate; how many of them, says who calls. */
import { connect } from 'node:net'
import fc from 'fast-check'
import { expect } from 'vitest'
import { asUpstream, openDoorTo } from './door.ts'
import { answersIn, badAnswers, badRequests } from './fuzz.ts'
import { canary, fetchBy } from './harness.ts'
import { listenAt, listenOn } from './listeners.ts'
import { openUpstream } from './upstream.ts'

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

/**
 * Says the bytes, lets the gate work on them until it has nothing in hand, and then says that there will be no more:
 * what was incomplete until then is refused.
 */
const say = async (door: string, bytes: string, inFlight: () => number): Promise<string> => {
  let said = ''
  const socket = connect(door)
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    said += chunk
  })
  socket.on('error', () => {
    /* a refused connection may be cut in the middle of what it says */
  })
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => resolve())
  })
  await new Promise<void>((resolve) => {
    socket.write(bytes, 'latin1', () => resolve())
  })
  await turns(40)
  // Half a body is waited for by the gate for longer than anybody wants to watch.
  const untilMs = performance.now() + 1_000
  while (inFlight() > 0 && performance.now() < untilMs) await turns(5)
  await turns(5)
  socket.end()
  await closed
  return said
}

/** A damaged request has at least one answer, all of them are HTTP, and what it made leave is what the rules allow. */
export const fuzzRequests = async (count: number, seed: number): Promise<void> => {
  const upstream = await openUpstream()
  const elsewhere = await listenAt('127.0.0.2', upstream.port)
  const opened = await openDoorTo(upstream, { breaker: null, limits: [], retries: null, timeoutMs: 500 }, [
    'payer/0001',
  ])
  const { door, gate } = opened
  let checked = 0
  let sentBy = 0
  let refused = 0
  const check = async (bytes: string): Promise<void> => {
    const said = await say(door, bytes, () => gate.status().inFlight)
    const { answers, cut } = answersIn(said)
    expect(cut).toBe(false)
    // Blank lines alone are no request.
    if (bytes.replaceAll(/[\r\n]/g, '') !== '') expect(answers.length).toBeGreaterThan(0)
    expect(said).not.toContain(canary)
    const seen = upstream.seen.slice(checked)
    checked = upstream.seen.length
    const served = answers.filter(({ status }) => status === 201).length
    expect(seen.length).toBeGreaterThanOrEqual(served)
    if (seen.length > 0) sentBy += 1
    refused += answers.length - served
    for (const { method, url, headers, rawHeaders } of seen) {
      expect(['GET', 'POST']).toContain(method)
      expect(url).toMatch(/^\/v1\/[^/\\#]+/)
      if (method === 'POST') expect(url).not.toMatch(/^\/v1\/payouts[;/]*(?:\?|$)/i)
      expect(url.split('?', 1)[0]).not.toMatch(/\/\.\.?(?:\/|$)|%2f|%5c/i)
      expect(headers['host']).toBe(upstream.host)
      expect(rawHeaders.filter((name) => name.toLowerCase() === 'host')).toHaveLength(1)
      expect(headers['authorization']).toBe(`Bearer ${canary}`)
      expect(Object.keys(headers).filter((name) => /^(x-sitter-|proxy-|cookie|upgrade|te$)/.test(name))).toEqual([])
    }
    for (const { status, head, body } of answers)
      if (status !== 201) expect([head, body]).toEqual([expect.anything(), expect.stringContaining('"code":"')])
  }
  try {
    await fc.assert(fc.asyncProperty(badRequests(elsewhere.address + ':' + elsewhere.port), check), {
      numRuns: count,
      seed,
    })
    expect(elsewhere.connections()).toBe(0)
    // Both happen often, or this would show nothing.
    expect(Math.min(sentBy, refused)).toBeGreaterThan(count / 20)
    expect((await fetchBy(door, { path: '/bank/v1/after' })).status).toBe(201)
    expect(gate.status().inFlight).toBe(0)
    expect(opened.lines.filter((line) => line.includes('failed inside the gate'))).toEqual([])
  } finally {
    await elsewhere.close()
    await opened.close()
  }
}

/** A damaged answer is one answer or a cut one for its agent, tells no secret, and is no part of the next one. */
export const fuzzAnswers = async (count: number, seed: number): Promise<void> => {
  let bytes = ''
  const [listener, elsewhere] = await listenOn(['127.0.0.1', '127.0.0.2'], (socket, request) => {
    const own = /\/own-(\d+) /.exec(request)?.[1]
    if (own === undefined) socket.end(bytes, 'latin1')
    else socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${own.length}\r\n\r\n${own}`)
  })
  const opened = await openDoorTo(asUpstream(listener!), { breaker: null, learn: false, retries: null, timeoutMs: 500 })
  const { door, gate } = opened
  let call = 0
  let whole = 0
  let lost = 0
  const check = async (answer: string): Promise<void> => {
    bytes = answer
    const said = await say(door, 'GET /bank/v1/a HTTP/1.1\r\nhost: x\r\n\r\n', () => gate.status().inFlight)
    const { answers, cut } = answersIn(said)
    expect(said).not.toContain(canary)
    expect(answers.length + Number(cut || said === '')).toBe(1)
    const [only] = answers
    if (only === undefined || only.status === 502) lost += 1
    else whole += 1
    call += 1
    const next = await fetchBy(door, { path: `/bank/v1/own-${call}` })
    expect([next.status, next.body]).toEqual([200, String(call)])
  }
  try {
    await fc.assert(fc.asyncProperty(badAnswers(canary, elsewhere!.address), check), { numRuns: count, seed })
    expect(elsewhere!.connections()).toBe(0)
    expect(Math.min(whole, lost)).toBeGreaterThan(count / 20)
    expect(gate.status().inFlight).toBe(0)
    expect(opened.lines.filter((line) => line.includes('failed inside the gate'))).toEqual([])
  } finally {
    await elsewhere!.close()
    await opened.close()
  }
}
