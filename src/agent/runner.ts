/** What the agents of a process are made of: one module's code in this very process, or something else that runs it. */
import type { Asleep, Rest, Seat, Woken } from '../wire/wire.ts'
import { agentOf, type Agent } from './define.ts'

/** What an agent is given about its place here. */
export interface Place {
  readonly seat: Seat
  /** Runs code in the agent's name: stray errors, prints and evidence are its own. */
  readonly within: <Value>(work: () => Value) => Value
  /** Its code failed outside of any attempt: it lives no more. */
  readonly broken: (error: unknown) => void
  /** A notification to the sitter; what is told is completed with its name. */
  readonly tell: (method: string, params: object) => void
}

export interface Living {
  readonly agent: Agent
  /** It is gone, however it went. Called once. */
  readonly end?: () => void
  /** Where an agent can be put away and got back: `sleep` and `wake` of the wire. */
  readonly sleep?: (how: Rest) => Promise<Asleep>
  readonly wake?: () => Promise<Woken>
}

export interface Runner {
  readonly tasks: readonly string[]
  readonly live: (place: Place) => Living
}

/** @throws when the module exports no agent. */
export const plainRunner = (module: Readonly<Record<string, unknown>>, path: string): Runner => {
  const agent = agentOf(module, path)
  return { tasks: Object.keys(agent.tasks), live: () => ({ agent }) }
}
