/** A clock that only moves when told, and lets everything happen that its moves set off. */
import type { Cancel, Clock } from '../../src/std/std.ts'

interface Timer {
  readonly atMs: number
  readonly order: number
  readonly fire: () => void
}

export class VirtualClock implements Clock {
  bootId = 'boot-1'
  #monoMs = 1_000
  #wallMs = 1_800_000_000_000
  #order = 0
  readonly #timers = new Set<Timer>()

  wallMs(): number {
    return this.#wallMs
  }
  monoMs(): number {
    return this.#monoMs
  }
  stamp(): { wallMs: number; monoMs: number; bootId: string } {
    return { wallMs: this.#wallMs, monoMs: this.#monoMs, bootId: this.bootId }
  }
  timer(delayMs: number, fire: () => void): Cancel {
    const timer = { atMs: this.#monoMs + Math.max(0, delayMs), order: (this.#order += 1), fire }
    this.#timers.add(timer)
    return () => {
      this.#timers.delete(timer)
    }
  }
  get timers(): number {
    return this.#timers.size
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 4; turn += 1)
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
  }

  /** Moves on, firing what becomes due in order, each followed by whatever it sets off. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monoMs + ms
    await this.settle()
    for (;;) {
      const due = [...this.#timers]
        .filter((one) => one.atMs <= untilMs)
        .toSorted((a, b) => a.atMs - b.atMs || a.order - b.order)[0]
      if (due === undefined) break
      this.#move(Math.max(0, due.atMs - this.#monoMs))
      this.#timers.delete(due)
      due.fire()
      await this.settle()
    }
    this.#move(untilMs - this.#monoMs)
  }

  /** The machine stood still: time passed and nothing fired until now. */
  async sleepThrough(ms: number): Promise<void> {
    this.#move(ms)
    await this.advance(0)
  }

  #move(ms: number): void {
    this.#monoMs += ms
    this.#wallMs = Math.round(this.#wallMs + ms)
  }
}
