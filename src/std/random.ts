/** Chance as an argument: jitter, ids and faults repeat from one seed. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  bytes(count: number): Uint8Array
}

/** Uniform integer in [low, high], both included. */
export const between = (random: Random, low: number, high: number): number =>
  low + Math.floor(random.next() * (high - low + 1))

/** A small seeded generator (mulberry32) for tests, rehearsals and simulation; not for secrets. */
export const seeded = (seed: number): Random => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
  return {
    next,
    bytes: (count) => {
      // A loop takes a sixth of the time that `Uint8Array.from` takes, and simulations draw ids by the million.
      const bytes = new Uint8Array(count)
      for (let index = 0; index < count; index += 1) bytes[index] = next() * 256
      return bytes
    },
  }
}
