/**
 * A breaker as a pure function of (state, outcome or wish, now, chance). It keeps calls from an upstream whose calls
 * fail, and always knows when it lets the next one through: there is no state without a way out.
 *
 *   closed ── failures reach the share, of at least `volume` calls ──▶ open until nextMs
 *     ▲                                                                  │ a call comes after nextMs: it is the probe
 *     │ the probe succeeds                                               ▼
 *     └───────────────────────────────────────────────────────────── half-open, one probe at a time
 *                             open, twice as long ◀── the probe fails, or is not heard of ──┘
 *
 * What counts as a failure is the classes' business: provider sick or lost, never a client's error, a refused
 * credential or a limit. Times are monotonic ms.
 */
import type { BreakerRule } from '../../model/model.ts'
import type { Random } from '../../std/std.ts'

export interface BreakerState {
  /** Outcomes of the last calls, oldest first: `.` succeeded, `x` failed. Its length is at most `volume`. */
  readonly recent: string
  /** When the last of them came: a failure of yesterday says nothing about today. */
  readonly recentMs: number
  readonly open: Open | null
}
export interface Open {
  readonly sinceMs: number
  /** When the next probe may go. */
  readonly nextMs: number
  /** Probes in a row that failed. */
  readonly failures: number
  /** A probe is under way since then; null = none. */
  readonly probeMs: number | null
}

export const closedBreaker: BreakerState = { recent: '', recentMs: -Infinity, open: null }

/** Outcomes older than this are forgotten when the next one comes. */
export const forgetMs = 300_000
export const longestProbeMs = 300_000
/** A probe that nobody has told the end of is taken for lost: a gate that died must not keep a breaker half-open. */
export const probeLostMs = 120_000

/** The next probe after `failures` failed ones: doubling, up to a fifth later by chance, never earlier. */
const waitMs = ({ probeMs }: BreakerRule, failures: number, chance: Random): number =>
  Math.round(Math.min(longestProbeMs, probeMs * 2 ** Math.min(20, failures)) * (1 + 0.2 * chance.next()))

export type Admission =
  | { readonly pass: true; readonly probe: boolean; readonly state: BreakerState }
  | { readonly pass: false; readonly nextMs: number }

/** Whether a call may go now. A probe must be told of: by `afterOutcome`, or by `probeGivenUp`. */
export const mayPass = (state: BreakerState, nowMs: number): Admission => {
  const { open } = state
  if (open === null) return { pass: true, probe: false, state }
  const isProbing = open.probeMs !== null && nowMs - open.probeMs < probeLostMs
  if (isProbing) return { pass: false, nextMs: open.probeMs! + probeLostMs }
  if (nowMs < open.nextMs) return { pass: false, nextMs: open.nextMs }
  return { pass: true, probe: true, state: { ...state, open: { ...open, probeMs: nowMs } } }
}

export interface Outcome {
  readonly failed: boolean
  readonly probe: boolean
  readonly nowMs: number
}

/** After a call whose class is evidence about the upstream. */
export const afterOutcome = (
  rule: BreakerRule,
  state: BreakerState,
  outcome: Outcome,
  chance: Random,
): BreakerState => {
  const { failed, probe, nowMs } = outcome
  const { open } = state
  if (open !== null) {
    // Calls that were under way when it opened say nothing new; only the probe decides.
    if (!probe) return state
    if (!failed) return closedBreaker
    const failures = open.failures + 1
    return { ...state, open: { ...open, failures, nextMs: nowMs + waitMs(rule, failures, chance), probeMs: null } }
  }
  const before = nowMs - state.recentMs > forgetMs ? '' : state.recent
  const recent = (before + (failed ? 'x' : '.')).slice(-rule.volume)
  const bad = recent.split('x').length - 1
  if (!failed || recent.length < rule.volume || bad < rule.share * recent.length) {
    return { recent, recentMs: nowMs, open: null }
  }
  return {
    recent: '',
    recentMs: nowMs,
    open: { sinceMs: nowMs, nextMs: nowMs + waitMs(rule, 0, chance), failures: 0, probeMs: null },
  }
}

/** The probe was not sent, or its outcome says nothing (a client's error, a limit): the next call may be the probe. */
export const probeGivenUp = (state: BreakerState): BreakerState =>
  state.open === null ? state : { ...state, open: { ...state.open, probeMs: null } }

export const nameOfState = (state: BreakerState): 'closed' | 'open' | 'half-open' =>
  state.open === null ? 'closed' : state.open.probeMs === null ? 'open' : 'half-open'
