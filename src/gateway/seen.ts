/**
 * Whose calls are answered, and who waits for an answer: what the sitter takes for progress, and for a wait that is
 * nobody's fault. Told once a second while there is something to tell; an agent that calls nobody costs nothing. A call
 * that is over within a second is told as answered alone. One that lasts is told again while it does, so that a telling
 * that was lost, or a gate that died, is noticed by its absence.
 */
import type { Cancel, Clock } from '../std/std.ts'
import type { CallsSeen as Told } from '../wire/wire.ts'

const everyMs = 1_000
/** In hand for so long: it is waited for. */
const longMs = 1_000
/** Half of the time for which the sitter believes it (src/fleet/outside.ts). */
const againMs = 5_000
/** Agents of a frame: of 230 bytes each at most, they stay below its bound. */
const atOnce = 2_000

export interface CallsSeen {
  /** A call of the agent is in hand; gives what is to be said when it is over. */
  begin(agent: string): (wasAnswered: boolean) => void
  /** Something came from outside for the agent. */
  answered(agent: string): void
  stop(): void
}

interface InHand {
  count: number
  readonly sinceMs: number
  toldMs: number
}

export const openCallsSeen = (clock: Clock, tell: (seen: Omit<Told, 'frame'>) => void): CallsSeen => {
  const done = new Set<string>()
  const inHand = new Map<string, InHand>()
  let timer: Cancel | undefined
  const plan = (): void => {
    timer ??= clock.timer(everyMs, look)
  }
  const waiting = (nowMs: number): string[] => {
    const found: string[] = []
    for (const [agent, one] of inHand) {
      if (nowMs - one.sinceMs < longMs || (nowMs - one.toldMs < againMs && !done.has(agent))) continue
      one.toldMs = nowMs
      found.push(agent)
    }
    return found
  }
  const look = (): void => {
    timer = undefined
    const waits = waiting(clock.monoMs())
    const answered = [...done]
    done.clear()
    // Who was answered first: who still waits for another call is told of after that.
    for (let at = 0; at < answered.length; at += atOnce) tell({ answered: answered.slice(at, at + atOnce), inHand: [] })
    for (let at = 0; at < waits.length; at += atOnce) tell({ answered: [], inHand: waits.slice(at, at + atOnce) })
    if (inHand.size > 0) plan()
  }
  const answered = (agent: string): void => {
    done.add(agent)
    plan()
  }
  return {
    begin: (agent) => {
      let one = inHand.get(agent)
      if (one === undefined) inHand.set(agent, (one = { count: 0, sinceMs: clock.monoMs(), toldMs: -Infinity }))
      one.count += 1
      plan()
      const held = one
      return (wasAnswered) => {
        held.count -= 1
        if (held.count === 0) inHand.delete(agent)
        if (wasAnswered) answered(agent)
      }
    },
    answered,
    stop: () => timer?.(),
  }
}
