/**
 * The runaways that are watched, and what of them is kept in the record: the rung that each is on and how long it still
 * holds. What was counted is not kept: after a restart it takes new calls to go further down.
 */
import { agentTarget, type ModeTarget, type RepeatRule } from '../../model/model.ts'
import { remainingMs, type Clock, type Stamp } from '../../std/std.ts'
import type { ModeRow } from '../../store/store.ts'
import type { ModeSetting, Repeating } from './port.ts'
import {
  decideRepeat,
  freshRepeat,
  modeOfRung,
  rungs,
  type RepeatDecision,
  type RepeatState,
  type Rung,
} from './repeats.ts'

export interface RepeatStep {
  readonly agent: string
  readonly target: ModeTarget
  readonly step: NonNullable<RepeatDecision['step']>
  /** Null = nothing is kept any more. */
  readonly row: ModeRow | null
}
export interface RepeatWatch {
  /** What becomes of all that are watched, or are seen now. */
  look(seen: readonly Repeating[], progressedMs: (agent: string) => number | null): readonly RepeatStep[]
  /** Of those that are on a rung. */
  settings(): readonly ModeSetting[]
  forget(target: ModeTarget): boolean
  /** Those whom the rule of now does not send so far down; they are active again. */
  unwatched(): readonly RepeatStep[]
}

export const repeatActor = 'rule:repeats'
const mostWatched = 10_000

const save = ({ rung, trips, nextMs }: RepeatState, now: Stamp): string =>
  JSON.stringify({ at: now, rung, trips, waitMs: nextMs === null ? null : Math.max(0, nextMs - now.monoMs) })

type Loose = Readonly<Record<string, unknown>>

/** What cannot be read holds its first time, for nobody knows that it is well. */
const read = (row: ModeRow, rule: RepeatRule | null, now: Stamp): RepeatState => {
  const fallback: Rung = row.mode === 'parked' ? 'quarantined' : row.mode === 'shadow' ? 'shadow' : 'throttled'
  const firstMs = now.monoMs + (rule?.holdMs ?? 0)
  try {
    const { at, rung, trips, waitMs } = JSON.parse(row.state ?? '') as Loose
    if (!(rungs as readonly unknown[]).includes(rung) || typeof trips !== 'number' || typeof waitMs !== 'number')
      throw new TypeError('not what was written')
    const nextMs = now.monoMs + remainingMs(now, at as Stamp, waitMs)
    return { ...freshRepeat, rung: rung as Rung, trips, nextMs: Number.isFinite(nextMs) ? nextMs : firstMs }
  } catch {
    return { ...freshRepeat, rung: fallback, trips: 1, nextMs: firstMs }
  }
}

interface Watched {
  state: RepeatState
  row: ModeRow | null
}

const agentOf = (target: ModeTarget): string => target.slice('agent:'.length)

export const openRepeatWatch = (options: {
  readonly clock: Clock
  readonly rule: () => RepeatRule | null
  readonly rows: readonly ModeRow[]
}): RepeatWatch => {
  const { clock, rule } = options
  const watched = new Map<ModeTarget, Watched>()
  for (const row of options.rows) watched.set(row.target, { state: read(row, rule(), clock.stamp()), row })

  const rowOf = (target: ModeTarget, state: RepeatState, reason: string): ModeRow | null =>
    state.rung === 'active'
      ? null
      : {
          target,
          source: 'repeats',
          mode: modeOfRung[state.rung],
          reason,
          actor: repeatActor,
          sinceMs: clock.wallMs(),
          untilMs: null,
          state: save(state, clock.stamp()),
        }

  const decide = (policy: RepeatRule, target: ModeTarget, seen: Repeating | undefined, progressedMs: number | null) => {
    const known = watched.get(target)
    const now = { nowMs: clock.monoMs(), progressedMs }
    const { state, step } = decideRepeat(policy, known?.state ?? freshRepeat, seen, now)
    const isForgettable = state.rung === 'active' && seen === undefined
    if (isForgettable) watched.delete(target)
    else if (known !== undefined || watched.size < mostWatched) watched.set(target, { state, row: known?.row ?? null })
    if (step === null) return undefined
    const row = rowOf(target, state, step.why)
    const kept = watched.get(target)
    if (kept !== undefined) kept.row = row
    return { agent: agentOf(target), target, step, row }
  }

  return {
    look: (seen, progressedMs) => {
      const policy = rule()
      if (policy === null) return []
      const byTarget = new Map(seen.map((one) => [agentTarget(one.agent), one]))
      const targets = new Set([...byTarget.keys(), ...watched.keys()])
      return [...targets].flatMap(
        (target) => decide(policy, target, byTarget.get(target), progressedMs(agentOf(target))) ?? [],
      )
    },
    settings: () =>
      [...watched].flatMap(([target, { state, row }]): ModeSetting[] => {
        if (row === null) return []
        const { mode, reason, sinceMs } = row
        const at = Math.round(clock.wallMs() + (state.nextMs ?? clock.monoMs()) - clock.monoMs())
        const what = state.rung === 'quarantined' ? 'it is tried again' : 'it is looked at; who has stopped comes back'
        return [
          { target, source: 'repeats', mode, reason, actor: repeatActor, sinceMs, exit: { kind: 'time', at, what } },
        ]
      }),
    forget: (target) => watched.delete(target),
    unwatched: () => {
      const policy = rule()
      const least = policy === null ? 0 : rungs.indexOf(policy.least)
      const gone = [...watched].filter(([, { state }]) => rungs.indexOf(state.rung) > least)
      for (const [target] of gone) watched.delete(target)
      return gone.map(([target, { state }]) => {
        const step = { from: state.rung, to: 'active', why: 'another configuration' } as const
        return { agent: agentOf(target), target, step, row: null }
      })
    },
  }
}
