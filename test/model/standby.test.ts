import { expect, test } from 'vitest'
import { standbysWanted, type AgentType } from '../../src/model/model.ts'
import { agentType } from '../fleet/world.ts'

const type = (name: string, change: Partial<AgentType> = {}): AgentType => agentType({ name, ...change })
const wanted = (...types: AgentType[]): Record<string, number> => Object.fromEntries(standbysWanted(types))

test('One host stands by for a pool type of two cells or more, none for a single cell, and none for programs', () => {
  const program = type('program', { run: { exec: ['a'], directory: '/' }, cell: { kind: 'process', orWeaker: false } })
  expect(wanted(type('many'), type('few', { count: 5 }), type('none', { count: 0 }), program)).toEqual({
    many: 1,
    few: 0,
    none: 0,
  })
})

test('Unasked there are at most four in a swarm, the first types of the configuration; what is written counts as it is', () => {
  const types = ['a', 'b', 'c', 'd', 'e'].map((name) => type(name))
  expect(wanted(...types)).toEqual({ a: 1, b: 1, c: 1, d: 1, e: 0 })
  const asked = (standby: number) => ({ cell: { kind: 'pool', orWeaker: false, standby } as const })
  expect(wanted(type('off', asked(0)), type('on', { count: 1, ...asked(2) }), ...types)).toEqual({
    off: 0,
    on: 2,
    a: 1,
    b: 1,
    c: 1,
    d: 1,
    e: 0,
  })
})
