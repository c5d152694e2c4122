/**
 * A hundred agents in one real host, and one of them bad: what its host says about it, where it ends, and what its
 * cell-mates notice.
 */
import { afterAll, describe, expect, test } from 'vitest'
import { probeMachine } from '../../src/cell/cell.ts'
import type { AgentView, FreeAgent } from '../../src/fleet/fleet.ts'
import { openYard, type Yard } from './yard.ts'

const culprit = 'villain/0042'
const culprit12 = 'villain/0007'
const view = (yard: Yard, id: string): AgentView =>
  yard.fleet.view({ type: 'villain', number: Number(id.split('/')[1]) })!
const idle = (yard: Yard, count: number): true | undefined => yard.fleet.summary().byState.idle === count || undefined

const machine = await probeMachine({ name: `swarmsitter-apart-${process.pid}`, settle: true })
afterAll(() => machine.limits.close())

/** Whoever does not wait for a time is back. */
const settled = (yard: Yard): true | undefined =>
  yard.fleet.list().every(({ state }) => state === 'idle' || state === 'quarantined') || undefined

/** All but the culprit are together again in one host, and each of them does its work there. */
const theOthersWork = async (yard: Yard, bad = culprit): Promise<void> => {
  const others = yard.fleet.list().filter(({ id }) => id !== bad)
  const together = (): boolean => {
    const cells = new Set(others.map(({ id }) => view(yard, id).cell?.id))
    return cells.size === 1 && others.every(({ id }) => view(yard, id).state === 'idle')
  }
  await yard.until(together)
  expect(view(yard, bad)).toMatchObject({ state: 'quarantined', cell: null })
  for (const one of yard.fleet.take('villain', 200)) yard.run(one, `att_work_${one.agent}`, 'echo')
  const done = (): Yard['done'] => yard.done.filter(({ attempt }) => attempt.startsWith('att_work_'))
  await yard.until(() => done().length === others.length)
  expect(new Set(done().map(({ result }) => result['pid'])).size).toBe(1)
}

/** Dying for want of memory takes the engine a second, and five on a busy machine. */
const patienceMs = 90_000

let attempts = 0
/** Gives the task to the one, once it is free, and something harmless to some others, so that it is not alone at work. */
const misbehave = async (yard: Yard, task: string, mates = 3, bad = culprit): Promise<void> => {
  const all = await yard.until(() => {
    const free = yard.fleet.take('villain', 200)
    if (free.some(({ agent }) => agent === bad)) return free
    for (const { agent } of free) yard.fleet.release(agent)
    return undefined
  })
  const others = all.filter(({ agent }) => agent !== bad)
  const run = (one: FreeAgent, type: string, payload = {}): void =>
    yard.run(one, `att_${(attempts += 1)}`, type, payload)
  for (const one of others.slice(0, mates)) run(one, 'echo', { waitMs: task === 'leakSlowly' ? 60_000 : 300 })
  for (const { agent } of others.slice(mates)) yard.fleet.release(agent)
  run(
    all.find(({ agent }) => agent === bad)!,
    task,
  )
}

/** Behind walls the process that the sitter knows is the wall, and what a host leaves behind lies on its own disk. */
const surroundings = [
  ['no walls', undefined] as const,
  ...(machine.bwrap === null ? [] : [['walls', machine] as const]),
]

describe.each(surroundings)('With %s around it', (_, around) => {
  const open = (count: number, memoryBytes = 256_000_000): Promise<Yard> =>
    openYard(
      {
        count,
        perCell: count,
        memoryBytes,
        restart: { type: 'permanent', max: 1, withinMs: 600_000, baseMs: 200, capMs: 1_000 },
        cell: { kind: 'pool', orWeaker: false, standby: 0 },
      },
      around,
    )

  test('An agent that loops among a hundred is named with its stack, lives alone after its second time, and is quarantined at the third', async () => {
    const yard = await open(100)
    await yard.until(() => idle(yard, 100))
    for (let round = 1; round <= 3; round += 1) {
      await misbehave(yard, 'loopLater', round < 3 ? 3 : 0)
      await yard.until(() => yard.events('cell.lost').length === round)
      if (round < 3) await yard.until(() => idle(yard, 100))
    }
    const lost = yard.events('cell.lost')
    // The first time nobody watched: the engine's own print, in which no frame is the host's any more.
    expect(lost[0]!.facts).toMatchObject({ blamed: [], witness: { kind: 'blocked', source: 'stack', agent: null } })
    expect(JSON.stringify(lost[0]!.facts['witness'])).toContain('witness.ts')
    expect(lost[1]!.facts).toMatchObject({ blamed: [culprit], count: 100 })
    expect(lost[1]!.facts['witness']).toMatchObject({ kind: 'blocked', source: 'watch', agent: culprit })
    expect(JSON.stringify(lost[1]!.facts['witness'])).toContain('loopLater')
    expect(lost[2]!.facts).toMatchObject({ blamed: [culprit], count: 1 })
    await theOthersWork(yard)
  })

  test('One that loops before its first await is named by the stack that its host printed', async () => {
    const yard = await open(5)
    await yard.until(() => idle(yard, 5))
    await misbehave(yard, 'loop', 3, 'villain/0002')
    const [lost] = await yard.until(() => yard.events('cell.lost').length > 0 && yard.events('cell.lost'))
    expect(lost!.facts['witness']).toMatchObject({ kind: 'blocked', source: 'stack', agent: 'villain/0002' })
    expect(lost!.facts['blamed']).toEqual(['villain/0002'])
    expect(lost!.message).toContain('the loop was at loop (')
    expect(yard.lost.filter(({ collateral }) => !collateral).map(({ agent }) => agent)).toEqual(['villain/0002'])
  })

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

  test('A host that is killed from outside parts nobody', async () => {
    const yard = await open(6)
    for (let round = 1; round <= 4; round += 1) {
      await yard.until(() => idle(yard, 6))
      process.kill(yard.fleet.cells()[0]!.identity.pid, 'SIGKILL')
      await yard.until(() => yard.events('cell.lost').length === round)
      const [free] = await yard.until(() => {
        const taken = yard.fleet.take('villain', 1)
        return taken.length > 0 && taken
      })
      yard.run(free!, `att_${(attempts += 1)}`, 'echo')
      await yard.until(() => yard.done.some(({ attempt }) => attempt === `att_${attempts}`))
    }
    expect(yard.events('cell.parted')).toEqual([])
    expect(yard.fleet.cells().length).toBe(1)
  })

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
