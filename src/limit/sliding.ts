/**
 * A limit as its provider may count it: so many calls in any window, all at once if need be. Calls are counted in slots
 * of a fiftieth of the window, and a slot counts until all of it is older than a window: so the window is never
 * exceeded, and at most a fiftieth of the time is given away. Times are monotonic ms.
 */
export interface SlidingShape {
  readonly count: number
  readonly windowMs: number
}
export interface Sliding {
  /** Calls by number of slot, oldest first; only those that count still. */
  readonly slots: readonly (readonly [slot: number, count: number])[]
  readonly pending: number
}
export const freshSliding: Sliding = { slots: [], pending: 0 }

const slotsPerWindow = 50
const slotMs = (shape: SlidingShape): number => shape.windowMs / slotsPerWindow
/** When a slot counts no more. */
const overMs = (shape: SlidingShape, slot: number): number => (slot + 1) * slotMs(shape) + shape.windowMs

export const usedIn = (shape: SlidingShape, state: Sliding, nowMs: number): number =>
  state.slots.reduce((sum, [slot, count]) => sum + (overMs(shape, slot) > nowMs ? count : 0), 0)

/** At most `nowMs` = at once; Infinity = when a pending one was sent or given up. */
export const slidingReadyAt = (shape: SlidingShape, state: Sliding, nowMs: number, weight: number): number => {
  const free = shape.count - state.pending - weight
  if (free < 0) return Infinity
  let used = usedIn(shape, state, nowMs)
  if (used <= free) return nowMs
  for (const [slot, count] of state.slots) {
    if (overMs(shape, slot) <= nowMs) continue
    used -= count
    if (used <= free) return overMs(shape, slot)
  }
  return Infinity
}

export const slidingSent = (shape: SlidingShape, state: Sliding, nowMs: number, weight: number): Sliding => {
  const slot = Math.floor(nowMs / slotMs(shape))
  const kept = state.slots.filter(([one]) => overMs(shape, one) > nowMs)
  const last = kept.at(-1)
  const slots: Sliding['slots'] =
    last?.[0] === slot ? [...kept.slice(0, -1), [slot, last[1] + weight]] : [...kept, [slot, weight]]
  return { slots, pending: state.pending - weight }
}

export const slidingPending = (state: Sliding, by: number): Sliding => ({ ...state, pending: state.pending + by })

/** What a successor must assume: everything that counts, pending too, was sent in the last moment. */
export const usedAtMost = (shape: SlidingShape, state: Sliding, nowMs: number): number =>
  usedIn(shape, state, nowMs) + state.pending
export const slidingOf = (shape: SlidingShape, used: number, sentMs: number): Sliding =>
  used === 0 ? freshSliding : { slots: [[Math.floor(sentMs / slotMs(shape)), used]], pending: 0 }
