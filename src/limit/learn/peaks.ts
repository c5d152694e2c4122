/**
 * How many calls a provider takes at once, as its answers tell (`"peak";q=8;qu="concurrent-requests"`). A call has its
 * place from its admission to its end. Others may use the same places, and what they take is only known by what an
 * answer says is left: that counts for a while, and then all of them are tried again.
 */
import { passedMs, type Stamp } from '../../std/std.ts'
import type { LimitRow } from '../../store/store.ts'
import type { Signal } from './signals.ts'

interface Peak {
  readonly most: number
  readonly toldMs: number
  /** So many at most, until then. */
  readonly fewer: number
  readonly fewerUntilMs: number
}

/** What was told longer ago may be another by now. */
const believedMs = 86_400_000
const fewerForMs = 10_000
const savedEveryMs = 3_600_000
/** As many as a provider's other limits. */
const mostPeaks = 16
const prefix = 'peak\n'

/** The place of one call. */
export interface Place {
  take(): void
  /** Once or more. */
  leave(): void
}

/** Of one scope. */
export class Peaks {
  readonly #peaks = new Map<string, Peak>()
  /** Calls that have a place. */
  #held = 0

  place(): Place {
    let isTaken = false
    return {
      take: () => {
        isTaken = true
        this.#held += 1
      },
      leave: () => {
        if (isTaken) this.#held -= 1
        isTaken = false
      },
    }
  }

  /** When there is a place: at most now = at once; Infinity = when a call has left its own. */
  readyAt(nowMs: number): number {
    let atMs = nowMs
    for (const [name, one] of this.#peaks) {
      if (nowMs - one.toldMs > believedMs) this.#peaks.delete(name)
      else if (this.#held >= one.most) return Infinity
      else if (this.#held >= one.fewer) atMs = Math.max(atMs, one.fewerUntilMs)
    }
    return atMs
  }

  /** While the answered call has its place still. True when it is worth a write. */
  hear({ name, limit, remaining }: Signal, nowMs: number): boolean {
    const before = this.#peaks.get(name)
    const told = limit ?? before?.most
    if (told === undefined) return false
    // Where there is none at all one call tries whether it is so.
    const most = Math.max(1, told)
    // Who says nothing of what is left takes nothing back of what was said.
    const now =
      remaining === null && before !== undefined
        ? { fewer: before.fewer, fewerUntilMs: before.fewerUntilMs }
        : { fewer: Math.max(1, this.#held + (remaining ?? most)), fewerUntilMs: nowMs + fewerForMs }
    this.#peaks.delete(name)
    this.#peaks.set(name, { most, toldMs: nowMs, ...now })
    if (this.#peaks.size > mostPeaks) this.#peaks.delete(this.#peaks.keys().next().value!)
    return before?.most !== most || nowMs - before.toldMs > savedEveryMs
  }

  /** More were under way than these let through: others have places, too. False when none of them is known. */
  violated(names: readonly string[], nowMs: number): boolean {
    const found = names.filter((name) => this.#peaks.has(name))
    for (const name of found) {
      const one = this.#peaks.get(name)!
      this.#peaks.set(name, { ...one, fewer: Math.max(1, this.#held - 1), fewerUntilMs: nowMs + fewerForMs })
    }
    return found.length > 0
  }

  /** For people: what is left of each. */
  left(nowMs: number): readonly { readonly name: string; readonly left: number; readonly untilMs: number }[] {
    return [...this.#peaks].map(([name, { most, fewer, fewerUntilMs, toldMs }]) => {
      const isFewer = fewer < most && fewerUntilMs > nowMs
      const left = Math.max(0, (isFewer ? fewer : most) - this.#held)
      return { name: `${name} at once`, left, untilMs: isFewer ? fewerUntilMs : toldMs + believedMs }
    })
  }

  take(name: string, most: number, toldMs: number): void {
    this.#peaks.set(name, { most, toldMs, fewer: most, fewerUntilMs: 0 })
  }

  rows(scope: string, stamp: Stamp): readonly LimitRow[] {
    return [...this.#peaks].map(([name, { most, toldMs }]) => ({
      name: `${prefix}${scope}\n${name}`,
      aheadMs: 0,
      pauseMs: Math.max(0, stamp.monoMs - toldMs),
      strikes: most,
      ...stamp,
    }))
  }
}

/** Undefined = it is none, or too old. */
export const peakOf = (
  row: LimitRow,
  now: Stamp,
): { readonly scope: string; readonly name: string; readonly most: number; readonly toldMs: number } | undefined => {
  if (!row.name.startsWith(prefix) || row.strikes <= 0) return undefined
  const agoMs = passedMs(now, row) + row.pauseMs
  const [, upstream, credential, name] = row.name.split('\n')
  if (name === undefined || agoMs > believedMs) return undefined
  return { scope: `${upstream}\n${credential}`, name, most: row.strikes, toldMs: now.monoMs - agoMs }
}
