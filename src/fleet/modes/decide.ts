/**
 * When a rule makes a mode stricter, and when milder again: a pure function of (policy, state, fact, now, chance).
 *
 *   active ── too many failed ──▶ throttled ── still too many ──▶ parked
 *     ▲  ▲                          │   ▲                            │
 *     │  └── proven by successes ───┘   └──── its time (probation) ──┘
 *     └ on watch: the next trip waits twice as long, until as many outcomes as a verdict needs were good
 *
 * Down: of at least `over` outcomes within `withinMs` the share `failures` failed; on probation a quarter of them is
 * enough; three refusals of a credential in a row park at once, because each further one may close the account.
 * Calls of agents are counted apart from their attempts, because many calls that go well would hide attempts that do
 * not, and the other way round: what is ill by either is ill, what is well is so by all that has been heard.
 * Up: never because time passed. Out of `parked` time gives one thing, a probation in which some calls go out; every
 * further step needs outcomes of which at most half that share failed. Times are monotonic ms.
 */
import type { Random } from '../../std/std.ts'
import type { DegradeRule, Mode } from '../../model/model.ts'

export type RulePolicy = DegradeRule

const rungs = ['active', 'throttled', 'parked'] as const satisfies readonly Mode[]
export type RuleMode = (typeof rungs)[number]

export interface RuleState {
  readonly mode: RuleMode
  /** Steps down since it was last proven well. */
  readonly trips: number
  readonly holdMs: number
  /** When it is looked at again; null = only outcomes move it. */
  readonly nextMs: number | null
  /** It was let up a rung and has not proven itself. */
  readonly probation: boolean
  /** Refusals of the credential in a row. */
  readonly refused: number
  /** Attempts, or payments of a channel. */
  readonly work: Counted
  /** Calls that agents made themselves. */
  readonly calls: Counted
}

export interface Outcomes {
  readonly good: number
  readonly bad: number
}
/** Outcomes since the last step, or since the last verdict; and by spans of a sixth of `withinMs`. */
interface Counted extends Outcomes {
  readonly spans: readonly (Outcomes & { readonly atMs: number })[]
}

const nothing: Counted = { good: 0, bad: 0, spans: [] }

export const freshRule: RuleState = {
  mode: 'active',
  trips: 0,
  holdMs: 0,
  nextMs: null,
  probation: false,
  refused: 0,
  work: nothing,
  calls: nothing,
}

/** An outcome of work (`credential`: it was refused), calls, or a time that has come. */
export type RuleFact = 'worked' | 'failed' | 'credential' | 'due' | Outcomes

export interface RuleStep {
  readonly from: RuleMode
  readonly to: RuleMode
  readonly why: string
}
export interface RuleDecision {
  readonly state: RuleState
  readonly step: RuleStep | null
}

const spansKept = 6
const refusalsThatPark = 3
/** On probation so many outcomes make a verdict, of a full one's. */
const probeShare = 0.25
const leastProbes = 3

const below = (mode: RuleMode, least: RulePolicy['least']): RuleMode =>
  rungs[Math.min(rungs.indexOf(mode) + 1, rungs.indexOf(least))]!
const above = (mode: RuleMode): RuleMode => rungs[Math.max(0, rungs.indexOf(mode) - 1)]!

const percent = (share: number): string => `${Math.round(share * 100)}%`

const countedWith = (policy: RulePolicy, counted: Counted, more: Outcomes, nowMs: number): Counted => {
  const lengthMs = policy.withinMs / spansKept
  const atMs = Math.floor(nowMs / lengthMs) * lengthMs
  const recent = counted.spans.filter((span) => span.atMs > atMs - policy.withinMs && span.atMs <= atMs)
  const last = recent.at(-1)
  const base = last?.atMs === atMs ? last : { atMs, good: 0, bad: 0 }
  const next = { atMs, good: base.good + more.good, bad: base.bad + more.bad }
  const spans = [...(last === base ? recent.slice(0, -1) : recent), next]
  return { good: counted.good + more.good, bad: counted.bad + more.bad, spans }
}

/** A step down: the time until the next look doubles with each, and a tenth of chance keeps many from one moment. */
const down = (
  policy: RulePolicy,
  state: RuleState,
  { to, why }: Pick<RuleStep, 'to' | 'why'>,
  now: Now,
): RuleDecision => {
  const trips = state.trips + 1
  const plainMs = Math.min(policy.longestMs, policy.holdMs * 2 ** Math.min(20, trips - 1))
  const holdMs = Math.round(plainMs * (1 + 0.1 * now.chance.next()))
  return {
    state: { ...freshRule, mode: to, trips, holdMs, nextMs: now.nowMs + holdMs },
    step: { from: state.mode, to, why },
  }
}

const up = (state: RuleState, why: string, { nowMs }: Now): RuleDecision => {
  const to = above(state.mode)
  const nextMs = to === 'active' ? null : nowMs + state.holdMs
  return {
    state: { ...freshRule, mode: to, trips: state.trips, holdMs: state.holdMs, nextMs, probation: true },
    step: { from: state.mode, to, why },
  }
}

export interface Now {
  readonly nowMs: number
  readonly chance: Random
}

type Verdict = 'well' | 'ill' | 'unclear'

/** What was counted since the last step says that it is well, or not, or not yet. */
const verdictOf = (policy: RulePolicy, { good, bad }: Outcomes, over: number): Verdict | null => {
  if (good + bad < over) return null
  const share = bad / (good + bad)
  return share >= policy.failures ? 'ill' : share <= policy.failures / 2 ? 'well' : 'unclear'
}

interface Judged {
  readonly verdict: Verdict
  readonly told: string
}

const told = ({ good, bad }: Outcomes, what: 'outcomes' | 'calls'): string => `${bad} of ${good + bad} ${what} failed`

/** The worse of the two that say something. */
const judge = (policy: RulePolicy, { work, calls }: RuleState, over: number): Judged | null => {
  const [ofWork, ofCalls] = [verdictOf(policy, work, over), verdictOf(policy, calls, over)]
  for (const verdict of ['ill', 'unclear', 'well'] as const) {
    if (ofWork === verdict) return { verdict, told: told(work, 'outcomes') }
    if (ofCalls === verdict) return { verdict, told: told(calls, 'calls') }
  }
  return null
}

/** Counts anew from here; what the window holds is still known. */
const counting = ({ work, calls }: RuleState): Pick<RuleState, 'work' | 'calls'> => ({
  work: { ...nothing, spans: work.spans },
  calls: { ...nothing, spans: calls.spans },
})

/** Judged since its last step: throttled, or back in `active` and on watch. */
const afterStep = (policy: RulePolicy, state: RuleState, now: Now): RuleDecision => {
  const probes = Math.max(leastProbes, Math.ceil(policy.over * probeShare))
  const soon = judge(policy, state, state.probation ? probes : policy.over)
  if (soon?.verdict === 'ill') {
    const to = below(state.mode, policy.least)
    if (to !== state.mode)
      return down(policy, state, { to, why: `${state.probation ? 'on probation ' : ''}${soon.told}` }, now)
    return { state: { ...state, ...counting(state), nextMs: now.nowMs + state.holdMs }, step: null }
  }
  // A bad verdict is believed sooner than the good one that ends the watch.
  const judged = state.mode === 'active' ? judge(policy, state, policy.over) : soon
  if (judged?.verdict === 'well') {
    if (state.mode !== 'active') return up(state, `proven: ${judged.told}`, now)
    return { state: { ...freshRule, ...counting(state) }, step: null }
  }
  return { state: judged === null ? state : { ...state, ...counting(state) }, step: null }
}

const inWindow = ({ spans }: Counted): Outcomes => ({
  good: spans.reduce((sum, span) => sum + span.good, 0),
  bad: spans.reduce((sum, span) => sum + span.bad, 0),
})

const counted = (policy: RulePolicy, before: RuleState, fact: Exclude<RuleFact, 'due'>, { nowMs }: Now): RuleState => {
  if (typeof fact === 'object') return { ...before, calls: countedWith(policy, before.calls, fact, nowMs) }
  const one = fact === 'worked' ? { good: 1, bad: 0 } : { good: 0, bad: 1 }
  const refused = fact === 'credential' ? before.refused + 1 : 0
  return { ...before, refused, work: countedWith(policy, before.work, one, nowMs) }
}

const afterOutcome = (policy: RulePolicy, state: RuleState, now: Now): RuleDecision => {
  if (state.refused >= refusalsThatPark && state.mode !== policy.least)
    return down(
      policy,
      state,
      { to: policy.least, why: `its credential was refused ${state.refused} times in a row` },
      now,
    )
  if (state.probation || state.mode !== 'active') return afterStep(policy, state, now)
  const [work, calls] = [inWindow(state.work), inWindow(state.calls)]
  const ill = (outcomes: Outcomes): boolean => verdictOf(policy, outcomes, policy.over) === 'ill'
  if (!ill(work) && !ill(calls)) return { state, step: null }
  const why = ill(work) ? told(work, 'outcomes') : told(calls, 'calls')
  return down(policy, state, { to: 'throttled', why: `${why}, ${percent(policy.failures)} are too many` }, now)
}

export const decideMode = (policy: RulePolicy, state: RuleState, fact: RuleFact, now: Now): RuleDecision => {
  if (fact !== 'due') {
    // Nothing goes out while it is parked: what is still heard went out before.
    return state.mode === 'parked'
      ? { state, step: null }
      : afterOutcome(policy, counted(policy, state, fact, now), now)
  }
  if (state.nextMs === null || now.nowMs < state.nextMs) return { state, step: null }
  if (state.mode === 'parked') return up(state, 'its time has come: some calls go out as a probe', now)
  return { state: { ...state, nextMs: now.nowMs + state.holdMs }, step: null }
}
