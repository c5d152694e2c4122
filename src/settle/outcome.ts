/** From what the gate told to the step that follows: pure, over the settlement and its intents as they were read. */
import type { Call } from '../gatelink/gatelink.ts'
import { isSettlementEnd, type Channel } from '../model/model.ts'
import type { Random, Stamp } from '../std/std.ts'
import type { Command, IntentView, SettlementView } from '../store/store.ts'
import { readPay, readQuery } from './channels/http.ts'
import { afterPay, afterQuery, type Known, type Step } from './decide.ts'
import type { SettleOutcome } from './port.ts'

/** An outcome with its journal number; null when no gate told it. */
export type Told = Pick<Call, 'outcome' | 'cost'> & { readonly journal: number | null }

/** The evidence keeps when it was told by the monotonic clock too: by that one its age is counted. */
export const closing = (intent: IntentView, told: Told, now: Stamp): Command => {
  const { outcome, journal, cost } = told
  const name = outcome.kind === 'answered' ? `answered ${outcome.status}` : outcome.kind
  const evidence = JSON.stringify({ ...outcome, told: now })
  return {
    kind: 'intent.close',
    with: { grant: intent.grant, outcome: name, evidence, journal, closedMs: now.wallMs, cost },
  }
}

interface Closed {
  readonly closedMs?: number
  readonly told?: Stamp
}

/**
 * When a connection closed, by the wall clock as it goes now. Within one boot the monotonic clock says how long ago
 * that was told, which is later than it happened: a wall clock that jumped must not make an absence count too early,
 * for what is still on its way would then be sent a second time.
 */
const closedAt = ({ closedMs, told }: Closed, now: Stamp): number | undefined =>
  told?.bootId === now.bootId ? now.wallMs - (now.monoMs - told.monoMs) : closedMs

/** What a decision needs of the past: the tries, and when the last payment request's connection closed. */
export const knownOf = (settlement: SettlementView, intents: readonly IntentView[], now: Stamp): Known => {
  const { state, tries, absences } = settlement
  const last = intents.findLastIndex((intent) => intent.kind === 'pay')
  const pay = intents[last]
  const evidence = pay?.evidence ?? null
  const closed = evidence === null ? undefined : closedAt(JSON.parse(evidence) as Closed, now)
  return { state, tries, absences, asked: intents.length - 1 - last, closedMs: closed ?? pay?.closedMs ?? null }
}

interface Concluding {
  readonly settlement: SettlementView
  readonly known: Known
  readonly outcome: Call['outcome']
  readonly channel: Channel
  readonly nowMs: number
  readonly random: Random
}

export const stepAfter = (kind: IntentView['kind'], { settlement, known, outcome, ...at }: Concluding): Step =>
  kind === 'pay'
    ? afterPay(known, readPay(at.channel, outcome, at.nowMs), at)
    : afterQuery(known, readQuery(outcome, settlement), at)

/** What an agent is told. What waits for a person is unknown to it, whatever its state is called here. */
export const outcomeOf = (settlement: SettlementView): SettleOutcome => ({
  settlement: settlement.id,
  state: settlement.person && !isSettlementEnd(settlement.state) ? 'unknown' : settlement.state,
  ...(settlement.reason === null ? {} : { reason: settlement.reason }),
  ...(settlement.providerReference === null ? {} : { providerReference: settlement.providerReference }),
})

/**
 * Whether the channel pays by another upstream than the one that a payment was sent to: whoever is asked there does not
 * know it, and its "not there" would be no proof. What is proven not to have been taken may be sent by the new one.
 */
export const paysElsewhere = (
  settlement: SettlementView,
  intents: readonly IntentView[],
  channel: Channel | undefined,
): boolean =>
  settlement.state !== 'reserved' &&
  channel !== undefined &&
  intents.some(
    ({ kind, request }) =>
      kind === 'pay' && (JSON.parse(request) as { readonly upstream: string }).upstream !== channel.upstream,
  )

/**
 * The channel left the config, or its way to ask, while settlements were open: nothing is guessed, a person decides.
 */
export const orphaned = (channel: string): Step => ({
  event: null,
  ledger: null,
  reason: `the config has no channel ${channel} any more, no way to ask it, or another upstream for it`,
  nextMs: null,
  person: true,
  absences: 0,
  providerReference: null,
})
