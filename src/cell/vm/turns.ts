/**
 * Who runs next in a host of machines: one turn each in order, so that whoever has much to do waits for the others. The
 * loop is let go after each few ms: it hears the sitter, and timers, between any two turns that are long.
 */
const untilMs = 4

export interface Turns {
  put(of: object, turn: () => void): void
  /** Forgets what has not run yet. */
  drop(of: object): void
}

export const turns = (): Turns => {
  const waiting = new Map<object, (() => void)[]>()
  let isPlanned = false
  const plan = (): void => {
    if (isPlanned || waiting.size === 0) return
    isPlanned = true
    setImmediate(run)
  }
  const run = (): void => {
    isPlanned = false
    const beganMs = performance.now()
    for (const [of, queue] of waiting) {
      // To the end of the line: a map keeps the order in which keys came.
      waiting.delete(of)
      const turn = queue.shift()!
      if (queue.length > 0) waiting.set(of, queue)
      try {
        turn()
      } finally {
        plan()
      }
      if (performance.now() - beganMs > untilMs) return
    }
  }
  return {
    put: (of, turn) => {
      const queue = waiting.get(of)
      if (queue === undefined) waiting.set(of, [turn])
      else queue.push(turn)
      plan()
    },
    drop: (of) => void waiting.delete(of),
  }
}
