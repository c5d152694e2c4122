/** What the gate tells of whose calls are answered and who waits for one: once a second, and nothing of the idle. */
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openCallsSeen } from '../../src/gateway/seen.ts'
import { VirtualClock } from '../fleet/clock.ts'
import { untilOpen } from './cell-door.ts'
import { fetchBy, openWorld } from './harness.ts'
import { openUpstream } from './upstream.ts'

const world = () => {
  const clock = new VirtualClock()
  const told: { readonly answered: readonly string[]; readonly inHand: readonly string[] }[] = []
  return { clock, told, seen: openCallsSeen(clock, (one) => told.push(one)) }
}

test('Many answers of one second are one word; who calls nobody costs no timer', async () => {
  const { clock, told, seen } = world()
  expect(clock.timers).toBe(0)
  for (let call = 0; call < 50; call += 1) {
    const over = seen.begin('a/0001')
    await clock.advance(5)
    over(true)
  }
  await clock.advance(750)
  expect(told).toEqual([{ answered: ['a/0001'], inHand: [] }])
  await clock.advance(60_000)
  expect([told.length, clock.timers]).toEqual([1, 0])
})

test('A call that lasts is told after a second and each five seconds, until it is over; unanswered it says nothing', async () => {
  const { clock, told, seen } = world()
  const over = seen.begin('a/0001')
  await clock.advance(21_500)
  expect(told).toEqual(Array.from({ length: 5 }, () => ({ answered: [], inHand: ['a/0001'] })))
  over(false)
  await clock.advance(60_000)
  expect([told.length, clock.timers]).toEqual([5, 0])
})

test('One call was answered while another lasts: both are said, the answer first', async () => {
  const { clock, told, seen } = world()
  const over = seen.begin('a/0001')
  await clock.advance(2_000)
  seen.begin('a/0001')(true)
  await clock.advance(1_000)
  expect(told.slice(1)).toEqual([
    { answered: ['a/0001'], inHand: [] },
    { answered: [], inHand: ['a/0001'] },
  ])
  over(true)
  await clock.advance(1_000)
  expect(told.slice(3)).toEqual([{ answered: ['a/0001'], inHand: [] }])
  expect(clock.timers).toBe(0)
})

test('Of many it is told in frames that fit', async () => {
  const { clock, told, seen } = world()
  for (let at = 0; at < 4_500; at += 1) seen.answered(`a/${at}`)
  await clock.advance(1_000)
  expect(told.map(({ answered }) => answered.length)).toEqual([2_000, 2_000, 500])
})

test('Through the real gate: an answer of any kind is told, a call that lasts is, and one that was refused is not', async () => {
  const upstream = await openUpstream()
  const opened = await openWorld(upstream)
  onTestFinished(opened.close)
  const door = join(opened.place.directory, 'cell.sock')
  const agents = ['payer/0001', 'payer/0002', 'payer/0003']
  const { link, seen } = opened.sitter
  link.openCell({ cell: 'cel_1', socketPath: door, type: 'payer', agents, upstreams: ['bank'] })
  await untilOpen(door)
  const held: ServerResponse[] = []
  upstream.answer(({ url }, response) => {
    if (url !== '/v1/long') return response.writeHead(404).end()
    response.writeHead(200).write('a')
    held.push(response)
  })
  const get = (agent: string, path: string) =>
    fetchBy(door, { path: `/bank${path}`, headers: { 'x-sitter-agent': agent } })
  const long = get('payer/0002', '/v1/long')
  await get('payer/0001', '/v1/nothing')
  expect((await get('payer/0003', '/secret')).status).toBe(403)
  await vi.waitFor(() => expect(seen).toEqual({ answered: ['payer/0001'], inHand: ['payer/0002'] }), 5_000)
  held[0]!.end('b')
  await long
  await vi.waitFor(() => expect(seen.answered).toEqual(['payer/0001', 'payer/0002']), 5_000)
})
