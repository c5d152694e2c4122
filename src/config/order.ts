/**
 * Checks of the order in which agents start: groups and `dependsOn` name what exists, an agent is in one group at most,
 * and nobody waits for itself over any chain of both. Runs over the raw value, as references.ts.
 */
import { formatAgent, parseAgent } from '../model/model.ts'
import { faultAt, nearest, show, type ConfigFault, type Path } from './faults.ts'
import { valueAt } from './issues.ts'
import { entriesAt, namesAt, refers, textAt } from './raw.ts'

interface Place {
  readonly path: Path
  readonly type: string
  /** Null = all agents of the type. */
  readonly agent: string | null
}

const countOf = (raw: unknown, type: string): number => Number(valueAt(raw, ['agents', type, 'count']) ?? 1)

/** The places of a group that can be read; faults for those that name nothing. */
const placesOf = (raw: unknown, group: string): { places: readonly Place[]; faults: readonly ConfigFault[] } => {
  const types = namesAt(raw, 'agents')
  const places: Place[] = []
  const faults: ConfigFault[] = []
  entriesAt(raw, ['groups', group, 'agents']).forEach((_, index) => {
    const path = ['groups', group, 'agents', index]
    const text = textAt(raw, path)
    if (text === undefined) return
    const agent = parseAgent(text)
    const type = agent?.type ?? text
    if (!types.includes(type))
      faults.push(faultAt(path, show(text), 'an agent type, or one of its agents', nearest(type, types)))
    else if (agent !== undefined && (agent.number < 1 || agent.number > countOf(raw, type)))
      faults.push(faultAt(path, show(text), `a number from 1 to the count of ${countOf(raw, type)}`))
    else places.push({ path, type, agent: agent === undefined ? null : formatAgent(agent) })
  })
  return { places, faults }
}

/** Each agent stands once, in one group. */
const repeated = (places: readonly Place[]): readonly ConfigFault[] => {
  const whole = new Set<string>()
  const single = new Map<string, Set<string>>()
  return places.flatMap(({ path, type, agent }) => {
    const agents = single.get(type) ?? new Set()
    single.set(type, agents)
    const again = whole.has(type) || (agent === null ? agents.size > 0 : agents.has(agent))
    if (agent === null) whole.add(type)
    else agents.add(agent)
    return again
      ? [faultAt(path, show(agent ?? type), 'each agent once: it stands in this or another group already')]
      : []
  })
}

/** Who must be ready before whom may start: from each to those that wait for it. */
type Edges = Map<string, Set<string>>

const edgesOf = (raw: unknown, groups: readonly (readonly Place[])[]): Edges => {
  const edges: Edges = new Map()
  const before = (one: string, other: string): void => {
    edges.set(one, (edges.get(one) ?? new Set()).add(other))
  }
  // A type has two nodes: it may start, and it is ready. So has an agent that stands in a group by itself.
  const nodes = ({ type, agent }: Place): readonly [string, string] => {
    if (agent === null) return [`start ${type}`, `ready ${type}`]
    before(`start ${type}`, `start ${agent}`)
    before(`start ${agent}`, `ready ${agent}`)
    before(`ready ${agent}`, `ready ${type}`)
    return [`start ${agent}`, `ready ${agent}`]
  }
  for (const type of namesAt(raw, 'agents')) {
    before(`start ${type}`, `ready ${type}`)
    for (const [index] of entriesAt(raw, ['agents', type, 'dependsOn'])) {
      const other = textAt(raw, ['agents', type, 'dependsOn', Number(index)])
      if (other !== undefined) before(`ready ${other}`, `start ${type}`)
    }
  }
  for (const places of groups) {
    const all = places.map(nodes)
    all.slice(1).forEach(([start], index) => before(all[index]![1], start))
  }
  return edges
}

/** The first circle that is found, as the names on it; undefined when there is none. */
const circle = (edges: Edges): readonly string[] | undefined => {
  const done = new Set<string>()
  const path: string[] = []
  const visit = (node: string): readonly string[] | undefined => {
    const at = path.indexOf(node)
    if (at >= 0) return [...path.slice(at), node]
    if (done.has(node)) return undefined
    path.push(node)
    for (const next of edges.get(node) ?? []) {
      const found = visit(next)
      if (found !== undefined) return found
    }
    path.pop()
    done.add(node)
    return undefined
  }
  for (const node of edges.keys()) {
    const found = visit(node)
    if (found !== undefined) return found
  }
  return undefined
}

const nameOf = (node: string): string => node.slice(node.indexOf(' ') + 1)

const circleFault = (raw: unknown, found: readonly string[]): ConfigFault => {
  const names = found.map(nameOf).filter((name, index, all) => name !== all[index - 1])
  const [type] = names.filter((name) => entriesAt(raw, ['agents', name, 'dependsOn']).length > 0)
  const path = type === undefined ? ['groups'] : ['agents', type, 'dependsOn']
  const words = names.length < 2 ? `${names[0]} before itself` : names.join(' before ')
  return faultAt(path, `a circle: ${words}`, 'an order in which each can be ready before the next one starts')
}

export const orderFaults = (raw: unknown): readonly ConfigFault[] => {
  const groups = namesAt(raw, 'groups').map((group) => placesOf(raw, group))
  const named = groups.map(({ places }) => places)
  const found = circle(edgesOf(raw, named))
  return [
    ...namesAt(raw, 'agents').flatMap((type) =>
      entriesAt(raw, ['agents', type, 'dependsOn']).flatMap((_, index) =>
        refers(raw, ['agents', type, 'dependsOn', index], 'agents'),
      ),
    ),
    ...groups.flatMap(({ faults }) => faults),
    ...repeated(named.flat()),
    ...(found === undefined ? [] : [circleFault(raw, found)]),
  ]
}
