/** Counts what happened, and writes it into the journal together with what it cost. */
import { asFailure, sleep } from '../../std/std.ts'
import type { CallOutcome } from '../../wire/wire.ts'
import type { CallInHand, Room } from '../call.ts'
import { costText } from '../cost/price.ts'
import type { JournalEnd } from '../ports.ts'
import { chargeNow } from './charge.ts'
import { keyOf } from './route.ts'

const costOf = (call: CallInHand, { kind }: CallOutcome): string | null => {
  const charge = kind === 'not-sent' ? null : chargeNow(call, kind === 'answered')
  return charge === null ? null : costText(charge.cost)
}

export const endOf = (call: CallInHand, room: Room, outcome: CallOutcome): JournalEnd => ({
  ended: outcome.kind,
  status: outcome.kind === 'answered' ? outcome.status : null,
  outcome: call.grant === null ? null : JSON.stringify(outcome),
  sentMs: call.sentWallMs,
  tookMs: call.sentMonoMs === null ? null : room.clock.monoMs() - call.sentMonoMs,
  cost: costOf(call, outcome),
})

/** How long to wait before a full disk is tried again. */
const againMs = 250

/**
 * Durable when it resolves. A disk that is full for a while is waited for: an answer must not be told before it is
 * written. Undefined when the book is lost or closed; then the next gate finds the call without an end and tells it
 * as lost.
 */
export const witness = async (call: CallInHand, room: Room, outcome: CallOutcome): Promise<JournalEnd | undefined> => {
  const end = endOf(call, room, outcome)
  if (call.credential !== null && call.epoch > 0 && outcome.kind !== 'not-sent')
    room.vault.answered(call.credential, end.status, keyOf(call))
  room.meter.count(
    call.upstreamName,
    end.status === null ? end.ended : String(end.status),
    end.status === null ? null : end.tookMs,
  )
  for (;;) {
    try {
      await room.journal.end(call.journal!, end)
      return end
    } catch (error) {
      const { code } = asFailure(error)
      room.log('error', 'the end of a call could not be journalled', { code, journal: call.journal })
      if (code !== 'journal-failed') return undefined
      await sleep(room.clock, againMs)
    }
  }
}
