/**
 * 500 agents that want five times what a provider gives. Judged by the provider's own log, where calls arrive, and where
 * that says so by the gate's journal, where they leave.
 */
import { expect, onTestFinished, test } from 'vitest'
import { departures, mostIn, openProvider, startSwarm, states, submitCalls, type Provider } from './strict.ts'
import type { Swarm } from './swarm.ts'

const start = async (): Promise<{ provider: Provider; swarm: Swarm }> => {
  const provider = await openProvider()
  const swarm = await startSwarm(provider, { limits: [{ per: 'upstream', rate: '100/s' }] })
  onTestFinished(async () => {
    expect(await swarm.stop()).toEqual([])
    await provider.close()
  })
  return { provider, swarm }
}
const allDone = (swarm: Swarm, count: number, withinMs: number): Promise<unknown> =>
  swarm.until(`${count} succeeded`, async () => (await states(swarm))['succeeded'] === count, withinMs)
const times = (provider: Provider): readonly number[] => provider.seen().map(({ atMs }) => atMs)

test('No window holds more than the limit, nine tenths of it are used, and a pause that was asked for is one', async () => {
  const { provider, swarm } = await start()
  await submitCalls(swarm, 2_500)
  await allDone(swarm, 2_500, 90_000)
  const flood = times(provider)
  expect(flood).toHaveLength(2_500)
  expect(mostIn(flood, 1_000)).toBeLessThanOrEqual(100)
  expect(
    mostIn(
      departures(swarm).map(({ sentMs }) => sentMs),
      1_000,
    ),
  ).toBeLessThanOrEqual(100)
  const spanMs = flood.at(-1)! - flood[0]!
  console.info(`${flood.length} calls in ${Math.round(spanMs)} ms, at most ${mostIn(flood, 1_000)} arrived in a second`)
  expect(flood.length / (spanMs / 1_000)).toBeGreaterThanOrEqual(90)

  await submitCalls(swarm, 600)
  await swarm.until('a flood', async () => provider.seen().length > 2_600)
  await provider.tell({ how: 'limit-once', retryAfterS: 5 })
  await allDone(swarm, 3_100, 60_000)
  const askedMs = provider.seen().find(({ how }) => how === 'limited')!.atMs
  const sent = departures(swarm)
  const { heardMs } = sent.find(({ status }) => status === 429)!
  // Whatever arrived within the pause had left before it was heard of; by the journal nothing left within it.
  expect(sent.filter(({ sentMs }) => sentMs > heardMs && sentMs < heardMs + 5_000)).toEqual([])
  const arrived = times(provider).filter((atMs) => atMs < askedMs + 4_900).length
  expect(arrived).toBe(sent.filter(({ sentMs }) => sentMs <= heardMs).length)
  expect(mostIn(times(provider), 1_000)).toBeLessThanOrEqual(100)
}, 240_000)

test('No window holds more than the limit while gate and sitter are killed, and all work comes to its end', async () => {
  const { provider, swarm } = await start()
  const count = 2_000
  await submitCalls(swarm, count)
  for (const role of ['gate', 'sitter', 'gate'] as const) {
    const before = provider.seen().length
    await swarm.until('calls', async () => provider.seen().length > before + 300, 60_000)
    process.kill(swarm.process(role).pid, 'SIGKILL')
  }
  await allDone(swarm, count, 120_000)
  const all = times(provider)
  console.info(`${all.length} calls for ${count} tasks, at most ${mostIn(all, 1_000)} arrived in a second`)
  expect(all.length).toBeGreaterThanOrEqual(count)
  expect(mostIn(all, 1_000)).toBeLessThanOrEqual(100)
}, 300_000)
