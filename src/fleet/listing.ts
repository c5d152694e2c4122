/**
 * Lists of agents. Of fifty thousand registered ones only those of a page are looked at closely: a view costs a
 * hundred times as much as a place in the order.
 */
import type { Agent, Live } from './live.ts'
import type { AgentsAsk, AgentsPage, AgentState } from './port.ts'
import { viewOf } from './view.ts'

const byId = (left: Agent, right: Agent): number =>
  left.type === right.type ? left.number - right.number : left.type < right.type ? -1 : 1

/** They are enrolled in nearly this order, so sorting is little more than a pass: 3 ms for 50,000. */
const inOrder = (live: Live): Agent[] => [...live.agents.values()].sort(byId)

export const pageOf = (live: Live, { type, state, mode, limit, after }: AgentsAsk): AgentsPage => {
  const all = inOrder(live)
  const passes = (agent: Agent): boolean =>
    (type === undefined || agent.type === type) &&
    (state === undefined || agent.state === state) &&
    (mode === undefined || agent.mode === mode)
  const found: Agent[] = []
  // An agent may leave the filter between two pages, so the last one is looked for among all of them.
  for (let at = after === null ? 0 : all.findIndex(({ id }) => id === after) + 1; at < all.length; at += 1) {
    if (!passes(all[at]!)) continue
    if (found.length === limit) return { items: found.map((one) => viewOf(live, one)), next: found.at(-1)!.id }
    found.push(all[at]!)
  }
  return { items: found.map((agent) => viewOf(live, agent)), next: null }
}

export const statesOf = (live: Live, type: string | undefined): readonly AgentState[] =>
  inOrder(live)
    .filter((agent) => type === undefined || agent.type === type)
    .map(({ id, type: of, number, state }) => ({ id, type: of, number, state }))
