/** Through the real gate, by the own log of an upstream that takes one call at a time: who goes when. */
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { fetchBy, openWorld } from './harness.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = async (count: number, weights: Readonly<Record<string, number>> = {}) => {
  const upstream = await openUpstream()
  const held: ServerResponse[] = []
  upstream.answer((_seen, response) => held.push(response))
  const opened = await openWorld(upstream, {
    limits: [{ per: 'upstream', concurrent: 1, match: [] }],
    parkAfterMs: 600_000,
    timeoutMs: 600_000,
  })
  closing.push(opened.close)
  const types = Object.fromEntries(Object.entries(weights).map(([type, weight]) => [type, { weight }]))
  await opened.take({ ...opened.rules, agents: types })
  const { link } = opened.sitter
  const names = Object.keys(weights).length === 0 ? ['payer'] : Object.keys(weights)
  const all = names.map((type) =>
    Array.from({ length: count }, (_, at) => `${type}/${String(at + 1).padStart(4, '0')}`),
  )
  const doorOf = (agent: string): string => join(opened.place.directory, `${agent.split('/')[0]}.sock`)
  for (const [index, type] of names.entries()) {
    const agents = all[index]!
    link.openCell({ cell: `cel_${type}`, socketPath: doorOf(agents[0]!), type, agents, upstreams: ['bank'] })
  }
  const agents = all.flat()
  const until = async (holds: () => Promise<boolean>): Promise<void> => {
    while (!(await holds()));
  }
  await until(async () => (await link.status()).cells === names.length)
  const asked: Promise<unknown>[] = []
  let queued = -1
  return {
    link,
    agents,
    /** Resolves when it is at the upstream (the first) or in line. */
    ask: async (agent: string): Promise<void> => {
      asked.push(fetchBy(doorOf(agent), { path: `/bank/v1/${agent}`, headers: { 'x-sitter-agent': agent } }))
      queued += 1
      if (queued === 0) await upstream.reached(1)
      else await until(async () => (await link.status()).queued === queued)
    },
    /** Lets so many more reach the upstream. */
    next: async (calls: number): Promise<void> => {
      for (let call = 0; call < calls; call += 1) {
        held.shift()!.end('ok')
        queued -= 1
        await upstream.reached(upstream.seen.length + 1)
      }
    },
    end: async (): Promise<void> => {
      upstream.answer((_seen, response) => response.end('ok'))
      held.shift()!.end('ok')
      await Promise.all(asked)
    },
    log: () => upstream.seen.map(({ url }) => url.slice('/v1/'.length)),
  }
}

test('Ten agents of equal weight get the same of a strict upstream within a tenth, whatever each has waiting', async () => {
  const { agents, ask, next, end, log } = await world(10)
  // From 11 to 29 calls of each, and the greedy first.
  for (const [index, agent] of agents.toReversed().entries())
    for (let call = 0; call < 29 - 2 * index; call += 1) await ask(agent)
  await next(100)
  const served = log().slice(1)
  for (const agent of agents) {
    const count = served.filter((name) => name === agent).length
    expect(count).toBeGreaterThanOrEqual(9)
    expect(count).toBeLessThanOrEqual(11)
  }
  await end()
}, 120_000)

test('Agents of a type of weight three have three calls where those of the others have one', async () => {
  const { agents, ask, next, end, log } = await world(2, { settler: 3, reader: 1, writer: 1 })
  for (let call = 0; call < 30; call += 1) for (const agent of agents.toReversed()) await ask(agent)
  await next(50)
  const served = log().slice(1)
  for (const agent of agents) {
    const count = served.filter((name) => name === agent).length
    expect([agent, Math.abs(count - (agent.startsWith('settler') ? 15 : 5)) <= 1]).toEqual([agent, true])
  }
  await end()
}, 120_000)

test('A flood of low calls keeps a high one at a strict upstream from at most one place, whenever it comes', async () => {
  const { agents, ask, next, end, log, link } = await world(8)
  const high = agents.at(-1)!
  const low = agents.slice(0, -1)
  link.priorities([...low.map((agent): [string, number] => [agent, 1]), [high, 9]])
  await link.status()
  for (let call = 0; call < 16; call += 1) for (const agent of low) await ask(agent)
  const delays: number[] = []
  for (let round = 0; round < 12; round += 1) {
    await next(1 + (round % 4))
    await ask(high)
    // The one that is at the upstream was there before it.
    const from = log().length
    await next(2)
    delays.push(log().slice(from).indexOf(high))
  }
  expect(Math.min(...delays)).toBe(0)
  expect(Math.max(...delays)).toBeLessThanOrEqual(1)
  await end()
}, 120_000)
