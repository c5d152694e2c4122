/**
 * Calls at an upstream at once. A place is held from admission until the call's end. Nothing of it is saved: it is a
 * lease of this process, which a gate that died does not keep.
 */
import type { ConcurrencyLimit } from '../model/model.ts'
import type { Binding, Gauge } from './gauge.ts'
import type { Usage } from './usage.ts'

export class Concurrency {
  readonly #held = new Map<string, number>()

  usage(name: string, rule: ConcurrencyLimit, nowMs: number): Usage {
    const used = this.#held.get(name) ?? 0
    return { used, of: rule.concurrent, freeAtMs: used < rule.concurrent ? nowMs : Infinity }
  }

  names(): Iterable<string> {
    return this.#held.keys()
  }

  gauge(name: string, rule: ConcurrencyLimit, binding: Binding): Gauge {
    let holds = false
    const leave = (): void => {
      if (!holds) return
      holds = false
      const left = (this.#held.get(name) ?? 0) - 1
      if (left > 0) this.#held.set(name, left)
      else this.#held.delete(name)
    }
    return {
      ...binding,
      holds: true,
      readyAt: (nowMs) => ((this.#held.get(name) ?? 0) < rule.concurrent ? nowMs : Infinity),
      admit: () => {
        holds = true
        this.#held.set(name, (this.#held.get(name) ?? 0) + 1)
      },
      sent: () => {},
      giveUp: leave,
      ended: leave,
    }
  }
}
