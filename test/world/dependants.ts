/**
 * A type that depends on another, as processes and hosts see it: in the life of each sitter no host of it is started
 * before every agent of the other one has had its seat, but those that are out of the way. Whoever was let go waits for
 * nobody again. That dependants end first is not in a world: its sitters are killed.
 */
import type { AgentStateName, AgentType } from '../../src/model/model.ts'

/** They have an incident of their own, or a person does not want them. */
const outOfTheWay: ReadonlySet<string> = new Set(['quarantined', 'paused', 'stopping', 'stopped'])
/** Some of those that are not there, as many as fit into a line. */
const mostNamed = 5

export class Dependants {
  readonly #types: readonly AgentType[]
  readonly #violated: (what: string) => void
  /** As the record has them. */
  readonly #states = new Map<string, AgentStateName>()
  // Of the sitter that lives.
  readonly #seated = new Set<string>()
  readonly #away = new Set<string>()
  readonly #begun = new Set<string>()
  /** As it says now. */
  #stateNow: (agent: string) => AgentStateName | undefined = () => undefined

  constructor(types: Readonly<Record<string, AgentType>>, violated: (what: string) => void) {
    this.#types = Object.values(types)
    this.#violated = violated
  }

  /** Another sitter: all types wait as at the beginning. */
  begin(stateNow: (agent: string) => AgentStateName | undefined): void {
    this.#stateNow = stateNow
    this.#seated.clear()
    this.#begun.clear()
    this.#away.clear()
    for (const [agent, state] of this.#states) if (outOfTheWay.has(state)) this.#away.add(agent)
  }
  saved(agent: string, state: AgentStateName): void {
    this.#states.set(agent, state)
    if (outOfTheWay.has(state)) this.#away.add(agent)
  }
  seated(agent: string): void {
    this.#seated.add(agent)
  }
  /** A person's word: its type waits no longer. */
  meddled(type: string): void {
    this.#begun.add(type)
  }

  /** A host for agents is started; whoever stands by has none. */
  started(module: string): void {
    const type = this.#types.find(({ run }) => run.module === module)
    if (type === undefined || this.#begun.has(type.name)) return
    this.#begun.add(type.name)
    for (const other of type.dependsOn ?? []) {
      const missing = this.#missing(other)
      if (missing.length === 0) continue
      const some = missing.slice(0, mostNamed).join(', ')
      this.#violated(`${type.name} is started and depends on ${other}, of which ${missing.length} never were: ${some}`)
    }
  }
  #missing(type: string): readonly string[] {
    return [...this.#states.keys()].filter(
      (agent) =>
        agent.startsWith(`${type}/`) &&
        !this.#seated.has(agent) &&
        !this.#away.has(agent) &&
        !outOfTheWay.has(this.#stateNow(agent) ?? ''),
    )
  }

  /** What an agent waits for, in the sitter's words. */
  waits(agent: string, type: string, what: string): void {
    const others = this.#types.find(({ name }) => name === type)?.dependsOn ?? []
    if (this.#begun.has(type) && others.some((other) => what.includes(`waits for ${other} (`)))
      this.#violated(`${agent} was let go long ago, and ${what}`)
  }
}
