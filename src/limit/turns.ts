/**
 * Agents' own calls in fair turns (start-time fair queueing): what counts is what calls weigh by their limits, so an
 * agent whose calls weigh 20 has one turn where others have 20. Who comes new begins at the turn that is being served:
 * it neither waits behind a flood nor makes up for the time it did not ask.
 */
/** What the queue needs to know of a call that waits. */
export interface Waiting {
  readonly scope: { readonly agent: string | null }
  /** What it takes of its agent's turns: what it weighs by limits, divided by what its agent weighs. */
  readonly weight: number
  left: boolean
  /** Its turn, set by the queue. */
  turn: number
}

export class FairQueue<Waiter extends Waiting> {
  /** By turn, and as they came within one. */
  waiters: Waiter[] = []
  #served = 0
  /** The next turn of an agent that has waited lately. */
  readonly #next = new Map<string, number>()
  /** The turn after the last that an agent was served; what it gave up waiting for is no turn. */
  readonly #after = new Map<string, number>()

  /** Nobody waits, and nobody's last turn is remembered. */
  get isIdle(): boolean {
    return this.waiters.length === 0 && this.#next.size === 0
  }

  push(waiter: Waiter): void {
    const agent = waiter.scope.agent ?? ''
    waiter.turn = this.#turnOf(agent)
    this.#next.set(agent, waiter.turn + waiter.weight)
    let at = this.waiters.length
    while (at > 0 && this.waiters[at - 1]!.turn > waiter.turn) at -= 1
    this.waiters.splice(at, 0, waiter)
  }

  /** Served at once, for nobody waits: its turn counts as if it had stood here. */
  pass(agent: string, weight: number): void {
    const turn = this.#turnOf(agent)
    this.#served = Math.max(this.#served, turn)
    this.#next.set(agent, turn + weight)
    this.#after.set(agent, turn + weight)
  }

  /** How many would stand before the next call of this agent. */
  ahead(agent: string): number {
    const turn = this.#turnOf(agent)
    let [from, to] = [0, this.waiters.length]
    while (from < to) {
      const middle = (from + to) >> 1
      if (this.waiters[middle]!.turn > turn) to = middle
      else from = middle + 1
    }
    return from
  }

  served(waiter: Waiter): void {
    this.#served = Math.max(this.#served, waiter.turn)
    this.#after.set(waiter.scope.agent ?? '', waiter.turn + waiter.weight)
  }

  #turnOf(agent: string): number {
    return Math.max(this.#served, this.#next.get(agent) ?? 0)
  }

  /** Those at the head who left. */
  shift(): void {
    while (this.waiters[0]?.left) this.waiters.shift()
  }

  /** All who left, and agents whose next turn is no later than anybody's. */
  forget(): void {
    this.waiters = this.waiters.filter(({ left }) => !left)
    const waiting = new Map(this.waiters.map(({ scope, turn, weight }) => [scope.agent ?? '', turn + weight]))
    for (const agent of this.#next.keys()) {
      const next = Math.max(waiting.get(agent) ?? 0, this.#after.get(agent) ?? 0)
      if (next > this.#served) this.#next.set(agent, next)
      else if (this.#next.delete(agent)) this.#after.delete(agent)
    }
  }
}
