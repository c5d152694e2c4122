/** What a configuration may ask of a cell that the kind does not have: refused by name, never taken and ignored. */
import { expect, test } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import { Failure } from '../../src/std/std.ts'

const errorsOf = (raw: unknown): readonly string[] => {
  try {
    parseConfig(raw, '/swarm')
  } catch (error) {
    expect(error).toBeInstanceOf(Failure)
    expect((error as Failure).code).toBe('config-invalid')
    return (error as Failure).facts['errors'] as readonly string[]
  }
  throw new Error('the config was taken')
}

test('A bound on a disk that nothing would keep is refused, or taken by who has said that less will do', () => {
  const exec = { run: { exec: ['./a.sh'] }, limits: { disk: '1MB' } }
  const module = { run: { module: './a.ts' }, limits: { disk: '1MB' } }
  const agents = {
    plain: { ...exec, cell: 'process' },
    kind: { ...exec, cell: { kind: 'process' } },
    open: { ...module, cell: { kind: 'pool', walls: false } },
    less: { ...exec, cell: { kind: 'process', orWeaker: true } },
    boxed: { ...exec, cell: 'sandbox' },
    walled: module,
    silent: { run: { exec: ['./a.sh'] }, cell: 'process' },
  }
  const errors = errorsOf({ name: 'small', agents })
  expect(errors.map((error) => error.split(': found')[0])).toEqual([
    'agents.plain.limits.disk',
    'agents.kind.limits.disk',
    'agents.open.limits.disk',
  ])
  expect(errors[0]).toContain('nothing bounds the disk of a cell without walls; or cell.orWeaker: true')
  const { less, boxed, walled, silent } = agents
  const config = parseConfig({ name: 'small', agents: { less, boxed, walled, silent } }, '/swarm')
  expect(Object.values(config.agents).map(({ limits }) => [limits.diskBytes, limits.diskIsAsked])).toEqual([
    [1_000_000, true],
    [1_000_000, true],
    [1_000_000, true],
    [64_000_000, undefined],
  ])
})

test('Only a process may stay the user of the sitter, and only a pool host has walls to be without', () => {
  const exec = { run: { exec: ['./a.sh'] } }
  const errors = errorsOf({
    name: 'small',
    agents: {
      boxed: { ...exec, cell: { kind: 'sandbox', user: 'swarm' } },
      pooled: { run: { module: './a.ts' }, cell: { kind: 'pool', user: 'swarm' } },
      open: { ...exec, cell: { kind: 'sandbox', walls: false } },
    },
  })
  expect(errors.map((error) => error.split(': found')[0])).toEqual([
    'agents.boxed.cell.user',
    'agents.pooled.cell.user',
    'agents.open.cell.walls',
  ])
  const agents = { plain: { ...exec, cell: { kind: 'process', user: 'swarm' } }, usual: { ...exec, cell: 'process' } }
  const config = parseConfig({ name: 'small', agents }, '/swarm')
  expect(Object.values(config.agents).map(({ cell }) => cell)).toEqual([
    { kind: 'process', orWeaker: false, user: 'swarm' },
    { kind: 'process', orWeaker: false },
  ])
})
