/** A rule that counts calls: agents whose tasks succeed while most of their calls fail. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Swarm } from '../live/swarm.ts'
import { openBank, type Bank } from './bank.ts'
import { configFor } from './config.ts'

let bank: Bank
let swarm: Swarm

beforeAll(async () => {
  bank = await openBank()
  const rule = { over: 4, hold: '1s', cap: '2s', least: 'throttled', calls: true }
  // A breaker would put the tasks off, and the gate would ask again, before the rule has heard of enough calls.
  const plain = { breaker: false, retries: false }
  swarm = await Swarm.start(configFor(bank, { degrade: { types: rule, agents: false } }, plain))
}, 60_000)
afterAll(async () => {
  await swarm.stop()
  await bank.upstream.close()
}, 60_000)

const modes = async (): Promise<unknown> => (await swarm.api('modes')).items
const calls = async (count: number): Promise<void> => {
  const ids = await Promise.all(Array.from({ length: count }, () => swarm.submit('call', { method: 'GET' })))
  for (const id of ids)
    await swarm.until('the call', async () => {
      const { state } = (await swarm.api(`tasks/${id}`)) as unknown as { state: { state: string } }
      return state.state === 'succeeded'
    })
}

test('failing calls throttle the type although no attempt failed, and calls that go well let it up again', async () => {
  await calls(6)
  expect(await modes()).toEqual([])
  bank.ill = true
  await calls(12)
  await swarm.until('throttled', async () => ((await modes()) as unknown[]).length === 1)
  expect(await modes()).toMatchObject([
    { target: 'type:payer', mode: 'throttled', source: 'rule', actor: 'rule:degrade' },
  ])
  bank.ill = false
  await calls(12)
  await swarm.until('active', async () => {
    const found = await modes()
    if (Array.isArray(found) && found.length === 0) return true
    await calls(2)
    return false
  })
  const { items } = await swarm.api('events?subject=type:payer')
  expect(items!.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['mode.stepped-down', 'mode.stepped-up']))
  expect((await swarm.api('swarm'))['work']).toMatchObject({ attempts: { succeeded: expect.any(Number) as number } })
  const { out } = await swarm.run('audit', 'search', '--json', '--action', 'mode.stepped-down')
  expect(out).toContain('type:payer')
}, 90_000)
