/** Through the real gate: whose task is urgent goes first, by the sitter's word alone. */
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { fetchBy, openWorld, startSitter, type TestSitter } from './harness.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const agents = ['payer/0001', 'payer/0002', 'payer/0003']

/** One call at a time is at the upstream, and stays there until it is let go. */
const world = async () => {
  const upstream = await openUpstream()
  const held: ServerResponse[] = []
  upstream.answer((_seen, response) => held.push(response))
  const opened = await openWorld(upstream, {
    limits: [{ per: 'upstream', concurrent: 1, match: [] }],
    parkAfterMs: 60_000,
  })
  closing.push(opened.close)
  const door = join(opened.place.directory, 'cell.sock')
  const openDoor = async ({ link }: TestSitter): Promise<void> => {
    link.openCell({ cell: 'cel_1', socketPath: door, type: 'payer', agents, upstreams: ['bank'] })
    while ((await link.status()).cells === 0);
  }
  const get = (agent: string, path: string, headers = {}) =>
    fetchBy(door, { path: `/bank/v1/${path}`, headers: { 'x-sitter-agent': agent, ...headers } })
  /** Asks, one after the other, while the first is at the upstream; then lets all go. */
  const ask = async (link: TestSitter['link'], calls: readonly (readonly [agent: string, path: string])[]) => {
    const asked = [get('payer/0002', 'first')]
    await upstream.reached(1)
    for (const [agent, path] of calls) {
      asked.push(get(agent, path, { 'x-sitter-priority': '9' }))
      while ((await link.status()).queued < asked.length - 1);
    }
    for (let count = 1; count <= asked.length; count += 1) {
      await upstream.reached(count)
      held[count - 1]!.end('ok')
    }
    await Promise.all(asked)
    return upstream.seen.map(({ url }) => url.slice('/v1/'.length))
  }
  return { ...opened, openDoor, ask }
}

test('The call of a more urgent task goes before those that wait longer; nobody makes himself urgent', async () => {
  const { ask, sitter, openDoor } = await world()
  await openDoor(sitter)
  sitter.link.priorities([
    ['payer/0001', 2],
    ['payer/0002', 5],
    ['payer/0003', 8],
  ])
  const calls = [
    ['payer/0001', 'low'],
    ['payer/0002', 'usual'],
    ['payer/0003', 'high'],
  ] as const
  expect(await ask(sitter.link, calls)).toEqual(['first', 'high', 'usual', 'low'])
})

test('Whoever links tells it anew, and what a sitter before said is forgotten', async () => {
  const { ask, sitter, place, openDoor } = await world()
  sitter.link.priorities([
    ['payer/0001', 9],
    ['payer/0003', 2],
  ])
  await sitter.link.stop()
  const next = startSitter(place, 2)
  closing.push(() => next.link.stop())
  next.link.priorities([['payer/0003', 8]])
  await next.linked()
  await openDoor(next)
  const calls = [
    ['payer/0001', 'usual'],
    ['payer/0003', 'high'],
  ] as const
  expect(await ask(next.link, calls)).toEqual(['first', 'high', 'usual'])
})
