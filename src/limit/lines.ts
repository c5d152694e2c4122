/** All lines of this gate, with the bounds of who may wait at all. */
import type { Cancel, Clock } from '../std/std.ts'
import type { Buckets } from './buckets.ts'
import { Crowd } from './crowd.ts'
import { levelOrder, reserveEvery } from './levels.ts'
import { Line, type Waiter, type Wanted } from './line.ts'
import type { Gauge } from './gauge.ts'
import { scopeName, type Scope } from './names.ts'

export interface Lines {
  /** Decides at once or later, exactly once. Gives how to leave: decided as `dropped`; nothing when already decided. */
  wait(wanted: Wanted): () => void
  /** Everybody who waits leaves as `dropped`. */
  dropAll(): void
  /**
   * A call to this upstream was sent, given up or answered: that may have made room, also in the line of another
   * credential, or of another upstream at the same host.
   */
  wake(upstream: string): void
  waiting(upstream?: string): number
  /** How many more calls of this scope would go within a time if they came now. */
  vacant(scope: Scope, limits: readonly Gauge[], withinMs: number): number
  /** Monotonic ms at which an agent's call would go that came now; it does not come by being asked about. */
  comesAt(call: Pick<Wanted, 'scope' | 'limits' | 'priority'>): number
  /** How many calls each agent has waiting there, the most first, a hundred agents at most. */
  waitingBy(upstream: string): readonly { readonly agent: string; readonly waiting: number }[]
  stop(): void
}

/** At the bound a call is refused as `limited`. Double of what 5,000 agents ask for at once. */
const mostWaiting = 10_000
/** Own calls of one agent that may wait for one upstream; more are refused, so a flood is its sender's problem. */
const mostPerAgent = 32
/** How exactly the end of patience is kept. */
const sweepMs = 100
const fullRetryMs = 1_000

const passed = (): void => {
  /* it does not wait any more */
}

/**
 * Lines that may wait for one limit: the one whose head has the highest priority first, one turn of ten any other; by
 * lot among equals. Turns would not be fair: who was served in a line may have waited for something else.
 */
const pumpByLot = (lines: readonly Line[], turns: { passed: number; lot: number }): void => {
  const draw = (): number => (turns.lot = (turns.lot * 16_807 + 12_345) % 2_147_483_647)
  const heads = lines
    .filter((line) => !line.isEmpty)
    .map((line) => ({ line, priority: line.priority, sinceMs: draw() }))
    .toSorted((one, other) => other.priority - one.priority || one.sinceMs - other.sinceMs)
  for (const { line, priority } of levelOrder(heads, turns.passed)) {
    const before = line.served
    line.pump()
    if (line.served === before || heads.length < 2) continue
    const isReserved = turns.passed >= reserveEvery - 1 || priority !== heads[0]!.priority
    turns.passed = isReserved ? 0 : turns.passed + 1
  }
}

export const openLines = ({ clock, buckets }: { readonly clock: Clock; readonly buckets: Buckets }): Lines => {
  const lines = new Map<string, Line>()
  const crowd = new Crowd()
  const turns = { passed: 0, lot: 0 }
  const onLeave = (waiter: Waiter): void => crowd.count(waiter, -1)
  /** A line may release whom it can; where another one may wait for the same limit, they draw lots. */
  const due = (line: Line): void => (crowd.isShared ? pumpByLot([...lines.values()], turns) : line.pump())
  const parts = { clock, buckets, crowd, onLeave, due }
  const lineOf = (scope: Scope): Line => {
    const name = scopeName(scope)
    let line = lines.get(name)
    if (line === undefined) lines.set(name, (line = new Line({ ...scope, agent: null }, parts)))
    return line
  }
  /** Only while somebody waits: a quiet gate does nothing. */
  let cancelSweep: Cancel | undefined
  const sweepSoon = (): void => {
    cancelSweep ??= clock.timer(sweepMs, () => {
      cancelSweep = undefined
      for (const line of lines.values()) line.sweep()
      if (crowd.total > 0) sweepSoon()
    })
  }

  return {
    wait: (wanted) => {
      const nowMs = clock.monoMs()
      const line = lineOf(wanted.scope)
      if (!crowd.waitsFor(wanted.limits) && line.pass(wanted, nowMs)) {
        // Its turn is remembered until the next sweep.
        sweepSoon()
        wanted.decided({ admitted: true, waitedMs: 0 })
        return passed
      }
      const before = crowd.before(wanted)
      const crowded = !wanted.granted && before >= mostPerAgent
      if (crowd.total >= mostWaiting || crowded) {
        wanted.decided({ admitted: false, why: 'full', retryAfterMs: fullRetryMs, waitedMs: 0 })
        return passed
      }
      const untilMs = nowMs + wanted.waitMs
      const waiter: Waiter = { ...wanted, sinceMs: nowMs, untilMs, before, left: false, turn: 0 }
      crowd.count(waiter, 1)
      line.push(waiter)
      sweepSoon()
      return () => line.refuse(waiter, 'dropped', 1)
    },
    dropAll: () => {
      for (const line of lines.values()) line.dropAll()
    },
    wake: (upstream) => {
      if (crowd.total === 0) return
      if (crowd.isShared) return pumpByLot([...lines.values()], turns)
      const host = [...lines.values()].find(({ scope }) => scope.upstream === upstream)?.scope.host
      const isNear = ({ scope }: Line): boolean =>
        scope.upstream === upstream || (host !== undefined && scope.host === host)
      for (const line of lines.values()) if (isNear(line)) line.pump()
    },
    comesAt: (call) => lineOf(call.scope).comesAt({ ...call, before: crowd.before(call) }),
    waiting: (upstream) => {
      if (upstream === undefined) return crowd.total
      return [...lines.values()].reduce((sum, line) => sum + (line.scope.upstream === upstream ? line.waiting : 0), 0)
    },
    vacant: (scope, limits, withinMs) => lineOf(scope).vacant(limits, withinMs),
    waitingBy: (upstream) => crowd.at(upstream),
    stop: () => {
      cancelSweep?.()
      for (const line of lines.values()) line.stop()
    },
  }
}
