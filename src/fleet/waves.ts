/**
 * Starts in waves: a few at a time, oldest ask first, so that five thousand agents or a whole lost swarm do not start
 * in one blow and starve each other past their start deadlines. Bound: each item waits at most once.
 */
export interface Waves<Item> {
  /** Waits for its turn; asking again while it waits changes nothing. */
  ask(item: Item): void
  withdraw(item: Item): void
  /** While held nothing is started; what is starting goes on. */
  hold(held: boolean): void
  /** The start of this item is over, well or badly. */
  done(item: Item): void
  /** It waits for its turn, or is starting. */
  has(item: Item): boolean
  readonly waiting: number
  readonly starting: number
}

/** `start` must lead to one `done(item)` later; it is never called from inside `ask` of the same item twice. */
export const openWaves = <Item>(atOnce: number, start: (item: Item) => void): Waves<Item> => {
  const waiting = new Set<Item>()
  const starting = new Set<Item>()
  let isHeld = false
  const next = (): void => {
    if (isHeld) return
    for (const item of waiting) {
      if (starting.size >= atOnce) return
      if (starting.has(item)) continue
      waiting.delete(item)
      starting.add(item)
      start(item)
    }
  }
  return {
    ask: (item) => {
      waiting.add(item)
      next()
    },
    withdraw: (item) => {
      waiting.delete(item)
    },
    hold: (held) => {
      isHeld = held
      next()
    },
    done: (item) => {
      if (starting.delete(item)) next()
    },
    has: (item) => waiting.has(item) || starting.has(item),
    get waiting() {
      return waiting.size
    },
    get starting() {
      return starting.size
    },
  }
}
