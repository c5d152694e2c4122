/**
 * A settlement: one payment that is made at most once.
 *
 *   draft ─▶ held ─▶ approved ─▶ reserved ─submit▶ submitting ─┬ settle ─▶ settled ─ return ─▶ returned
 *                                   ▲                          ├ accept ─▶ accepted ─▶ settled / rejected
 *                                   │ not-sent, absent         ├ reject ─▶ rejected (the provider said no)
 *                                   └──────────────────────────┤
 *                                                              └ lose ───▶ unknown ─▶ settled / accepted / rejected
 *                                                                                        / reserved
 *   reserved ─ give-up ─▶ failed (proven not sent, tries spent);  draft, held, approved, reserved ─ cancel ─▶ cancelled
 */
import { Failure } from '../std/std.ts'

export const settlementStates = [
  'draft',
  'held',
  'approved',
  'reserved',
  'submitting',
  'accepted',
  'unknown',
  'settled',
  'rejected',
  'failed',
  'cancelled',
  'returned',
] as const
export type SettlementState = (typeof settlementStates)[number]

export const settlementEvents = [
  'hold',
  'approve',
  'reserve',
  'submit',
  'settle',
  'accept',
  'reject',
  'lose',
  'not-sent',
  'absent',
  'give-up',
  'cancel',
  'return',
] as const
export type SettlementEvent = (typeof settlementEvents)[number]

const legal: Record<SettlementEvent, Partial<Record<SettlementState, SettlementState>>> = {
  hold: { draft: 'held', approved: 'held', reserved: 'held' },
  approve: { draft: 'approved', held: 'approved' },
  reserve: { approved: 'reserved', draft: 'reserved' },
  submit: { reserved: 'submitting' },
  settle: { submitting: 'settled', accepted: 'settled', unknown: 'settled' },
  accept: { submitting: 'accepted', unknown: 'accepted' },
  reject: { submitting: 'rejected', accepted: 'rejected', unknown: 'rejected' },
  lose: { submitting: 'unknown' },
  'not-sent': { submitting: 'reserved' },
  absent: { unknown: 'reserved' },
  'give-up': { reserved: 'failed' },
  cancel: { draft: 'cancelled', held: 'cancelled', approved: 'cancelled', reserved: 'cancelled' },
  return: { settled: 'returned' },
}

export const isSettlementEnd = (state: SettlementState): boolean =>
  state === 'settled' || state === 'rejected' || state === 'failed' || state === 'cancelled' || state === 'returned'

/** True while bytes may be at the provider: in these states nothing may be sent elsewhere and nothing may be voided. */
export const mayBeSent = (state: SettlementState): boolean =>
  state === 'submitting' || state === 'accepted' || state === 'unknown'

export const nextSettlementState = (state: SettlementState, event: SettlementEvent): SettlementState | undefined =>
  legal[event][state]

/** As nextSettlementState, for callers to whom an illegal event is a bug. */
export const settlementAfter = (state: SettlementState, event: SettlementEvent): SettlementState => {
  const next = nextSettlementState(state, event)
  if (next === undefined) throw new Failure('bug', `a settlement that is ${state} cannot take ${event}`)
  return next
}
