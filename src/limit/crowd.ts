/**
 * Who waits, and how many of each kind: of an agent for an upstream, and of those whom a limit binds that is not one
 * agent's nor one line's (`crowd`, gauge.ts). Nothing but numbers, kept while somebody waits.
 */
import { Promised } from './expect.ts'
import type { Gauge } from './gauge.ts'
import { scopeName, type Scope } from './names.ts'

/** What is counted of a call that waits. */
export interface Counted {
  readonly scope: Scope
  readonly limits: readonly Gauge[]
  readonly granted: boolean
  readonly priority: number
}
/** Where a call stands in its own line. */
export interface Standing {
  readonly priority: number
  /** Those before it there. */
  readonly all: number
  /** It is counted already. */
  readonly isCounted: boolean
}

/** Told of at once. */
const mostAgents = 100
/** Beyond this many, those that are over are forgotten. */
const mostPromised = 1_000
/** Payments are counted above all priorities of tasks, which end at 9. */
const levels = 11

const agentKey = ({ scope }: Pick<Counted, 'scope'>): string => `${scope.upstream}\n${scope.agent ?? ''}`
const levelOf = ({ granted, priority }: Counted): number => (granted ? levels - 1 : priority)

const countIn = (counts: Map<string, number>, key: string, by: 1 | -1): void => {
  const left = (counts.get(key) ?? 0) + by
  if (left === 0) counts.delete(key)
  else counts.set(key, left)
}

/** Those who wait for one such limit. */
interface Bound {
  readonly byLevel: number[]
  readonly byLine: Map<string, number>
}

/** The crowds of a call, each once. */
const crowdsOf = (limits: readonly Gauge[]): readonly string[] => {
  const found: string[] = []
  for (const { crowd } of limits) if (crowd !== undefined && !found.includes(crowd)) found.push(crowd)
  return found
}

export class Crowd {
  total = 0
  readonly #perAgent = new Map<string, number>()
  readonly #perLine = new Map<string, number>()
  readonly #bound = new Map<string, Bound>()
  readonly #promised = new Map<string, Promised>()

  count(waiter: Counted, by: 1 | -1): void {
    this.total += by
    const line = scopeName(waiter.scope)
    countIn(this.#perLine, line, by)
    for (const crowd of crowdsOf(waiter.limits)) this.#countBound(crowd, line, levelOf(waiter), by)
    if (!waiter.granted) countIn(this.#perAgent, agentKey(waiter), by)
  }

  /** Calls of the same agent to the same upstream. */
  before(wanted: Pick<Counted, 'scope'>): number {
    return this.#perAgent.get(agentKey(wanted)) ?? 0
  }

  /** Somebody waits for a limit that other lines may wait for as well. */
  get isShared(): boolean {
    return this.#bound.size > 0
  }

  /** Somebody waits for one of these. */
  waitsFor(limits: readonly Gauge[]): boolean {
    return this.isShared && limits.some(({ crowd }) => crowd !== undefined && this.#bound.has(crowd))
  }

  /** All who wait in this line wait for this one. */
  isWhole(crowd: string, line: string): boolean {
    return (this.#bound.get(crowd)?.byLine.get(line) ?? 0) >= (this.#perLine.get(line) ?? 0)
  }

  /**
   * How many of a crowd would go before a call: those of its own line that stand before it there, and as many of each
   * other line, for lines take turns.
   */
  ahead(crowd: string, { priority, all, isCounted }: Standing): number {
    const bound = this.#bound.get(crowd)
    if (bound === undefined) return 0
    let higher = isCounted ? -1 : 0
    for (let level = priority; level < levels; level += 1) higher += bound.byLevel[level]!
    return Math.max(0, Math.min(higher, (all + 1) * Math.max(1, bound.byLine.size) - 1))
  }

  /** The times that were told to those of a crowd who were sent away. */
  promised(crowd: string, nowMs: number): Promised {
    let promised = this.#promised.get(crowd)
    if (promised !== undefined) return promised
    if (this.#promised.size >= mostPromised)
      for (const [name, one] of this.#promised) if (one.isOver(nowMs)) this.#promised.delete(name)
    this.#promised.set(crowd, (promised = new Promised()))
    return promised
  }

  at(upstream: string): readonly { readonly agent: string; readonly waiting: number }[] {
    return [...this.#perAgent]
      .flatMap(([key, waiting]) => {
        const [of, agent = ''] = key.split('\n')
        return of === upstream ? [{ agent, waiting }] : []
      })
      .toSorted((one, other) => other.waiting - one.waiting || (one.agent < other.agent ? -1 : 1))
      .slice(0, mostAgents)
  }

  #countBound(crowd: string, line: string, level: number, by: 1 | -1): void {
    let bound = this.#bound.get(crowd)
    if (bound === undefined)
      this.#bound.set(crowd, (bound = { byLevel: Array.from({ length: levels }, () => 0), byLine: new Map() }))
    bound.byLevel[level]! += by
    countIn(bound.byLine, line, by)
    if (bound.byLine.size === 0) this.#bound.delete(crowd)
  }
}
