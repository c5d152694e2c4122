/**
 * Agents' own calls by the priority of their tasks: higher first, and within one level fair turns of the agents
 * (turns.ts). One place of ten goes to whoever waits longest, whatever its level, so that low ones never starve; so a
 * flood of low ones keeps a high one from at most one place.
 */
import { FairQueue, type Waiting } from './turns.ts'

/** One place in so many is for who waits longest. */
export const reserveEvery = 10

export interface Head {
  readonly priority: number
  readonly sinceMs: number
}

/**
 * The order in which levels are looked at, by the heads of those in which somebody waits, the highest first. `passed` =
 * places that went to the highest level while others waited, since the last reserved one.
 */
export const levelOrder = <Level extends Head>(heads: readonly Level[], passed: number): readonly Level[] => {
  if (heads.length < 2 || passed < reserveEvery - 1) return heads
  const longest = heads.reduce((first, one) => (one.sinceMs < first.sinceMs ? one : first))
  return [longest, ...heads.filter((one) => one !== longest)]
}

interface Ranked extends Waiting {
  readonly priority: number
  readonly sinceMs: number
}

export class Levels<Waiter extends Ranked> {
  /** By priority; a level in which nobody waits is dropped by the next sweep. */
  readonly #levels = new Map<number, FairQueue<Waiter>>()
  #passed = 0

  get size(): number {
    let size = 0
    for (const { waiters } of this.#levels.values()) size += waiters.length
    return size
  }

  get waiters(): readonly Waiter[] {
    return [...this.#levels.values()].flatMap(({ waiters }) => waiters)
  }

  /** The highest priority of those who wait; -1 = nobody does. */
  get highest(): number {
    return this.#heads()[0]?.priority ?? -1
  }

  push(waiter: Waiter): void {
    this.#levelOf(waiter.priority).push(waiter)
  }

  /** Served at once, for nobody waits. */
  pass(agent: string, priority: number, weight: number): void {
    this.#levelOf(priority).pass(agent, weight)
  }

  /** Who waits, level by level, in the order in which they are to be looked at. */
  inOrder(): readonly (readonly Waiter[])[] {
    const heads = this.#heads()
    return levelOrder(heads, this.#passed).map(({ waiters }) => waiters)
  }

  served(waiter: Waiter): void {
    const heads = this.#heads()
    this.#levels.get(waiter.priority)?.served(waiter)
    if (heads.length < 2) return
    // The reserved place is used up by whoever got it, the highest level too when one of it waited longest.
    const isReserved = this.#passed >= reserveEvery - 1 || waiter.priority !== heads[0]!.priority
    this.#passed = isReserved ? 0 : this.#passed + 1
  }

  /** How many would stand before the next call of this agent at this level. */
  ahead(agent: string, priority: number): number {
    let before = 0
    for (const [level, queue] of this.#levels)
      if (level > priority) before += queue.waiters.length
      else if (level === priority) before += queue.ahead(agent)
    return before
  }

  /** Those at the heads who left. */
  shift(): void {
    for (const level of this.#levels.values()) level.shift()
  }

  /** All who left. */
  forget(): void {
    for (const [priority, level] of this.#levels) {
      level.forget()
      if (level.isIdle) this.#levels.delete(priority)
    }
  }

  #levelOf(priority: number): FairQueue<Waiter> {
    let level = this.#levels.get(priority)
    if (level === undefined) this.#levels.set(priority, (level = new FairQueue<Waiter>()))
    return level
  }

  #heads(): readonly (Head & { readonly waiters: readonly Waiter[] })[] {
    return [...this.#levels]
      .flatMap(([priority, { waiters }]) => {
        const head = waiters.find(({ left }) => !left)
        return head === undefined ? [] : [{ priority, sinceMs: head.sinceMs, waiters }]
      })
      .toSorted((one, other) => other.priority - one.priority)
  }
}
