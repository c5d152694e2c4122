/** The frame `settlement`: how a payment stands, told to whoever asked for it and to nobody else. */
import type { Channel } from '../model/model.ts'
import type { Queries } from '../store/store.ts'
import { channelOf } from './opening.ts'
import { outcomeOf } from './outcome.ts'
import type { SettleOutcome, StandingAsk } from './port.ts'

export interface StandingParts {
  readonly store: { readonly read: Pick<Queries, 'settlementByReference' | 'attempt'> }
  readonly channels: Readonly<Record<string, Channel>>
}

/** Rejects with Failure `unknown-channel`. */
export const standingOf = async (
  { store: { read }, channels }: StandingParts,
  ask: StandingAsk,
  agent: string,
): Promise<SettleOutcome | null> => {
  const { payer } = channelOf(ask, channels)
  const there = await read.settlementByReference(payer, ask.reference)
  if (there === undefined) return null
  const task = (await read.attempt(ask.attempt))?.task
  const isIts = there.agent === agent || (there.task !== null && there.task === task)
  // Of what others pay not even this is said, whether there is such a reference.
  return isIts ? outcomeOf(there) : null
}
