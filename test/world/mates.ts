/**
 * A configured group as the hosts see it: who was seated when, whatever the fleet says of it. One for all, and the rest
 * for one: whoever stands behind another is started after it, each time.
 */
import type { AgentGroup } from '../../src/model/model.ts'

interface Seated {
  readonly epoch: number
  readonly atMs: number
}

export class Mates {
  readonly group: AgentGroup
  readonly #seats = new Map<string, Seated>()
  /** When a person meddled with one of them last (monotonic): whom it begins anew, it begins anew alone. */
  #meddledMs = -Infinity

  constructor(group: AgentGroup) {
    this.group = group
  }

  has(agent: string): boolean {
    return this.group.places.includes(agent)
  }
  meddled(agent: string, nowMs: number): void {
    if (this.has(agent)) this.#meddledMs = nowMs
  }

  /** A host has given it a seat. An old host may be told of an old one late. */
  seated(agent: string, epoch: number, nowMs: number): void {
    if (this.has(agent) && epoch > (this.#seats.get(agent)?.epoch ?? -1)) this.#seats.set(agent, { epoch, atMs: nowMs })
  }

  /** Whoever of them was started before one that stands before it, when all of them work; nothing is known of others. */
  outOfOrder(): string | null {
    const seats = this.group.places.map((agent) => ({ agent, seat: this.#seats.get(agent) }))
    for (const [at, { agent, seat }] of seats.entries()) {
      const before = seats[at - 1]
      if (seat === undefined || before?.seat === undefined || seat.atMs >= before.seat.atMs) continue
      if (seat.atMs < this.#meddledMs) continue
      return `${agent} was started ${Math.round(before.seat.atMs - seat.atMs)} ms before ${before.agent}, which stands before it in group ${this.group.name}`
    }
    return null
  }
}
