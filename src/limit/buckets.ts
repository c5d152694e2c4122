/**
 * All buckets and pauses of this gate, by name. They are saved in the commit that journals the calls which changed them, so a gate
 * that was killed goes on where it was.
 */
import { remainingMs, type Clock, type Random } from '../std/std.ts'
import type { LimitRow } from '../store/store.ts'
import { parseRetryAfter, pauseAfter } from './pause.ts'
import { admitted, aheadMs, emptyTat, freshBucket, givenUp, readyAtMs, sent, shapeOf, type Bucket, type LimitRule, type Shape } from './shape.ts'

/** Who a call is for, as far as limits care. */
export interface Scope { readonly upstream: string; readonly credential: string | null; readonly agent: string | null }
/** A limit that applies to a call: a bucket's name and its shape. */
export interface Applied { readonly name: string; readonly shape: Shape; readonly shared: boolean }
interface Pause { readonly untilMs: number; readonly strikes: number }

export interface Buckets {
  /** The limits of `rules` that a call of this scope is charged to, narrowest last. */
  applied(rules: readonly LimitRule[], scope: Scope): readonly Applied[]
  /** When all of them admit a call: at most now = at once; Infinity = when a pending call has been sent. `shared` = not only the agent's own. */
  readyAt(limits: readonly Applied[], nowMs: number): { readonly atMs: number; readonly shared: boolean }
  admit(limits: readonly Applied[]): void
  /** Each admitted call is either sent or given up, once. */
  sent(limits: readonly Applied[], nowMs: number): void
  giveUp(limits: readonly Applied[]): void
  /** Monotonic ms until which this upstream and credential pause; in the past when they do not. */
  pausedUntil(scope: Scope): number
  /** Learns from an answer to a call that was sent at `sentMs` (monotonic). True when the scope pauses longer than before. */
  answered(scope: Scope, answer: { readonly status: number; readonly retryAfter: string | undefined; readonly sentMs: number }): boolean
  /** Rows that changed since the last asking. */
  changed(): readonly LimitRow[]
}

/** Buckets of agents that are full again are forgotten beyond this many; a full bucket is as good as none. */
const mostBuckets = 20_000
/** A killed gate may have sent its last calls this much later than its last commit says. */
const lagMs = 1_000

const scopeName = (scope: Scope): string => `${scope.upstream}\n${scope.credential ?? ''}`

export const openBuckets = (options: { clock: Clock; random: Random; saved: readonly LimitRow[] }): Buckets => {
  const { clock, random } = options
  const buckets = new Map<string, Bucket>()
  const shapes = new Map<string, Shape>()
  const pauses = new Map<string, Pause>()
  const dirtyBuckets = new Set<string>()
  const dirtyPauses = new Set<string>()
  const resumed = new Map<string, LimitRow>()
  const ruleShapes = new WeakMap<LimitRule, Shape>()

  const start = clock.stamp()
  for (const row of options.saved) {
    if (row.name.startsWith('limit\n')) { resumed.set(row.name, row); continue }
    const leftMs = remainingMs(start, row, row.pauseMs)
    pauses.set(row.name.slice('pause\n'.length), { untilMs: start.monoMs + leftMs, strikes: row.strikes })
  }

  /** A bucket of an earlier gate: as far ahead as it was, plus what a crash may hide; never worse than empty. */
  const resume = (name: string, shape: Shape, nowMs: number): Bucket => {
    const row = resumed.get(name)
    if (row === undefined) return freshBucket
    resumed.delete(name)
    const now = clock.stamp()
    return { tatMs: Math.min(nowMs + remainingMs(now, row, row.aheadMs + lagMs), emptyTat(shape, nowMs)), pending: 0 }
  }
  const bucketOf = (limit: Applied): Bucket => {
    const known = buckets.get(limit.name)
    if (known !== undefined) return known
    const made = resume(limit.name, limit.shape, clock.monoMs())
    buckets.set(limit.name, made)
    shapes.set(limit.name, limit.shape)
    return made
  }
  const prune = (): void => {
    const nowMs = clock.monoMs()
    for (const [name, bucket] of buckets) {
      if (bucket.pending === 0 && bucket.tatMs <= nowMs && !dirtyBuckets.has(name)) { buckets.delete(name); shapes.delete(name) }
    }
  }
  const put = (limit: Applied, bucket: Bucket): void => { buckets.set(limit.name, bucket); dirtyBuckets.add(limit.name) }

  const rowOf = (name: string, state: { aheadMs: number; pauseMs: number; strikes: number }): LimitRow => ({ name, ...state, ...clock.stamp() })

  return {
    applied: (rules, scope) => rules.map((rule, index) => {
      const shape = ruleShapes.get(rule) ?? shapeOf(rule)
      ruleShapes.set(rule, shape)
      const owner = rule.per === 'upstream' ? '' : rule.per === 'credential' ? scope.credential ?? '' : scope.agent ?? ''
      return { name: `limit\n${scope.upstream}\n${index}\n${rule.per}\n${owner}`, shape, shared: rule.per !== 'agent' }
    }),
    readyAt: (limits, nowMs) => {
      let atMs = nowMs
      let shared = false
      for (const limit of limits) {
        const readyMs = readyAtMs(limit.shape, bucketOf(limit), nowMs)
        if (readyMs > nowMs && limit.shared) shared = true
        atMs = Math.max(atMs, readyMs)
      }
      return { atMs, shared }
    },
    admit: (limits) => {
      for (const limit of limits) put(limit, admitted(bucketOf(limit)))
      if (buckets.size > mostBuckets) prune()
    },
    sent: (limits, nowMs) => { for (const limit of limits) put(limit, sent(limit.shape, bucketOf(limit), nowMs)) },
    giveUp: (limits) => { for (const limit of limits) put(limit, givenUp(bucketOf(limit))) },
    pausedUntil: (scope) => pauses.get(scopeName(scope))?.untilMs ?? -Infinity,
    answered: (scope, answer) => {
      const name = scopeName(scope)
      const before = pauses.get(name)
      const retryAfterMs = parseRetryAfter(answer.retryAfter, clock.wallMs())
      const pauseMs = pauseAfter({ status: answer.status, retryAfterMs, strikes: before?.strikes ?? 0 }, random)
      if (pauseMs === undefined) {
        if (before !== undefined && before.strikes > 0 && answer.status < 400) { pauses.set(name, { ...before, strikes: 0 }); dirtyPauses.add(name) }
        return false
      }
      const untilMs = clock.monoMs() + pauseMs
      // Calls that were under way when the pause began are refused too; together they are one strike.
      const strikes = before === undefined ? 1 : answer.sentMs > before.untilMs ? before.strikes + 1 : Math.max(1, before.strikes)
      pauses.set(name, { untilMs: Math.max(untilMs, before?.untilMs ?? -Infinity), strikes })
      dirtyPauses.add(name)
      return untilMs > (before?.untilMs ?? -Infinity)
    },
    changed: () => {
      const nowMs = clock.monoMs()
      const rows: LimitRow[] = []
      for (const name of dirtyBuckets) {
        rows.push(rowOf(name, { aheadMs: aheadMs(shapes.get(name)!, buckets.get(name)!, nowMs), pauseMs: 0, strikes: 0 }))
      }
      for (const name of dirtyPauses) {
        const pause = pauses.get(name)!
        rows.push(rowOf(`pause\n${name}`, { aheadMs: 0, pauseMs: Math.max(0, pause.untilMs - nowMs), strikes: pause.strikes }))
      }
      dirtyBuckets.clear()
      dirtyPauses.clear()
      return rows
    },
  }
}
