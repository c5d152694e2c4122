import { afterEach, expect, test } from 'vitest'
import { openRepeats } from '../../src/gateway/repeats.ts'
import type { RepeatRule } from '../../src/model/model.ts'
import { handClock } from '../limit/clock.ts'
import { openDoor } from './cell-door.ts'
import { fetchBy, newPlace, rulesFor, setSecret, startGate, startSitter } from './harness.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const rule: RepeatRule = { calls: 20, withinMs: 10_000, holdMs: 1_000, longestMs: 1_000, least: 'quarantined' }
const say = { method: 'POST', path: '/llm/v1/messages?x=1' }
const opened = (of: RepeatRule | null = rule) => {
  const clock = handClock()
  const repeats = openRepeats(clock)
  repeats.watch(of)
  const asks = (times: number, body: string, agent = 'writer/0001', call = say): void => {
    for (let at = 0; at < times; at += 1) {
      repeats.asked(agent, call, Buffer.from(body))
      clock.advance(100)
    }
  }
  return { clock, repeats, asks }
}

test('The same method, path, query and body many times is told, with how often and since when', () => {
  const { clock, repeats, asks } = opened()
  const sinceMs = clock.wallMs()
  asks(19, 'a')
  expect(repeats.list(10)).toEqual([])
  asks(3, 'a')
  expect(repeats.list(10)).toMatchObject([
    { agent: 'writer/0001', call: 'POST /llm/v1/messages', times: 22, lately: 22, sinceMs },
  ])
  clock.advance(rule.withinMs + 1)
  expect(repeats.list(10), 'it has stopped').toEqual([])
})

test('Other bodies, queries, methods and agents are other calls', () => {
  const { repeats, asks } = opened()
  for (const body of ['a', 'b']) asks(15, body)
  asks(15, 'a', 'writer/0002')
  asks(15, 'a', 'writer/0001', { ...say, path: '/llm/v1/messages?x=2' })
  asks(15, 'a', 'writer/0001', { ...say, method: 'PUT' })
  expect(repeats.list(10)).toEqual([])
})

test('Slowly the same is no repeat: it is the rate that counts', () => {
  const { clock, repeats } = opened()
  for (let at = 0; at < 200; at += 1) {
    repeats.asked('writer/0001', say, null)
    clock.advance(1_000)
  }
  expect(repeats.list(10)).toEqual([])
})

test('Who is slowed lets a quarter of the calls out in each window, on that path alone', () => {
  const { clock, repeats, asks } = opened()
  expect(repeats.paceMs('writer/0001', say)).toBe(0)
  asks(25, 'a')
  clock.advance(10_000 - (clock.monoMs() % 10_000))
  repeats.asked('writer/0001', say, Buffer.from('a'))
  const waits = Array.from({ length: 8 }, () => repeats.paceMs('writer/0001', say))
  expect(waits.slice(0, 5)).toEqual([0, 0, 0, 0, 0])
  expect(waits.slice(5)).toEqual([10_000, 10_000, 10_000])
  expect(repeats.paceMs('writer/0001', { ...say, path: '/llm/v1/other' })).toBe(0)
  expect(repeats.paceMs('writer/0002', say)).toBe(0)
  clock.advance(10_000)
  expect(repeats.paceMs('writer/0001', say)).toBe(0)
})

test('It is bounded by agents and by calls of each, and forgets those that are oldest', () => {
  const { repeats, asks } = opened()
  asks(25, 'a')
  for (let at = 0; at < 16; at += 1) asks(1, `other ${at}`)
  expect(repeats.list(10)).toEqual([])
  asks(25, 'a')
  for (let at = 0; at < 20_000; at += 1) repeats.asked(`reader/${at}`, say, null)
  expect(repeats.list(10)).toEqual([])
})

test('Without a rule nothing is counted', () => {
  const { repeats, asks } = opened(null)
  asks(100, 'a')
  expect(repeats.list(10)).toEqual([])
})

test('The real gate tells who repeats itself, refused calls too, and slows who is throttled', async () => {
  const upstream = await openUpstream()
  const place = newPlace()
  const degrade = { types: null, agents: null, repeats: { ...rule, withinMs: 60_000 } }
  const running = await startGate(place, { ...rulesFor(upstream), degrade })
  const sitter = startSitter(place)
  closing.push(
    () => place.remove(),
    () => upstream.close(),
    () => running.gate.stop(),
    () => sitter.link.stop(),
  )
  await sitter.linked()
  await setSecret(sitter)
  const door = await openDoor({ link: sitter.link, directory: place.directory }, ['payer/0001', 'payer/0002'])
  const call = (agent: string, body: string) =>
    fetchBy(door, { method: 'POST', path: '/bank/v1/a', body, headers: { 'x-sitter-agent': agent } })
  for (let at = 0; at < 15; at += 1) await call('payer/0002', String(at))
  for (let at = 0; at < 21; at += 1) await call('payer/0001', 'the same')
  const told = await sitter.link.standing()
  expect(told.repeats).toMatchObject([{ agent: 'payer/0001', call: 'POST /bank/v1/a', times: 21 }])
  await sitter.link.modes([{ target: 'agent:payer/0001', mode: 'throttled', reason: 'a runaway' }])
  const statuses: number[] = []
  for (let at = 0; at < 10; at += 1) {
    const answer = await call('payer/0001', 'the same')
    statuses.push(answer.status)
    if (answer.status === 429) expect(answer.body).toContain('the same call again and again')
  }
  // A quarter of 20; the turn of the minute may fall into the test.
  expect(statuses.filter((status) => status === 201).length).toBeLessThanOrEqual(10)
  expect(statuses.filter((status) => status === 201).length).toBeGreaterThanOrEqual(5)
  expect((await sitter.link.standing()).repeats).toMatchObject([{ times: 31 }])
  expect((await call('payer/0002', '99')).status).toBe(201)
})
