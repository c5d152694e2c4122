/** Counts what happened, and writes it into the journal together with what it cost. */
import { asFailure, formatCost, sleep } from '../../std/std.ts'
import type { CallOutcome } from '../../wire/wire.ts'
import type { CallInHand, Room } from '../call.ts'
import { costText, type Charge } from '../cost/price.ts'
import { spentBy } from '../cost/spent.ts'
import type { JournalEnd, JournalSpent } from '../ports.ts'
import { chargeNow } from './charge.ts'
import { payerOf } from './spend.ts'

/** Settled once: a second end of one call is not counted. */
const spentOf = (call: CallInHand, room: Room, { cost, counted }: Charge): JournalSpent | null => {
  const { reservation } = call
  if (reservation === null) return null
  room.budgets.settle(reservation, counted)
  call.reservation = null
  if (counted.pico > reservation.most.pico)
    room.log('warn', 'a call cost more than its price says is the most', {
      upstream: call.upstreamName,
      agent: call.agent,
      cost: formatCost(counted),
      most: formatCost(reservation.most),
    })
  const known = cost === 'unknown' ? null : cost.pico
  return spentBy(
    payerOf(call),
    reservation.places,
    { known, counted },
    { atMs: call.begunMs!, endedMs: room.clock.wallMs() },
  )
}

export const endOf = (call: CallInHand, room: Room, outcome: CallOutcome): JournalEnd => {
  const charge = outcome.kind === 'not-sent' ? null : chargeNow(call, outcome.kind === 'answered')
  return {
    ended: outcome.kind,
    status: outcome.kind === 'answered' ? outcome.status : null,
    outcome: call.grant === null ? null : JSON.stringify(outcome),
    sentMs: call.sentWallMs,
    tookMs: call.sentMonoMs === null ? null : room.clock.monoMs() - call.sentMonoMs,
    cost: charge === null ? null : costText(charge.cost),
    spent: charge === null ? null : spentOf(call, room, charge),
  }
}

/** How long to wait before a full disk is tried again. */
const againMs = 250

/**
 * Durable when it resolves; `isUrgent` says that somebody waits for that. A disk that is full for a while is waited
 * for: an outcome must not be told before it is written. Undefined when the book is lost or closed; then the next gate
 * finds the call without an end and tells it as lost.
 */
export const witness = async (
  call: CallInHand,
  room: Room,
  outcome: CallOutcome,
  isUrgent = true,
): Promise<JournalEnd | undefined> => {
  const end = endOf(call, room, outcome)
  if (call.credential !== null && call.epoch > 0 && outcome.kind !== 'not-sent')
    room.vault.answered(call.credential, end.status, call.outcomeClass === 'limited')
  room.meter.count(
    call.upstreamName,
    end.status === null ? end.ended : String(end.status),
    end.status === null ? null : end.tookMs,
  )
  for (;;) {
    try {
      await room.journal.end(call.journal!, end, isUrgent)
      return end
    } catch (error) {
      const { code } = asFailure(error)
      room.log('error', 'the end of a call could not be journalled', { code, journal: call.journal })
      if (code !== 'journal-failed') return undefined
      await sleep(room.clock, againMs)
    }
  }
}
