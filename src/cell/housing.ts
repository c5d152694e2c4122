/**
 * What becomes of the cell that a type of agents asks for, on a machine that can or cannot. Pure. What is missing is
 * named; less than what was asked for is only given to who has said that less will do.
 */
import type { AgentType } from '../model/model.ts'
import type { Ability, Machine } from './machine.ts'

type Kind = AgentType['cell']['kind']

export interface Housing {
  readonly requested: Kind
  /** What is really made; null = these agents are not started. */
  readonly effective: Kind | null
  /** What of the asked kind's promise this machine does not keep; [] = all is kept. */
  readonly weaker: readonly string[]
  readonly refused: { readonly why: string; readonly wayOut: string } | null
}

const lacking = (abilities: Machine['abilities'], names: readonly (keyof Machine['abilities'])[]): readonly Ability[] =>
  names.map((name) => abilities[name]).filter(({ verdict }) => verdict !== 'enforced')

const needs = {
  pool: ['namespaces', 'filter', 'limits'],
  vm: ['namespaces', 'filter', 'limits'],
  process: ['limits'],
  sandbox: ['namespaces', 'filter', 'limits'],
} as const

/** One word a reason, however many abilities hang on it. */
const reasons = (missing: readonly Ability[]): readonly string[] => [...new Set(missing.map(({ says }) => says))]

export const housingOf = (
  type: Pick<AgentType, 'name' | 'cell'>,
  { abilities }: Pick<Machine, 'abilities'>,
): Housing => {
  const { kind, orWeaker } = type.cell
  const missing = lacking(abilities, needs[kind])
  const weaker = type.cell.walls === false ? ['no walls around it, as the configuration says'] : reasons(missing)
  // A process is a process, and a pool host holds code of one's own: what is weaker there is shown, not refused.
  if (weaker.length === 0 || (kind !== 'sandbox' && kind !== 'vm'))
    return { requested: kind, effective: kind, weaker, refused: null }
  if (orWeaker) {
    // What keeps machines apart does not hang on the walls around them.
    if (kind === 'vm') return { requested: kind, effective: kind, weaker, refused: null }
    const effective = abilities.namespaces.verdict === 'enforced' ? 'sandbox' : 'process'
    return { requested: kind, effective, weaker, refused: null }
  }
  const fixes = missing.flatMap(({ fix }) => fix ?? [])
  const instead = `or write cell: { kind: '${kind}', orWeaker: true } for what it can`
  return {
    requested: kind,
    effective: null,
    weaker,
    refused: {
      why: `agent type ${type.name} asks for cell '${kind}', which this machine cannot make: ${weaker.join('; ')}`,
      wayOut: [...new Set(fixes), instead].join('; '),
    },
  }
}

const boundaries = {
  pool: 'pool: one process for many agents, which is their boundary',
  vm: 'vm: a machine for each agent, with memory and CPU slice of its own, and nothing but its context',
  process: 'process: same uid, files and network not contained',
  sandbox: 'sandbox: own files, processes and network; out only by its two sockets',
} as const

/** What people are told about the boundary, wherever it is shown. */
export const boundaryOf = ({ effective, requested, weaker }: Housing): string =>
  [
    effective === null ? 'not started' : boundaries[effective],
    ...(effective === requested ? [] : [`${requested} was asked for`]),
    ...(weaker.length === 0 ? [] : [`weaker here: ${weaker.join('; ')}`]),
  ].join('; ')
