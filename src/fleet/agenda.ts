/**
 * Everything the fleet does later, on one timer of the clock: beats, backoffs, probes, deadlines. A binary heap by
 * monotonic time; a cancelled entry stays in the heap until its time and does nothing, so cancelling is O(1). Bound: a
 * few entries per cell and one per agent that waits by itself.
 */
import type { Cancel, Clock } from '../std/std.ts'

interface Entry {
  readonly atMs: number
  readonly order: number
  fire: (() => void) | null
}

const before = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

export class Agenda {
  readonly #clock: Clock
  #heap: Entry[] = []
  #order = 0
  #armedMs = Infinity
  #disarm: Cancel | undefined
  #over = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Calls `fire` once at or after the monotonic time; entries of one time fire in the order they were made. */
  at(atMs: number, fire: () => void): Cancel {
    const entry: Entry = { atMs, order: this.#order++, fire }
    if (!this.#over) {
      this.#push(entry)
      this.#arm()
    }
    return () => {
      entry.fire = null
    }
  }

  after(delayMs: number, fire: () => void): Cancel {
    return this.at(this.#clock.monoMs() + delayMs, fire)
  }

  /** Forgets everything; nothing fires any more. */
  stop(): void {
    this.#over = true
    this.#disarm?.()
    this.#heap = []
  }

  #arm(): void {
    while (this.#heap[0]?.fire === null) this.#pop()
    const next = this.#heap[0]
    if (next === undefined || next.atMs === this.#armedMs) return
    this.#disarm?.()
    this.#armedMs = next.atMs
    this.#disarm = this.#clock.timer(Math.max(0, next.atMs - this.#clock.monoMs()), () => this.#due())
  }

  #due(): void {
    this.#armedMs = Infinity
    this.#disarm = undefined
    const nowMs = this.#clock.monoMs()
    // Only what is due at the beginning: an entry that makes another for now cannot hold the loop.
    const due: Entry[] = []
    while (this.#heap[0] !== undefined && this.#heap[0].atMs <= nowMs) due.push(this.#pop())
    for (const entry of due) {
      const fire = entry.fire
      entry.fire = null
      fire?.()
      if (this.#over) return
    }
    this.#arm()
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(entry, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = entry
  }

  #pop(): Entry {
    const heap = this.#heap
    const first = heap[0]!
    const last = heap.pop()!
    if (heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1
      if (!before(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return first
  }
}
