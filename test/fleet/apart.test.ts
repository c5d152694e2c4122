/**
 * A hundred agents in one real host, and one of them bad: what its host says about it, where it ends, and what its
 * cell-mates notice. Those that need minutes are in apart.slow.ts.
 */
import { describe, expect, test } from 'vitest'
import { culprit, idle, misbehave, openApart, surroundings, theOthersWork } from './apart.ts'
import type { Yard } from './yard.ts'

describe.each(surroundings)('With %s around it', (_, around) => {
  const open = (count: number): Promise<Yard> => openApart(around, count)

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
      yard.run(free!, `att_round_${round}`, 'echo')
      await yard.until(() => yard.done.some(({ attempt }) => attempt === `att_round_${round}`))
    }
    expect(yard.events('cell.parted')).toEqual([])
    expect(yard.fleet.cells().length).toBe(1)
  })
})
