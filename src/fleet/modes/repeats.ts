/**
 * Runaways: who makes the same call again and again, and nothing comes of it. A pure function of (rule, state, what is
 * seen, now).
 *
 *   active ── many, and for long ──▶ throttled ── it goes on ──▶ shadow ── it goes on ──▶ quarantined
 *      ▲                                │  ▲                       │  ▲                        │
 *      └──────── it has stopped ────────┘  └──── it has stopped ───┘  └─────── its time ───────┘
 *
 * Work that was finished or asked for and got, seen by us, makes all before it right: counting begins anew there. Each
 * step holds for its time, twice as long with each step down; a quarter of the rule's calls since the last step says
 * that it goes on. Times are monotonic ms.
 */
import type { Mode, RepeatRule } from '../../model/model.ts'

export const rungs = ['active', 'throttled', 'shadow', 'quarantined'] as const
export type Rung = (typeof rungs)[number]

/** What holds on a rung; who is quarantined has no process besides. */
export const modeOfRung: Readonly<Record<Rung, Mode>> = {
  active: 'active',
  throttled: 'throttled',
  shadow: 'shadow',
  quarantined: 'parked',
}

export interface RepeatState {
  readonly rung: Rung
  /** Steps down since it was last active. */
  readonly trips: number
  readonly nextMs: number | null
  /** The run of calls that was seen last, and how many of it count no more. */
  readonly run: string
  readonly excused: number
  /** Since when what counts was counted. */
  readonly fromMs: number
  /** Progress that was seen last. */
  readonly progressedMs: number | null
}
export const freshRepeat: RepeatState = {
  rung: 'active',
  trips: 0,
  nextMs: null,
  run: '',
  excused: 0,
  fromMs: 0,
  progressedMs: null,
}

export interface Seen {
  readonly call: string
  readonly times: number
  readonly lately: number
  readonly sinceMs: number
}
export interface RepeatDecision {
  readonly state: RepeatState
  readonly step: { readonly from: Rung; readonly to: Rung; readonly why: string } | null
}

/** Share of the rule's calls that says that it goes on. */
const goesOn = 0.25
/** A burst is over before this part of the window. */
const lasts = 0.25

interface Now {
  readonly nowMs: number
  readonly progressedMs: number | null
}

/** Counting begins anew for another run of calls, and with each progress. */
const counted = (state: RepeatState, seen: Seen | undefined, { nowMs, progressedMs }: Now): RepeatState => {
  const run = seen === undefined ? state.run : `${seen.call} ${seen.sinceMs}`
  const progressed = progressedMs !== null && progressedMs !== state.progressedMs
  if (seen !== undefined && run !== state.run) return { ...state, run, excused: 0, fromMs: nowMs, progressedMs }
  return progressed ? { ...state, excused: seen?.times ?? state.excused, fromMs: nowMs, progressedMs } : state
}

const holdOf = (rule: RepeatRule, trips: number): number =>
  Math.min(rule.longestMs, rule.holdMs * 2 ** Math.min(20, Math.max(0, trips - 1)))

interface Moving {
  readonly to: Rung
  readonly why: string
  readonly seen: Seen | undefined
  readonly nowMs: number
}

const stepTo = (rule: RepeatRule, state: RepeatState, { to, why, seen, nowMs }: Moving): RepeatDecision => {
  const isDown = rungs.indexOf(to) > rungs.indexOf(state.rung)
  const trips = isDown ? state.trips + 1 : state.trips
  const nextMs = to === 'active' ? null : nowMs + holdOf(rule, trips)
  const base = { ...state, rung: to, trips: to === 'active' ? 0 : trips, nextMs }
  return {
    state: { ...base, excused: seen?.times ?? state.excused, fromMs: nowMs },
    step: { from: state.rung, to, why },
  }
}

/** `seen`: undefined = the gate says nothing of it. */
export const decideRepeat = (
  rule: RepeatRule,
  before: RepeatState,
  seen: Seen | undefined,
  now: Now,
): RepeatDecision => {
  const state = counted(before, seen, now)
  const { nowMs } = now
  const to = (rung: Rung, why: string): RepeatDecision => stepTo(rule, state, { to: rung, why, seen, nowMs })
  const times = seen === undefined ? 0 : seen.times - state.excused
  const told = `${seen?.call}: ${times} times, and nothing came of it`
  if (state.rung === 'active') {
    const isMany = seen !== undefined && seen.lately >= rule.calls && times >= rule.calls
    return isMany && nowMs - state.fromMs >= rule.withinMs * lasts ? to('throttled', told) : { state, step: null }
  }
  if (state.nextMs === null || nowMs < state.nextMs) return { state, step: null }
  const [above, below] = [-1, 1].map((by) => rungs[rungs.indexOf(state.rung) + by])
  if (state.rung === 'quarantined') return to(above!, 'its time is over: it is tried again')
  if (times < Math.max(1, rule.calls * goesOn)) return to(above!, 'it has stopped')
  if (state.rung !== rule.least) return to(below!, `${told} though it was ${state.rung}`)
  const held = { ...state, excused: seen?.times ?? state.excused, fromMs: nowMs }
  return { state: { ...held, nextMs: nowMs + holdOf(rule, state.trips) }, step: null }
}
