/**
 * What a mode makes of a payment: pure. It may go; or it waits, reserved and unsent, until the mode is milder; or, in
 * shadow, it is written down as what would have been paid, and held: a person releases or cancels it, because nobody
 * who tries an agent in shadow wants all of it paid when the trial ends.
 */
import type { Call } from '../gatelink/gatelink.ts'
import { modeLets, modePays, type Mode } from '../model/model.ts'
import { codes } from '../std/std.ts'
import type { Step } from './decide.ts'

/** The strictest mode that holds for a payment. */
export interface HoldingMode {
  readonly mode: Mode
  /** `channel:northbank` */
  readonly target: string
  readonly reason: string
  /** Only a person ends it: no time, and no rule. */
  readonly person: boolean
}

/** Payments that a mode keeps are found by this when it is milder. */
const keptPrefix = 'kept back by a mode: '
/** Told at once when a mode changes; this is for what was missed. */
const lookMs = 300_000
const longestReason = 500

export const isKept = (reason: string | null): boolean => reason?.startsWith(keptPrefix) === true

const why = ({ mode, target, reason }: HoldingMode): string =>
  `${keptPrefix}${target} is ${mode}: ${reason}`.slice(0, longestReason)

export interface KeptPayment {
  /** `hold`: recorded as what would have been paid; null: it waits as it is. */
  readonly event: 'hold' | null
  readonly reason: string
  readonly nextMs: number | null
  readonly person: boolean
}

/** Undefined = it may go. `method` is that of the request which would be next. */
export const keptBack = (
  held: HoldingMode,
  ask: { readonly pays: boolean; readonly state: string; readonly nowMs: number },
): KeptPayment | undefined => {
  if (ask.pays ? modePays(held.mode) : modeLets(held.mode, 'GET')) return undefined
  // What may be at the provider already is not held: its outcome has to be found out.
  if (held.mode === 'shadow' && ask.state === 'reserved')
    return { event: 'hold', reason: `shadow: this would have been paid. ${why(held)}`, nextMs: null, person: true }
  return { event: null, reason: why(held), nextMs: ask.nowMs + lookMs, person: held.person }
}

export const keptStep = (kept: KeptPayment, absences: number): Step => ({
  ...kept,
  ledger: null,
  absences,
  providerReference: null,
  quiet: true,
})

/** What an outcome says about its channel; undefined = nothing: it was ours to keep back. */
export const evidenceOf = (outcome: Call['outcome']): 'worked' | 'failed' | 'credential' | undefined => {
  if (outcome.kind === 'lost')
    return outcome.code === 'gate-lost' || outcome.code === 'outcome-unknown' ? undefined : 'failed'
  if (outcome.kind === 'not-sent') {
    if (outcome.code === 'credential-unavailable') return 'credential'
    // Codes of ours say why it was kept back; any other is the network's: nobody took the connection.
    return outcome.code === 'upstream-unreachable' || !Object.hasOwn(codes, outcome.code) ? 'failed' : undefined
  }
  if (outcome.status === 401 || outcome.status === 403) return 'credential'
  // Asked to wait is neither: limits deal with that.
  if (outcome.status === 429) return undefined
  return outcome.status >= 500 ? 'failed' : 'worked'
}
