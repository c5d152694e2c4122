/**
 * A hundred agents in one real host, and one of them bad: what its host says about it, where it ends, and what its
 * cell-mates notice. Those that need minutes are in apart.slow.ts.
 */
import { describe, expect, test } from 'vitest'
import { idle, loopsAmongAHundred, misbehave, openApart, surroundings, usual, usualPlace } from './apart.ts'
import type { Yard } from './yard.ts'

// Without walls where there are any: apart.slow.ts.
test(`With ${usualPlace} around it, an agent that loops among a hundred is named, then alone, then in quarantine`, () =>
  loopsAmongAHundred(usual))

describe.each(surroundings)('With %s around it', (_, around) => {
  const open = (count: number): Promise<Yard> => openApart(around, count)

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
