/** The rules that watch: what each remembers, and when the next of them wants to be looked at. */
import { modes as ladder, type ModeTarget, type SwarmConfig } from '../../model/model.ts'
import type { Clock, Random } from '../../std/std.ts'
import type { ModeRow } from '../../store/store.ts'
import { decideMode, freshRule, type RuleFact, type RulePolicy, type RuleState, type RuleStep } from './decide.ts'
import { readRule, saveRule } from './saved.ts'

/** Agents, types and channels that had a failure lately. */
const mostWatched = 10_000
const pruneEveryMs = 10_000

/** The rule of the configuration for a target; undefined = nobody watches it. */
export const policyOf = ({ degrade }: Pick<SwarmConfig, 'degrade'>, target: ModeTarget): RulePolicy | undefined => {
  const colon = target.indexOf(':')
  const [kind, name] = [target.slice(0, colon), target.slice(colon + 1)]
  if (kind === 'channel') return Object.hasOwn(degrade.channels, name) ? degrade.channels[name] : undefined
  return (kind === 'type' ? degrade.types : kind === 'agent' ? degrade.agents : null) ?? undefined
}

export interface Stepped {
  readonly target: ModeTarget
  readonly step: RuleStep
  readonly state: RuleState
}

export interface Rules {
  /** Undefined = nothing has to be done. */
  heard(target: ModeTarget, fact: Exclude<RuleFact, 'due'>): Stepped | undefined
  /** Looks at all whose time has come. */
  due(): readonly Stepped[]
  /** Monotonic ms of the next time; Infinity = none. */
  nextMs(): number
  stateOf(target: ModeTarget): RuleState | undefined
  /** It watches on and no longer has to be remembered. */
  isForgettable(target: ModeTarget): boolean
  forget(target: ModeTarget): void
}

/** A row that cannot be read: its mode stays for a first hold, for nobody knows that it is well. */
const unreadable = (row: ModeRow, policy: RulePolicy, nowMs: number): RuleState => ({
  ...freshRule,
  mode: row.mode === 'active' ? 'active' : row.mode === 'throttled' ? 'throttled' : 'parked',
  trips: 1,
  holdMs: policy.holdMs,
  nextMs: ladder.indexOf(row.mode) === 0 ? null : nowMs + policy.holdMs,
  probation: row.mode === 'active',
})

export const openRules = (options: {
  readonly clock: Clock
  readonly random: Random
  readonly config: () => Pick<SwarmConfig, 'degrade'>
  readonly rows: readonly ModeRow[]
}): Rules => {
  const { clock, random, config } = options
  const states = new Map<ModeTarget, RuleState>()
  const now = clock.stamp()
  for (const row of options.rows) {
    const policy = policyOf(config(), row.target)
    if (policy === undefined) continue
    states.set(row.target, readRule(row.state ?? '', now) ?? unreadable(row, policy, now.monoMs))
  }

  let prunedMs = -Infinity
  /** At the bound those that are well make room, at most every ten seconds; else the new one is not watched. */
  const keep = (target: ModeTarget, state: RuleState): void => {
    if (states.size >= mostWatched && !states.has(target)) {
      if (clock.monoMs() - prunedMs < pruneEveryMs) return
      prunedMs = clock.monoMs()
      for (const [one, { mode, probation }] of states) if (mode === 'active' && !probation) states.delete(one)
      if (states.size >= mostWatched) return
    }
    states.set(target, state)
  }
  const decide = (target: ModeTarget, fact: RuleFact): Stepped | undefined => {
    const policy = policyOf(config(), target)
    if (policy === undefined) return undefined
    const before = states.get(target) ?? freshRule
    const { state, step } = decideMode(policy, before, fact, { nowMs: clock.monoMs(), chance: random })
    keep(target, state)
    return step === null ? undefined : { target, step, state }
  }
  return {
    heard: decide,
    due: () => {
      const nowMs = clock.monoMs()
      const over = [...states].filter(([, { nextMs }]) => nextMs !== null && nextMs <= nowMs)
      return over.flatMap(([target]) => decide(target, 'due') ?? [])
    },
    nextMs: () => {
      let soonest = Infinity
      for (const { nextMs } of states.values()) if (nextMs !== null && nextMs < soonest) soonest = nextMs
      return soonest
    },
    stateOf: (target) => states.get(target),
    isForgettable: (target) => {
      const state = states.get(target)
      return state === undefined || (state.mode === 'active' && !state.probation)
    },
    forget: (target) => states.delete(target),
  }
}

/** As it is kept in the record. */
export const rowOf = ({ target, step, state }: Stepped, clock: Clock): ModeRow => ({
  target,
  source: 'rule',
  mode: step.to,
  reason: step.why,
  actor: 'rule:degrade',
  sinceMs: clock.wallMs(),
  untilMs: null,
  state: saveRule(state, clock.stamp()),
})
