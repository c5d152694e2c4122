/**
 * Lists of agents. Of fifty thousand registered ones only those of a page are looked at closely: a view costs a
 * hundred times as much as a place in the order.
 */
import type { Live } from './live.ts'
import type { AgentsAsk, AgentsPage, AgentState, AgentView } from './port.ts'
import { viewOf } from './view.ts'

type Listed = Pick<AgentView, 'id' | 'type' | 'number' | 'state' | 'mode'>

/** They are enrolled in nearly this order, so sorting is little more than a pass: 3 ms for 50,000. */
const inOrder = <Item extends Listed>(agents: Iterable<Item>): Item[] =>
  [...agents].sort((left, right) =>
    left.type === right.type ? left.number - right.number : left.type < right.type ? -1 : 1,
  )

/** A page of them; an agent may leave the filter between two pages, so the last one is looked for among all. */
export const pageFrom = <Item extends Listed>(
  agents: Iterable<Item>,
  { type, state, mode, limit, after }: AgentsAsk,
): { readonly items: readonly Item[]; readonly next: string | null } => {
  const all = inOrder(agents)
  const items: Item[] = []
  for (let at = after === null ? 0 : all.findIndex(({ id }) => id === after) + 1; at < all.length; at += 1) {
    const one = all[at]!
    if (type !== undefined && one.type !== type) continue
    if (state !== undefined && one.state !== state) continue
    if (mode !== undefined && one.mode !== mode) continue
    if (items.length === limit) return { items, next: items.at(-1)!.id }
    items.push(one)
  }
  return { items, next: null }
}

export const pageOf = (live: Live, ask: AgentsAsk): AgentsPage => {
  const { items, next } = pageFrom(live.agents.values(), ask)
  return { items: items.map((agent) => viewOf(live, agent)), next }
}

export const statesFrom = (agents: Iterable<Listed>, wanted?: string): readonly AgentState[] =>
  inOrder(agents)
    .filter(({ type }) => wanted === undefined || type === wanted)
    .map(({ id, type, number, state }) => ({ id, type, number, state }))
