/**
 * What happens after a loss: a pure function of (policy, state, fact, chance).
 *
 *   loss ─┬─ restart after a delay: base … cap, decorrelated jitter, growing until stability is proven
 *         ├─ quarantine with a next probe: more than `max` in the window or in a row, or lost while on probation
 *         └─ stop: the restart type does not bring it back
 *
 * The window is OTP's: the loss itself counts, those exactly `withinMs` old still count, and only *more* than `max` is
 * too many. A window alone never fires when delays grow (losses get rarer than the window is wide), so losses in a row
 * are counted too. Both counters would forgive for ever an agent that works a little and crashes a little: the probe's
 * delay doubles until a whole window passed without a loss. Times are monotonic ms.
 */
import type { Random } from '../std/std.ts'

export interface Policy {
  /**
   * `temporary` is never brought back. Agents of a pool do not end by themselves, so to `transient` every loss is one.
   */
  readonly type: 'permanent' | 'transient' | 'temporary'
  readonly max: number
  readonly withinMs: number
  readonly baseMs: number
  readonly capMs: number
  /**
   * The first loss after proven stability is made good without delay: for cells, whose agents mostly did nothing wrong.
   */
  readonly firstAtOnce: boolean
}

/** What is remembered between losses; saved with the agent, so that a new sitter goes on where the last one was. */
export interface PolicyState {
  /** When losses that count happened, oldest first: at most `max + 1` of them. */
  readonly losses: readonly number[]
  /** Losses since stability was last proven. */
  readonly inARow: number
  /** Delay of the last restart, 0 = none yet. */
  readonly delayMs: number
  /** Quarantines since the last calm window. */
  readonly quarantines: number
  /** Delay of the last quarantine's probe, 0 = none. */
  readonly probeMs: number
  /** Started as a probe, and not yet proven by finished work (or by a life as long as it was kept away). */
  readonly probation: boolean
}
export const freshPolicy: PolicyState = {
  losses: [],
  inARow: 0,
  delayMs: 0,
  quarantines: 0,
  probeMs: 0,
  probation: false,
}

/** A life that ended: when it became ready (null = never), whether it finished any work. */
export interface Life {
  readonly readyMs: number | null
  readonly progressed: boolean
}

export interface Loss {
  readonly nowMs: number
  readonly life: Life
  /** False when somebody else was the cause: it is delayed like a loss, but neither counter moves. */
  readonly counts: boolean
  /**
   * Killed by somebody outside (an operator, a test), not by the kernel for memory and not by us: it counts in a row,
   * until stability is proven, but not in the window, which judges deaths of its own. Else fifty hosts that somebody
   * kills now and then would all end in quarantine though each of them works.
   */
  readonly fromOutside?: boolean
}

export type Decision =
  | { readonly action: 'restart'; readonly delayMs: number; readonly state: PolicyState }
  | {
      readonly action: 'quarantine'
      readonly delayMs: number
      readonly why: QuarantineWhy
      readonly state: PolicyState
    }
  | { readonly action: 'stop'; readonly state: PolicyState }
export type QuarantineWhy = 'window' | 'in-a-row' | 'probe-failed'

/** Probes: the first after ten minutes, then doubling, at least four a day. */
const firstProbeMs = 600_000
const longestProbeMs = 21_600_000
/** Up for this many times the last delay counts as stable, as finished work does. */
const stableFactor = 10

/** Up for this long proves stability without any finished work. */
export const stableAfterMs = (policy: Policy, state: PolicyState): number =>
  stableFactor * Math.max(policy.baseMs, state.delayMs)

/** Proven stability: finished work, or up for ten times the last delay. */
export const isStable = (policy: Policy, state: PolicyState, life: Life, nowMs: number): boolean =>
  life.progressed || (life.readyMs !== null && nowMs - life.readyMs >= stableAfterMs(policy, state))

/** Without a loss for a whole window (and for as long as the last quarantine): the quarantines are forgotten too. */
const isCalm = (policy: Policy, state: PolicyState, life: Life, nowMs: number): boolean =>
  life.readyMs !== null && nowMs - life.readyMs >= Math.max(policy.withinMs, state.probeMs)

/**
 * The state once stability is proven: a monthly crash starts at the base delay again. That a probe is up proves little,
 * for it may die of its first work: probation ends with work, or where there is none, when it has lived for as long as
 * it was kept away.
 */
export const settled = (policy: Policy, state: PolicyState, life: Life, nowMs: number): PolicyState => {
  if (!isStable(policy, state, life, nowMs)) return state
  const calm = isCalm(policy, state, life, nowMs)
  return {
    losses: state.losses,
    inARow: 0,
    delayMs: 0,
    probation: state.probation && !life.progressed && !calm,
    quarantines: calm ? 0 : state.quarantines,
    probeMs: calm ? 0 : state.probeMs,
  }
}

/** Decorrelated jitter: anywhere between base and three times the last delay, within the cap. */
const nextDelay = (policy: Policy, lastMs: number, chance: Random): number => {
  const low = Math.min(policy.baseMs, policy.capMs)
  const high = Math.min(policy.capMs, 3 * Math.max(low, lastMs))
  return Math.round(low + chance.next() * (high - low))
}

const restart = (policy: Policy, state: PolicyState, chance: Random): Decision => {
  if (policy.firstAtOnce && state.delayMs === 0) {
    return { action: 'restart', delayMs: 0, state: { ...state, delayMs: policy.baseMs } }
  }
  const delayMs = nextDelay(policy, state.delayMs, chance)
  return { action: 'restart', delayMs, state: { ...state, delayMs } }
}

const quarantine = (state: PolicyState, why: QuarantineWhy, chance: Random): Decision => {
  const plainMs = Math.min(longestProbeMs, firstProbeMs * 2 ** Math.min(30, state.quarantines))
  // Up to a tenth more, never less: what was quarantined together does not come back in one blow.
  const delayMs = Math.round(plainMs * (1 + 0.1 * chance.next()))
  const next = { ...state, quarantines: state.quarantines + 1, probeMs: delayMs, probation: false }
  return { action: 'quarantine', delayMs, why, state: next }
}

export const afterLoss = (policy: Policy, before: PolicyState, loss: Loss, chance: Random): Decision => {
  const state = settled(policy, before, loss.life, loss.nowMs)
  if (policy.type === 'temporary') return { action: 'stop', state }
  if (!loss.counts) return restart(policy, state, chance)
  const recent = state.losses.filter((atMs) => atMs >= loss.nowMs - policy.withinMs)
  const losses = loss.fromOutside === true ? recent : [...recent, loss.nowMs].slice(-(policy.max + 1))
  const counted = { ...state, losses, inARow: state.inARow + 1 }
  // Who is killed from outside has not failed.
  if (state.probation && loss.fromOutside !== true) return quarantine(counted, 'probe-failed', chance)
  if (losses.length > policy.max) return quarantine(counted, 'window', chance)
  if (counted.inARow > policy.max) return quarantine(counted, 'in-a-row', chance)
  return restart(policy, counted, chance)
}

/** The state of what is started as a quarantine's probe. */
export const asProbe = (state: PolicyState): PolicyState => ({ ...state, probation: true })
