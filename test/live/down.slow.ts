/**
 * A provider is away for a minute while 500 agents want something of it. Judged by its own log (it hears each call, and
 * cuts it) and by the history of the tasks.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { openProvider, outcomesOf, startSwarm, states, submitCalls } from './strict.ts'

const downMs = 60_000
/** Until so many failures are heard of that the breaker opens. */
const openedMs = 5_000

test('A minute without the provider: only probes reach it, tasks wait without a try, and all of them end well', async () => {
  const provider = await openProvider()
  const swarm = await startSwarm(provider, { limits: [{ per: 'upstream', rate: '100/s' }] })
  onTestFinished(async () => {
    expect(await swarm.stop()).toEqual([])
    await provider.close()
  })
  const count = 1_500
  await submitCalls(swarm, count)
  await swarm.until('calls', async () => provider.seen().length > 200)
  await provider.tell({ how: 'cut' })
  const fromMs = performance.now()
  await swarm.until('an open breaker', async () => {
    const { gate } = (await swarm.api('swarm')) as unknown as {
      readonly gate: { readonly upstreams: readonly { readonly breakers: readonly { readonly state: string }[] }[] }
    }
    return gate.upstreams[0]!.breakers.some(({ state }) => state !== 'closed')
  })
  await wait(openedMs)
  const cutBefore = provider.seen().filter(({ how }) => how === 'cut').length
  const parked = await swarm.until('nobody at work', async () => {
    const now = await states(swarm)
    return (now['waiting'] ?? 0) > 500 && now
  })
  await wait(downMs - (performance.now() - fromMs))
  const cut = provider.seen().filter(({ how }) => how === 'cut').length
  await provider.tell({ how: 'ok' })
  await swarm.until('all succeeded', async () => (await states(swarm))['succeeded'] === count, 180_000)
  const outcomes = await outcomesOf(swarm)
  console.info(
    `${cut} calls were cut, ${cut - cutBefore} of them probes; ${JSON.stringify(outcomes)}; ${JSON.stringify(parked)}`,
  )
  // After 5 s, and twice as long each time: in a minute five at most, whatever 500 agents want.
  expect(cut - cutBefore).toBeLessThanOrEqual(5)
  expect(cut - cutBefore).toBeGreaterThan(0)
  expect(outcomes['succeeded']).toBe(count)
  // Only a call that reached the provider may have cost a try.
  expect(outcomes['transient'] ?? 0).toBeLessThanOrEqual(cut)
  expect(outcomes['interrupted']).toBeGreaterThan(500)
}, 400_000)
