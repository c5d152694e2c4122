/**
 * Work that is done in parts: what an agent was told to be taken as done is never given to anybody again. What was given
 * out before that may be begun after it, by a host that stood still with it unread: that attempt is over, and whatever
 * it says is refused.
 */
interface Taken {
  readonly left: number
  readonly by: number
}

/** Attempts of a task have numbers that grow: `att_….3`. */
export const numberOf = (attempt: string): number => Number(attempt.slice(attempt.lastIndexOf('.') + 1))

export class Parts {
  /** By the key of a task: pieces that are left of it, by the last part that was taken. */
  readonly #taken = new Map<string, Taken>()
  readonly #violated: (what: string) => void
  taken = 0

  constructor(violated: (what: string) => void) {
    this.#violated = violated
  }

  /** The sitter has answered that it took a part. */
  told(key: string, attempt: string, left: number): void {
    this.taken += 1
    const by = numberOf(attempt)
    if (by > (this.#taken.get(key)?.by ?? -1)) this.#taken.set(key, { left, by })
  }

  /** Somebody is given so many pieces. */
  begins(key: string, attempt: string, left: number): void {
    const taken = this.#taken.get(key)
    if (taken !== undefined && left > taken.left && numberOf(attempt) > taken.by)
      this.#violated(`of ${key} ${left} pieces are given out, and only ${taken.left} are left to do`)
  }
}
