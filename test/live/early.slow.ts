/**
 * Tasks that were told to wait for many minutes start as soon as their limit is another one, though gate and sitter were
 * killed in between: what they wait for stands in their rows, and whether it is open is asked. Judged by the
 * provider's own log.
 */
import { expect, onTestFinished, test } from 'vitest'
import { mostIn, openProvider, outcomesOf, startSwarm, states, submitCalls, swarmBefore } from './strict.ts'

const few = { limits: [{ per: 'upstream', rate: '10/h', window: 'sliding' }] }
const many = { limits: [{ per: 'upstream', rate: '20/s' }] }

test('A limit that is raised wakes at its own pace whoever waits for it, also after kills, and no try was spent', async () => {
  const provider = await openProvider()
  const swarm = await startSwarm(provider, few, 100)
  onTestFinished(async () => {
    expect(await swarm.stop()).toEqual([])
    await provider.close()
  })
  const count = 200
  await submitCalls(swarm, count)
  await swarm.until('all wait', async () => (await states(swarm))['waiting'] === count - 9, 60_000)
  for (const role of ['gate', 'sitter'] as const) {
    const { pid } = swarm.process(role)
    process.kill(pid, 'SIGKILL')
    await swarm.until(`another ${role}`, async () => swarm.process(role).pid !== pid, 60_000)
  }
  await swarm.until('the API', async () => (await states(swarm))['waiting'] === count - 9, 60_000)
  const fromMs = Date.now()
  await swarm.apply(swarmBefore(provider, many, 100))
  await swarm.until('all succeeded', async () => (await states(swarm))['succeeded'] === count, 120_000)
  const tookMs = Date.now() - fromMs
  const after = provider.seen().filter(({ atMs }) => atMs >= fromMs)
  console.info(
    `${after.length} calls in ${tookMs} ms, at most ${mostIn(
      after.map(({ atMs }) => atMs),
      1_000,
    )} a second`,
  )
  const outcomes = await outcomesOf(swarm)
  expect(outcomes['succeeded']).toBe(count)
  expect(Object.keys(outcomes).toSorted()).toEqual(['interrupted', 'succeeded'])
  expect(after).toHaveLength(count - 9)
  expect(
    mostIn(
      after.map(({ atMs }) => atMs),
      1_000,
    ),
  ).toBeLessThanOrEqual(20)
}, 300_000)
