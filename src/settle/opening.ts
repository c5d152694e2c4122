/**
 * How a settlement begins: the ask is read, and everything that must be true before the first byte is one list of
 * commands.
 */
import { createHash } from 'node:crypto'
import type { Grant, GrantedRequest } from '../gatelink/gatelink.ts'
import type { Channel } from '../model/model.ts'
import { canonicalJson, Failure, parseAmount } from '../std/std.ts'
import type { Command, NewSettlement, SettlementView } from '../store/store.ts'
import type { KeptPayment } from './kept.ts'
import { reserve } from './ledger.ts'
import { memoFault, payeeFault, referenceFault } from './payment-text.ts'
import type { SettleAsk } from './port.ts'

/** Ten minutes in the gate's queue, then it comes back as not sent and is tried again. */
const grantWaitMs = 600_000

/**
 * The provider's idempotency key: of payer account and reference alone, so that every attempt for ever carries the same
 * one.
 */
export const providerKey = (payer: string, reference: string): string =>
  `sit_${createHash('sha256')
    .update(canonicalJson([payer, reference]))
    .digest('hex')
    .slice(0, 40)}`

/** Binds a grant to its request: SHA-256 of the canonical JSON of method, path, headers and body. */
export const requestHash = ({ method, path, headers, body }: GrantedRequest): string =>
  createHash('sha256').update(canonicalJson({ method, path, headers, body })).digest('hex')

/** Whose payment it is: the gate looks at the modes of both. */
export type GrantFor = Pick<NewSettlement, 'id' | 'agent' | 'channel'>

export const grantOf = (grant: string, { id, agent, channel }: GrantFor, request: GrantedRequest): Grant => ({
  frame: 'grant',
  grant,
  subject: id,
  agent,
  channel,
  request,
  hash: requestHash(request),
  waitMs: grantWaitMs,
})

/** @throws Failure `unknown-channel`. */
export const channelOf = (ask: Pick<SettleAsk, 'channel'>, channels: Readonly<Record<string, Channel>>): Channel => {
  const names = Object.keys(channels)
  const name = ask.channel ?? (names.length === 1 ? names[0]! : '')
  if (!Object.hasOwn(channels, name)) {
    throw new Failure(
      'unknown-channel',
      `there is no channel ${JSON.stringify(name)}; there are: ${names.join(', ') || 'none'}`,
    )
  }
  return channels[name]!
}

/** @throws Failure `unknown-channel`, `amount-invalid`. */
export const readAsk = (
  ask: SettleAsk,
  channels: Readonly<Record<string, Channel>>,
): { channel: Channel; amountMinor: bigint } => {
  const channel = channelOf(ask, channels)
  const { minor } = parseAmount(ask.amount, ask.currency)
  if (minor === 0n) throw new Failure('amount-invalid', 'an amount of zero is no payment')
  return { channel, amountMinor: minor }
}

/**
 * A payment that is not there yet is begun only under texts that nobody can mistake: a reference with something
 * invisible in it would be a second payment beside the one that it looks like.
 *
 * @throws Failure `payment-invalid`.
 */
export const assertPayable = ({ reference, payee, memo }: SettleAsk): void => {
  const faults = { reference: referenceFault(reference), payee: payeeFault(payee), memo: memoFault(memo ?? '') }
  for (const [field, why] of Object.entries(faults)) {
    if (why !== undefined)
      throw new Failure('payment-invalid', `${field} ${why}; nothing was paid`, { facts: { field } })
  }
}

/** To whom the first request goes: null when no gate is linked yet. */
export interface Sending {
  readonly gateId: string
  readonly grant: string
}

const opened = (settlement: NewSettlement, hash: string, sending: Sending | null, wallMs: number): Command[] => {
  const { payer, reference, payee, currency, channel, agent } = settlement
  const facts = {
    payer,
    reference,
    payee,
    currency,
    channel,
    hash,
    amountMinor: settlement.amountMinor.toString(),
    key: settlement.providerKey,
    grant: sending?.grant ?? '',
  }
  const actor = agent === null ? 'sitter' : `agent:${agent}`
  const entry = { actor, action: 'settlement.opened', object: settlement.id, decision: 'allowed', facts } as const
  return [
    { kind: 'settlement.open', with: { settlement, wallMs } },
    { kind: 'ledger.transfer', with: { transfer: reserve(settlement), wallMs } },
    { kind: 'audit.append', with: { wallMs, entries: [entry] } },
  ]
}

const waiting = (settlement: string, kept: KeptPayment | undefined, wallMs: number): Command => {
  const { event, ...why } = kept ?? { event: null, reason: 'the gate is not linked', nextMs: wallMs, person: false }
  const rest = { settlement, from: 'reserved', ...why, wallMs } as const
  return event === null
    ? { kind: 'settlement.wait', with: { ...rest, absences: 0 } }
    : { kind: 'settlement.move', with: { ...rest, event, tries: 0, providerReference: null } }
}

const submitted = (settlement: string, request: GrantedRequest, sending: Sending, wallMs: number): Command[] => {
  const text = { request: JSON.stringify(request), hash: requestHash(request) }
  const rest = { reason: null, nextMs: null, person: false, tries: 1, providerReference: null, wallMs }
  return [
    { kind: 'intent.write', with: { wallMs, intent: { settlement, number: 1, kind: 'pay', ...sending, ...text } } },
    { kind: 'settlement.move', with: { settlement, from: 'reserved', event: 'submit', ...rest } },
  ]
}

/**
 * Settlement, reservation, audit entry; with a gate at hand also the intent and the step to `submitting`. One
 * transaction: after it the grant may be given, before it nothing may leave.
 */
export const openingCommands = (
  settlement: NewSettlement,
  request: GrantedRequest,
  { sending, kept }: { readonly sending: Sending | null; readonly kept?: KeptPayment | undefined },
  wallMs: number,
): Command[] => [
  ...opened(settlement, requestHash(request), sending, wallMs),
  ...(sending === null ? [waiting(settlement.id, kept, wallMs)] : submitted(settlement.id, request, sending, wallMs)),
]

/** The first field in which an ask differs from the settlement that has its reference; undefined: it is the same. */
export const differenceOf = (
  there: Pick<SettlementView, 'payee' | 'amountMinor' | 'currency' | 'channel'>,
  ask: Pick<SettlementView, 'payee' | 'amountMinor' | 'currency' | 'channel'>,
): string | undefined =>
  there.payee !== ask.payee
    ? 'payee'
    : there.amountMinor !== ask.amountMinor
      ? 'amount'
      : there.currency !== ask.currency
        ? 'currency'
        : there.channel !== ask.channel
          ? 'channel'
          : undefined
