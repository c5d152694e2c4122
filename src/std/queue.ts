import { assert } from './failure.ts'

/** A first-in first-out queue with a bound: at the bound `push` says false, and the caller says what happens. */
export class BoundedQueue<T> {
  readonly bound: number
  #items: (T | undefined)[] = []
  #head = 0

  constructor(bound: number) {
    assert(Number.isSafeInteger(bound) && bound >= 0, `a bound of ${bound} bounds nothing`)
    this.bound = bound
  }

  get size(): number {
    return this.#items.length - this.#head
  }

  /** False when full: nothing was taken in. */
  push(item: T): boolean {
    if (this.size >= this.bound) return false
    this.#items.push(item)
    return true
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head] = undefined
    this.#head += 1
    // Compacting at half keeps shift amortised O(1) without a linked list.
    if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  peek(): T | undefined {
    return this.#items[this.#head]
  }

  /** Takes out up to `count` items in order. */
  take(count: number): T[] {
    const taken: T[] = []
    while (taken.length < count && this.size > 0) taken.push(this.shift()!)
    return taken
  }
}
