/**
 * Who waits for a limit, and who goes next. One line per upstream and credential: granted payments first come first served, agents'
 * own calls likewise, and the two take turns, so that neither starves the other. A waiter that only its own agent's limit holds up
 * lets the ones behind it pass. One timer per line is set to the exact next moment, and releases everybody that moment admits.
 */
import { every, type Cancel, type Clock } from '../std/std.ts'
import type { Applied, Buckets, Scope } from './buckets.ts'

export type Admission =
  | { readonly admitted: true; readonly waitedMs: number }
  | { readonly admitted: false; readonly why: 'full' | 'over' | 'dropped'; readonly retryAfterMs: number; readonly waitedMs: number }

export interface Wanted {
  readonly scope: Scope
  readonly limits: readonly Applied[]
  readonly granted: boolean
  /** Longest wait. */
  readonly waitMs: number
  readonly decided: (admission: Admission) => void
}
export interface Lines {
  /** Decides at once or later, exactly once. Returns how to leave the line: decided as `dropped`, nothing when it was decided already. */
  wait(wanted: Wanted): () => void
  /** Everybody who waits leaves as `dropped`, or only granted calls. */
  dropAll(only?: 'granted'): void
  /** To be called when a call to this upstream was sent or given up: it may have made room, also for another credential's line. */
  wake(upstream: string): void
  waiting(upstream?: string): number
  stop(): void
}

interface Waiter extends Wanted { readonly sinceMs: number; readonly untilMs: number; left: boolean }
interface Line { readonly scope: Scope; granted: Waiter[]; own: Waiter[]; grantedNext: boolean; cancel: Cancel | undefined; pumping: boolean }

/** At the bound a call is refused as `limited`. Double of what 5,000 agents ask for at once. */
const mostWaiting = 10_000
/** One agent's own calls that may wait in one line; more are refused, so that a flood is its sender's problem. */
const mostPerAgent = 32
/** How exactly the end of patience is kept. */
const sweepMs = 100
const shortestTimerMs = 1

export const openLines = (options: { clock: Clock; buckets: Buckets }): Lines => {
  const { clock, buckets } = options
  const lines = new Map<string, Line>()
  const perAgent = new Map<string, number>()
  let total = 0

  const agentKey = (wanted: Wanted): string => `${wanted.scope.upstream}\n${wanted.scope.agent ?? ''}`
  const leave = (waiter: Waiter, admission: Admission): void => {
    if (waiter.left) return
    waiter.left = true
    total -= 1
    if (!waiter.granted) {
      const key = agentKey(waiter)
      const left = (perAgent.get(key) ?? 1) - 1
      if (left === 0) perAgent.delete(key)
      else perAgent.set(key, left)
    }
    waiter.decided(admission)
  }
  const refuse = (waiter: Waiter, why: 'over' | 'dropped', retryAfterMs: number): void =>
    leave(waiter, { admitted: false, why, retryAfterMs: Math.max(1, retryAfterMs), waitedMs: clock.monoMs() - waiter.sinceMs })

  /** The first of a queue that may go now; sets `nextMs` to when to look again. */
  const pick = (queue: Waiter[], nowMs: number, next: { ms: number }): Waiter | undefined => {
    for (const waiter of queue) {
      if (waiter.left) continue
      const ready = buckets.readyAt(waiter.limits, nowMs)
      if (ready.atMs <= nowMs) return waiter
      next.ms = Math.min(next.ms, ready.atMs)
      if (ready.shared) return undefined
    }
    return undefined
  }

  const release = (line: Line, nowMs: number): number => {
    const next = { ms: Infinity }
    for (;;) {
      const pausedMs = buckets.pausedUntil(line.scope)
      if (pausedMs > nowMs) return pausedMs
      next.ms = Infinity
      const [first, second] = line.grantedNext ? [line.granted, line.own] : [line.own, line.granted]
      const waiter = pick(first, nowMs, next) ?? pick(second, nowMs, next)
      if (waiter === undefined) return next.ms
      line.grantedNext = !waiter.granted
      buckets.admit(waiter.limits)
      leave(waiter, { admitted: true, waitedMs: nowMs - waiter.sinceMs })
      // The head is what leaves nearly always; whoever left out of order is swept with the next compaction.
      for (const queue of [line.granted, line.own]) while (queue[0]?.left) queue.shift()
    }
  }

  const pump = (line: Line): void => {
    if (line.pumping) return
    line.pumping = true
    line.cancel?.()
    line.cancel = undefined
    const nowMs = clock.monoMs()
    const nextMs = release(line, nowMs)
    line.pumping = false
    const empty = line.granted.length + line.own.length === 0
    // At Infinity a pending call must be sent first; `wake` follows then.
    if (!empty && nextMs !== Infinity) line.cancel = clock.timer(Math.max(shortestTimerMs, nextMs - nowMs), () => pump(line))
  }

  const sweep = (): void => {
    const nowMs = clock.monoMs()
    for (const line of lines.values()) {
      for (const queue of [line.granted, line.own]) {
        for (const waiter of queue) {
          if (waiter.untilMs > nowMs || waiter.left) continue
          const readyMs = Math.max(buckets.pausedUntil(waiter.scope), buckets.readyAt(waiter.limits, nowMs).atMs)
          refuse(waiter, 'over', Number.isFinite(readyMs) ? readyMs - nowMs : 1_000)
        }
      }
      line.granted = line.granted.filter((waiter) => !waiter.left)
      line.own = line.own.filter((waiter) => !waiter.left)
    }
  }
  const stopSweeping = every(clock, sweepMs, sweep)

  const lineOf = (scope: Scope): Line => {
    const name = `${scope.upstream}\n${scope.credential ?? ''}`
    const known = lines.get(name)
    if (known !== undefined) return known
    const made: Line = { scope, granted: [], own: [], grantedNext: true, cancel: undefined, pumping: false }
    lines.set(name, made)
    return made
  }

  return {
    wait: (wanted) => {
      const nowMs = clock.monoMs()
      const agents = perAgent.get(agentKey(wanted)) ?? 0
      if (total >= mostWaiting || (!wanted.granted && agents >= mostPerAgent)) {
        wanted.decided({ admitted: false, why: 'full', retryAfterMs: 1_000, waitedMs: 0 })
        return () => {}
      }
      const waiter: Waiter = { ...wanted, sinceMs: nowMs, untilMs: nowMs + wanted.waitMs, left: false }
      total += 1
      if (!wanted.granted) perAgent.set(agentKey(wanted), agents + 1)
      const pausedMs = buckets.pausedUntil(wanted.scope)
      if (pausedMs > waiter.untilMs) { refuse(waiter, 'over', pausedMs - nowMs); return () => {} }
      const line = lineOf(wanted.scope)
      ;(wanted.granted ? line.granted : line.own).push(waiter)
      pump(line)
      return () => refuse(waiter, 'dropped', 1)
    },
    dropAll: (only) => {
      for (const line of lines.values()) {
        for (const waiter of [...line.granted, ...(only === 'granted' ? [] : line.own)]) refuse(waiter, 'dropped', 1)
      }
    },
    wake: (upstream) => {
      for (const line of lines.values()) {
        if (line.scope.upstream === upstream && line.granted.length + line.own.length > 0) pump(line)
      }
    },
    waiting: (upstream) => {
      if (upstream === undefined) return total
      let count = 0
      for (const line of lines.values()) {
        if (line.scope.upstream === upstream) count += [...line.granted, ...line.own].filter((waiter) => !waiter.left).length
      }
      return count
    },
    stop: () => { stopSweeping(); for (const line of lines.values()) line.cancel?.() },
  }
}
