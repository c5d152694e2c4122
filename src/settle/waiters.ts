/** Attempts that wait for a settlement to end: at most one wait an attempt, so at most one an agent. */
import type { SettleOutcome } from './port.ts'

interface Waiting {
  readonly attempt: string
  readonly resolve: (outcome: SettleOutcome) => void
}

export class Waiters {
  readonly #bySettlement = new Map<string, Waiting[]>()
  readonly #attempts = new Map<string, string>()

  has(attempt: string): boolean {
    return this.#attempts.has(attempt)
  }

  /** A second wait of the same attempt takes the place of its first, which is never answered: the agent asked again. */
  wait(settlement: string, attempt: string): Promise<SettleOutcome> {
    const before = this.#attempts.get(attempt)
    if (before !== undefined) this.#drop(before, attempt)
    return new Promise((resolve) => {
      this.#attempts.set(attempt, settlement)
      const list = this.#bySettlement.get(settlement)
      if (list) list.push({ attempt, resolve })
      else this.#bySettlement.set(settlement, [{ attempt, resolve }])
    })
  }

  answer(settlement: string, outcome: SettleOutcome): void {
    for (const { attempt, resolve } of this.#bySettlement.get(settlement) ?? []) {
      this.#attempts.delete(attempt)
      resolve(outcome)
    }
    this.#bySettlement.delete(settlement)
  }

  /** The attempt is over (its agent is gone): nobody waits for it any more. */
  forget(attempt: string): void {
    const settlement = this.#attempts.get(attempt)
    if (settlement === undefined) return
    this.#drop(settlement, attempt)
    this.#attempts.delete(attempt)
  }

  #drop(settlement: string, attempt: string): void {
    const rest = (this.#bySettlement.get(settlement) ?? []).filter((one) => one.attempt !== attempt)
    if (rest.length > 0) this.#bySettlement.set(settlement, rest)
    else this.#bySettlement.delete(settlement)
  }
}
