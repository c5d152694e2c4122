import { expect, test } from 'vitest'
import { realRandom } from '../../../src/std/real/real.ts'
import { freshCycle, step, type Cycle, type Fact } from '../../../src/vault/rotation/cycle.ts'
import { openDoing } from '../../../src/vault/rotation/doing.ts'
import { newMember } from '../../../src/vault/rotation/member.ts'
import type { Deeds, LookFact } from '../../../src/vault/rotation/rotators.ts'

const none: LookFact = { kind: 'ids', ids: [] }
const away: LookFact = { kind: 'still-there', why: 'it answered 503' }

/** The facts of so many looks for a key whose making was not answered. */
const factsOf = async (looks: readonly LookFact[]): Promise<readonly string[]> => {
  const lost: Cycle = { ...freshCycle(0, 0), phase: 'looking', label: 'l-1', why: 'lost: the connection was reset' }
  const member = newMember({ name: 'bank', rule: { name: 'bank', pool: [] }, deeds: null, cycle: lost })
  const facts: string[] = []
  const doing = openDoing({
    options: { random: realRandom() } as never,
    active: () => ({ version: 1 }) as never,
    take: async (_, fact) => {
      facts.push((fact as Fact).kind)
      const stepped = step(member.cycle, fact as Fact, { nowMs: 1, nextDueMs: null, serving: [1] })
      member.cycle = stepped?.cycle ?? member.cycle
      return true
    },
  })
  const left = [...looks]
  const deeds = { look: async () => left.shift()!, revoke: async () => ({ kind: 'revoked' }) } as unknown as Deeds
  while (left.length > 0) await doing.look(member, deeds)
  return facts
}

test('that no key was made is believed when two lists, one right after the other, show none', async () => {
  expect(await factsOf([none, none])).toEqual(['still-there', 'none-found'])
  expect(await factsOf([away, none])).toEqual(['still-there', 'still-there'])
  expect(await factsOf([none, away, none])).toEqual(['still-there', 'still-there', 'still-there'])
  expect(await factsOf([{ kind: 'ids', ids: ['k2'] }, none, none])).toEqual([
    'still-there',
    'still-there',
    'none-found',
  ])
})
