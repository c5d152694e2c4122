/** A gate that was killed is in the record, with how it ended and that it is back. */
import { expect, onTestFinished, test } from 'vitest'
import { Swarm } from './swarm.ts'

test('the kill of the gate is an event with how it ended, and so is its return', async () => {
  const swarm = await Swarm.start({ name: 'gone', agents: {}, api: { port: 0 } })
  onTestFinished(async () => {
    await swarm.stop()
  })
  const { gate } = (await swarm.api('swarm')) as unknown as { readonly gate: { readonly pid: number } }
  process.kill(gate.pid, 'SIGKILL')
  const events = await swarm.until('the gate is back', async () => {
    const { items = [] } = await swarm.api('events?subject=gate')
    return items.some(({ kind }) => kind === 'gate.linked') && items
  })
  expect(events).toMatchObject([
    { kind: 'gate.ended', level: 'error', facts: { by: 'signal SIGKILL', deaths: 1 } },
    { kind: 'gate.linked', level: 'info' },
  ])
}, 60_000)
