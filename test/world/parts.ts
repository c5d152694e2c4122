/** Work that is done in parts: what an agent was told to be taken as done is never given to anybody again. */
export class Parts {
  /** By the key of a task: pieces that are left of it, by the last part that was taken. */
  readonly #left = new Map<string, number>()
  readonly #violated: (what: string) => void
  taken = 0

  constructor(violated: (what: string) => void) {
    this.#violated = violated
  }

  /** The sitter has answered that it took a part. */
  told(key: string, left: number): void {
    this.taken += 1
    this.#left.set(key, Math.min(left, this.#left.get(key) ?? Number.POSITIVE_INFINITY))
  }

  /** Somebody is given so many pieces. */
  begins(key: string, left: number): void {
    const most = this.#left.get(key) ?? Number.POSITIVE_INFINITY
    if (left > most) this.#violated(`of ${key} ${left} pieces are given out, and only ${most} are left to do`)
  }
}
