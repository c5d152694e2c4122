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
  /** A program without walls that is a user of its own; absent = it is the sitter's, or behind walls. */
  readonly user?: 'own'
  readonly refused: { readonly why: string; readonly wayOut: string } | null
}

const lacking = (abilities: Machine['abilities'], names: readonly (keyof Machine['abilities'])[]): readonly Ability[] =>
  names.map((name) => abilities[name]).filter(({ verdict }) => verdict !== 'enforced')

const needs = {
  pool: ['namespaces', 'filter', 'limits', 'disk'],
  vm: ['namespaces', 'filter', 'limits', 'disk'],
  process: ['limits'],
  sandbox: ['namespaces', 'filter', 'limits', 'disk'],
} as const

/** One word a reason, however many abilities hang on it. */
const reasons = (missing: readonly Ability[]): readonly string[] => [...new Set(missing.map(({ says }) => says))]

type Asked = Pick<AgentType, 'name' | 'cell'> & {
  readonly limits?: Pick<AgentType['limits'], 'diskIsAsked'>
}

/** What is less because the configuration says so itself: told, never a reason to refuse. */
const ownWish = ({ cell, limits }: Asked, hasUsers: boolean): readonly string[] => {
  const isBare = cell.kind === 'process' || cell.walls === false
  return [
    ...(cell.user === 'swarm' && hasUsers ? ["the sitter's own user (root), as the configuration says"] : []),
    ...(cell.walls === false ? ['no walls around it, as the configuration says'] : []),
    ...(isBare && limits?.diskIsAsked === true ? ['its disk has no bound: limits.disk is not kept without walls'] : []),
  ]
}

/** Walls are what these kinds are for. What a pool or a process lacks is shown; unasked near money, it is refused. */
const mustBeWhole = ({ cell: { kind, orWeaker, nearMoney } }: Asked): boolean =>
  !orWeaker && (kind === 'sandbox' || kind === 'vm' || nearMoney === true)

export const housingOf = (type: Asked, { abilities }: Pick<Machine, 'abilities'>): Housing => {
  const { kind, nearMoney } = type.cell
  const missing = lacking(abilities, type.cell.walls === false ? ['limits'] : needs[kind])
  const hasUsers = abilities['process-user'].verdict === 'enforced'
  const weaker = [...ownWish(type, hasUsers), ...reasons(missing)]
  if (missing.length === 0 || !mustBeWhole(type)) {
    // What keeps machines apart does not hang on the walls around them, and a process is a process.
    const falls = kind === 'sandbox' && abilities.namespaces.verdict !== 'enforced'
    const effective = falls ? 'process' : kind
    const isOwn = effective === 'process' && hasUsers && type.cell.user !== 'swarm'
    return { requested: kind, effective, weaker, ...(isOwn && { user: 'own' as const }), refused: null }
  }
  const lacks = reasons(missing).join('; ')
  const fixes = missing.flatMap(({ fix }) => fix ?? [])
  const instead = `or write cell: { kind: '${kind}', orWeaker: true } for what it can`
  const near = nearMoney === true ? ', and may call an upstream that moves money' : ''
  return {
    requested: kind,
    effective: null,
    weaker,
    refused: {
      why: `agent type ${type.name} asks for cell '${kind}', which this machine cannot make: ${lacks}${near}`,
      wayOut: [...new Set(fixes), instead].join('; '),
    },
  }
}

const boundaries = {
  pool: 'pool: one process for many agents, which is their boundary',
  vm: 'vm: a machine for each agent, with memory and CPU slice of its own, and nothing but its context',
  process: 'process: same uid, its disk has no bound, files and network not contained',
  'process as another user':
    'process: a user of its own; its disk has no bound, files that all may read and network not contained',
  sandbox: 'sandbox: own files, processes and network; out only by its two sockets',
} as const

/** What people are told about the boundary, wherever it is shown. */
export const boundaryOf = ({ effective, requested, weaker, user }: Housing): string =>
  [
    effective === null ? 'not started' : boundaries[user === 'own' ? 'process as another user' : effective],
    ...(effective === requested ? [] : [`${requested} was asked for`]),
    ...(weaker.length === 0 ? [] : [`weaker here: ${weaker.join('; ')}`]),
  ].join('; ')
