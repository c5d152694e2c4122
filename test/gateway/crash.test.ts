import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import {
  canary,
  grantFor,
  newPlace,
  rulesFor,
  setSecret,
  startSitter,
  type Place,
  type UpstreamRules,
} from './harness.ts'
import { launchGate, type GateProcess } from './launch.ts'
import { openUpstream, type TestUpstream } from './upstream.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const launch = async (
  place: Place,
  upstream: TestUpstream,
  more: Partial<UpstreamRules> = {},
): Promise<GateProcess> => {
  const running = await launchGate(place, rulesFor(upstream, more))
  closing.push(() => running.end('SIGKILL'))
  return running
}
const end = (running: GateProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => running.end(signal)

const world = async (more: Partial<UpstreamRules> = {}) => {
  const upstream = await openUpstream()
  const place = newPlace()
  closing.push(
    () => place.remove(),
    () => upstream.close(),
  )
  const running = await launch(place, upstream, more)
  const sitter = startSitter(place)
  closing.push(() => sitter.link.stop())
  await sitter.linked()
  await setSecret(sitter)
  return { upstream, place, running, sitter, again: () => launch(place, upstream, more) }
}

test('a gate that is killed between sending and answer tells the call as lost when it is back, and sends it never again', async () => {
  const { upstream, running, sitter, again } = await world()
  upstream.answer(() => {
    /* the answer never comes */
  })
  const grant = grantFor()
  sitter.link.grant([grant])
  await upstream.reached(1)
  await end(running, 'SIGKILL')
  const beforeMs = Date.now()
  await again()
  await sitter.linked(2)
  const call = await sitter.callOf(grant.grant)
  expect(call.outcome).toMatchObject({ kind: 'lost', code: 'gate-lost' })
  expect(call.outcome.kind === 'lost' && call.outcome.closedMs).toBeGreaterThanOrEqual(beforeMs)
  sitter.link.grant([grant])
  await sitter.link.status()
  expect(upstream.seen).toHaveLength(1)
})

test('an outcome that was journalled and not acknowledged is told by the next gate', async () => {
  const { upstream, place, running, sitter, again } = await world()
  const deaf = startSitterThatNeverCommits(place)
  await deaf.linked()
  const grant = grantFor()
  deaf.link.grant([grant])
  await deaf.told
  await end(running, 'SIGKILL')
  void deaf.link.stop()
  await again()
  const next = startSitter(place, 3)
  closing.push(() => next.link.stop())
  expect((await next.callOf(grant.grant)).outcome).toMatchObject({ kind: 'answered', status: 201 })
  expect(upstream.seen).toHaveLength(1)
  void sitter
})

const startSitterThatNeverCommits = (place: Place) => {
  const told = Promise.withResolvers<void>()
  const sitter = startSitter(place, 2, 'deaf', async () => {
    told.resolve()
    await new Promise(() => {})
  })
  return { ...sitter, told: told.promise }
}

test('a gate that is asked to end finishes what is in flight, tells it, and forgets what only waited', async () => {
  const { upstream, running, sitter, again } = await world({
    limits: [
      {
        per: 'upstream',
        rate: { count: 1, windowMs: 3_600_000 },
        burst: 1,
        guard: 0,
        window: 'smooth',
        match: [],
        weights: [],
      },
    ],
  })
  let answerNow: () => void = () => {}
  upstream.answer((_seen, response) => {
    answerNow = () => {
      response.writeHead(201)
      response.end()
    }
  })
  const sent = grantFor()
  const waiting = grantFor({}, { waitMs: 60_000 })
  sitter.link.grant([sent, waiting])
  await upstream.reached(1)
  const ended = end(running, 'SIGTERM')
  answerNow()
  await ended
  expect(running.child.exitCode).toBe(0)
  const next = await again()
  expect((await sitter.callOf(sent.grant)).outcome).toMatchObject({ kind: 'answered', status: 201 })
  expect(sitter.calls.map((call) => call.grant)).toEqual([sent.grant])
  expect(upstream.seen).toHaveLength(1)
  expect(next.lines.join()).not.toContain('no known outcome')
})

test('a limit and a Retry-After hold over a restart by SIGKILL', async () => {
  const { upstream, running, sitter, again } = await world()
  upstream.answer((_seen, response) => {
    response.writeHead(429, { 'retry-after': '2' })
    response.end()
  })
  const refused = grantFor()
  sitter.link.grant([refused])
  await sitter.callOf(refused.grant)
  const toldAtMs = performance.now()
  upstream.answer((_seen, response) => {
    response.writeHead(201)
    response.end()
  })
  await end(running, 'SIGKILL')
  await again()
  await sitter.linked(2)
  const next = grantFor()
  sitter.link.grant([next])
  expect((await sitter.callOf(next.grant)).outcome).toMatchObject({ kind: 'answered', status: 201 })
  expect(upstream.seen[1]!.atMs - upstream.seen[0]!.atMs).toBeGreaterThanOrEqual(2_000)
  expect(performance.now() - toldAtMs).toBeLessThan(10_000)
})

test('no window at the upstream exceeds the rate, also when the gate is killed in the middle', async () => {
  const count = 40
  const windowMs = 1_000
  const { upstream, running, sitter, again } = await world({
    limits: [
      {
        per: 'credential',
        rate: { count, windowMs },
        burst: 20,
        guard: 0.05,
        window: 'smooth',
        match: [],
        weights: [],
      },
    ],
  })
  const first = Array.from({ length: 60 }, () => grantFor({}, { waitMs: 30_000 }))
  sitter.link.grant(first)
  await upstream.reached(30)
  await end(running, 'SIGKILL')
  await again()
  await sitter.linked(2)
  sitter.link.grant(first)
  await Promise.all(first.map((grant) => sitter.callOf(grant.grant)))
  const arrivals = upstream.seen.map((seen) => seen.atMs)
  const most = Math.max(...arrivals.map((from) => arrivals.filter((at) => at >= from && at < from + windowMs).length))
  expect(most).toBeLessThanOrEqual(count)
  expect(most).toBeGreaterThan(20)
  expect(new Set(upstream.seen.map((seen) => seen.headers['idempotency-key'])).size).toBe(upstream.seen.length)
})

test('the secret is in no file of the data directory and in no line of the log', async () => {
  const { place, running, sitter } = await world()
  const grant = grantFor()
  sitter.link.grant([grant])
  await sitter.callOf(grant.grant)
  await end(running, 'SIGKILL')
  const files = readdirSync(place.data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  expect(files.map((entry) => entry.name)).toContain('gate.db')
  const texts = [
    ...files.map((entry) => readFileSync(join(entry.parentPath, entry.name)).toString('latin1')),
    running.lines.join('\n'),
  ]
  for (const form of [
    canary,
    Buffer.from(canary).toString('base64').slice(0, 20),
    Buffer.from(canary).toString('hex'),
  ]) {
    expect(texts.filter((text) => text.includes(form))).toEqual([])
  }
})
