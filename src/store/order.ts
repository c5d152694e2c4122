/**
 * Which ready tasks of an agent type start next: the order that every engine keeps. Pure.
 *
 * - Higher priority first. Task types of one priority take turns, one start each; within a type the older goes first.
 * - Of ten starts, the tenth goes to the task that waits longest, whatever its priority, once it has waited a minute.
 *
 * So a flood of a lower priority takes at most one start in ten from a higher one; and a task of the lowest priority
 * starts after at most ten times as many starts as there are older tasks, however many higher ones keep coming. The
 * share counts starts and not time, because how fast work ends is not known here.
 */

export interface Candidate {
  readonly seq: number
  readonly type: string
  readonly priority: number
  readonly createdMs: number
}

/** One start in so many is for who waits longest. */
export const sharedStart = 10
/** Who waits for less than this has not been passed over: bursts go strictly by priority. */
export const longWaitMs = 60_000

export interface OrderAsk {
  readonly slots: number
  readonly turn: { readonly starts: number; readonly lastType: string | null }
  readonly nowMs: number
}

const isShared = (ask: OrderAsk, index: number): boolean => (ask.turn.starts + index + 1) % sharedStart === 0

/** How many of the slots are for who waits longest. */
export const sharedStarts = (ask: Pick<OrderAsk, 'slots' | 'turn'>): number =>
  Math.floor((ask.turn.starts + ask.slots) / sharedStart) - Math.floor(ask.turn.starts / sharedStart)

/** The type whose turn it is: the first after the last one, in the order of their names, and round again. */
const nextType = (types: readonly string[], last: string | null): string =>
  (last === null ? undefined : types.find((type) => type > last)) ?? types[0]!

/**
 * @param queues By type, each by priority and then age, with as many as there are slots (or all that there are).
 * @param longest Who waits longest, the longest first; as many as `sharedStarts` (or all), or none when all ready
 *   tasks have one priority.
 */
export const startOrder = (
  queues: readonly (readonly Candidate[])[],
  longest: readonly Candidate[],
  ask: OrderAsk,
): Candidate[] => {
  const passedOver = longest.filter((one) => ask.nowMs - one.createdMs >= longWaitMs).slice(0, sharedStarts(ask))
  const taken = new Set(passedOver.map((one) => one.seq))
  const open = queues
    .filter((queue) => queue.length > 0)
    .map((queue) => ({ type: queue[0]!.type, left: queue.filter((one) => !taken.has(one.seq)) }))
    .toSorted((one, two) => (one.type < two.type ? -1 : 1))
  let lastType = ask.turn.lastType
  const nextByPriority = (): Candidate | undefined => {
    const waiting = open.filter(({ left }) => left.length > 0)
    if (waiting.length === 0) return undefined
    const highest = Math.max(...waiting.map(({ left }) => left[0]!.priority))
    const level = waiting.filter(({ left }) => left[0]!.priority === highest)
    lastType = nextType(
      level.map(({ type }) => type),
      lastType,
    )
    return level.find(({ type }) => type === lastType)!.left.shift()
  }
  const order: Candidate[] = []
  for (let index = 0; index < ask.slots; index += 1) {
    const next = (isShared(ask, index) ? passedOver.shift() : undefined) ?? nextByPriority() ?? passedOver.shift()
    if (next === undefined) break
    order.push(next)
  }
  return order
}
