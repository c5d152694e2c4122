/**
 * One bad agent among many in one real host: those that must die several times before it is alone, and those that fill
 * their host slowly.
 */
import { describe, expect, test } from 'vitest'
import {
  culprit12,
  idle,
  loopsAmongAHundred,
  misbehave,
  openApart,
  patienceMs,
  settled,
  surroundings,
  theOthersWork,
  view,
} from './apart.ts'
import { openYard, type Yard } from './yard.ts'

test('With no walls around it, an agent that loops among a hundred is named, then alone, then in quarantine', () =>
  loopsAmongAHundred(undefined))

describe.each(surroundings)('With %s around it', (_, around) => {
  const open = (count: number, memoryBytes?: number): Promise<Yard> => openApart(around, count, memoryBytes)

  test(
    'An agent that fills the memory beside its cell-mates ends alone and in quarantine, and they work',
    async () => {
      const yard = await open(12, 64_000_000)
      await yard.until(() => idle(yard, 12))
      while (view(yard, culprit12).state !== 'quarantined') {
        const deaths = yard.events('cell.lost').length
        const isAlone = view(yard, culprit12).cell?.id !== view(yard, 'villain/0001').cell?.id
        await misbehave(yard, 'leakSlowly', isAlone ? 0 : 2, culprit12)
        await yard.until(() => yard.events('cell.lost').length > deaths)
        await yard.until(() => idle(yard, 12) ?? (view(yard, culprit12).state === 'quarantined' || undefined))
      }
      const lost = yard.events('cell.lost')
      expect(lost[0]!.facts['detail']).toContain('heap out of memory')
      expect(lost.at(-1)!.facts).toMatchObject({ blamed: [culprit12], count: 1 })
      const witnesses = lost.map(({ facts }) => facts['witness'] as { readonly agent: string | null } | null)
      expect(witnesses.map((witness) => witness?.agent)).toContain(culprit12)
      await theOthersWork(yard, culprit12)
    },
    patienceMs,
  )

  test.each([
    ['ends the host without a trace', 'die'],
    ['makes it speak nonsense', 'garble'],
  ])(
    'When several are at work and one %s, they are parted until it is alone, and led home',
    async (_what, task) => {
      const yard = await open(30)
      await yard.until(() => idle(yard, 30))
      while (view(yard, 'villain/0017').state !== 'quarantined') {
        const deaths = yard.events('cell.lost').length
        await misbehave(yard, task, 30, 'villain/0017')
        await yard.until(() => yard.events('cell.lost').length > deaths)
        await yard.until(() => settled(yard))
      }
      const lost = yard.events('cell.lost')
      // How often its parts die before it is alone depends on how soon they prove themselves on a busy machine.
      expect(lost.slice(0, 2).map(({ facts }) => [facts['count'], facts['blamed']])).toEqual([
        [30, []],
        [30, []],
      ])
      expect(yard.events('cell.parted')[0]!.facts).toMatchObject({ named: false, count: 30 })
      expect(lost.at(-1)!.facts).toMatchObject({ count: 1, blamed: ['villain/0017'] })
      await theOthersWork(yard, 'villain/0017')
    },
    patienceMs,
  )

  const leaks = [
    ['memory', { megabytes: 120 }, /^memory: \d+ MB of 100 MB/],
    // Without walls and limits a host has no bound on these but the machine's.
    ...(around === undefined
      ? []
      : [
          ['descriptors', { files: 90 }, /^descriptors: \d+ of 128 are open/] as const,
          ['disk', { diskMegabytes: 7 }, /^disk: \d+ MB of 8 MB/] as const,
        ]),
  ] as const
  test.each(leaks)(
    'A host that fills its %s is drained and goes on in the host that stood by, before it is full',
    async (_what, leak, why) => {
      const yard = await openYard(
        {
          count: 6,
          perCell: 3,
          memoryBytes: 100_000_000,
          limits: { cpus: null, processes: 64, files: 128, diskBytes: 8_000_000 },
          cell: { kind: 'pool', orWeaker: false, standby: 1 },
        },
        around,
      )
      await yard.until(() => idle(yard, 6))
      const [standing] = await yard.until(() => {
        const ready = yard.fleet.standbys().filter(({ standsBy }) => standsBy === 'ready')
        return ready.length > 0 && ready
      })
      const free = yard.fleet.take('villain', 6)
      const [first] = free
      const mate = free.find(({ agent, cell }) => cell === first!.cell && agent !== first!.agent)!
      for (const { agent } of free) if (agent !== first!.agent && agent !== mate.agent) yard.fleet.release(agent)
      yard.run(mate, 'att_slow', 'echo', { waitMs: 2_500 })
      yard.run(first!, 'att_keep', 'keep', leak)
      await yard.until(() => yard.events('cell.recycling').length === 1)
      // What is at work there ends its work; nobody there gets more.
      expect(yard.fleet.take('villain', 6).some(({ cell }) => cell === first!.cell)).toBe(false)
      await yard.until(() => yard.events('cell.recycled').length === 1)
      expect(yard.done.map(({ attempt }) => attempt).toSorted()).toEqual(['att_keep', 'att_slow'])
      await yard.until(() =>
        yard.fleet.cells().some(({ id, answeredAgents }) => id === standing!.id && answeredAgents === 3),
      )
      expect(yard.events('cell.recycled')[0]!.facts).toMatchObject({
        attemptsLost: 0,
        count: 3,
        why: expect.stringMatching(why) as string,
      })
      expect(yard.events('cell.lost')).toEqual([])
      expect(yard.lost).toEqual([])
      expect(yard.fleet.summary()).toMatchObject({ restarts: 0, cellsLost: 0 })
    },
  )
})
