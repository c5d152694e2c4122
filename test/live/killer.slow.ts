/**
 * A pool of 64 under the real command, one of them ends its host at random: behind walls and without. Within five deaths
 * it sits alone, and the others are together again; all of it as the API tells and /proc shows.
 */
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { Swarm } from './swarm.ts'

const killer = 'worker/0037'
const count = 64
const patienceMs = 120_000

interface Seen {
  readonly id: string
  readonly state: string
  readonly cell: { readonly id: string } | null
}
interface Lost {
  readonly kind: string
  readonly facts: { readonly count: number; readonly blamed: readonly string[]; readonly agents: string }
}

const lostIn = async (swarm: Swarm): Promise<readonly Lost[]> => {
  const { items } = await swarm.api('events?limit=1000')
  return (items as unknown as readonly Lost[]).filter(({ kind }) => kind === 'cell.lost')
}

test.each([['behind walls'], ['without walls']])(
  'A pool of 64, %s: who kills its host at random sits alone within five deaths, and the others share a host again',
  async (how) => {
    const swarm = await Swarm.start({
      name: 'killer',
      agents: {
        worker: {
          run: { module: join(import.meta.dirname, 'killer.ts') },
          count,
          perCell: count,
          cell: { kind: 'pool', standby: 0, walls: how === 'behind walls' },
          heartbeat: '600ms',
          restart: { max: 2, within: '10m', base: '100ms', cap: '500ms' },
          config: { killer },
        },
      },
      tasks: { work: { agent: 'worker', retry: { max: 100, base: '50ms', cap: '200ms' } } },
      api: { port: 0 },
    })
    onTestFinished(async () => {
      expect(await swarm.stop()).toEqual([])
    })
    const cellOf = (agents: readonly Seen[], id: string): string | undefined =>
      agents.find((agent) => agent.id === id)?.cell?.id
    const isAlone = (agents: readonly Seen[]): boolean => {
      const own = cellOf(agents, killer)
      return own !== undefined && agents.every(({ id, cell }) => id === killer || cell?.id !== own)
    }
    let alone: { readonly deaths: number } | undefined
    let last: readonly Seen[] = []
    let together = false
    for (const end = performance.now() + patienceMs; performance.now() < end && !together; await wait(100)) {
      last = await swarm.agents('worker')
      const lost = await lostIn(swarm)
      if (alone === undefined && isAlone(last)) alone = { deaths: lost.length }
      const others = last.filter(({ id }) => id !== killer)
      together =
        last.find(({ id }) => id === killer)!.state === 'quarantined' &&
        new Set(others.map(({ cell }) => cell?.id)).size === 1 &&
        others.every(({ state }) => state === 'idle' || state === 'busy')
      // Work for everybody, all the time: nobody is known by being the only one at it.
      const idle = last.filter(({ state }) => state === 'idle').length
      for (let given = 0; given < idle && !together; given += 16)
        await Promise.all(Array.from({ length: Math.min(16, idle - given) }, () => swarm.submit('work', {})))
    }
    const lost = await lostIn(swarm)
    expect(together, JSON.stringify(last.map(({ id, state, cell }) => [id, state, cell?.id]))).toBe(true)
    expect(alone?.deaths).toBeLessThanOrEqual(5)
    // Nobody else was ever charged.
    expect([...new Set(lost.flatMap(({ facts }) => facts.blamed))]).toEqual([killer])
    expect(last.filter(({ state }) => state === 'quarantined').map(({ id }) => id)).toEqual([killer])
  },
  patienceMs + 30_000,
)
