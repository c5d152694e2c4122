/** SQL of money's commands. Settlements move by the state machine of model/settlement.ts; the ledger only grows. */
import { nextSettlementState, type SettlementState } from '../../model/model.ts'
import type {
  BatchOpen,
  IntentClose,
  IntentsNone,
  IntentWrite,
  LedgerTransfer,
  NewSettlement,
  NewTransfer,
  SettlementMove,
  SettlementOpen,
  SettlementWait,
} from '../commands/money.ts'
import type { Result } from '../commands/result.ts'
import { done, refuse, type Session } from './session.ts'

interface Opened {
  id: string
  payee: string
  amount_minor: bigint
  currency: string
  channel: string
}

/**
 * The first field in which the asked settlement differs from the one that is there; undefined when they are the same.
 */
const difference = (there: Opened, asked: NewSettlement): string | undefined => {
  if (there.payee !== asked.payee) return 'payee'
  if (there.amount_minor !== asked.amountMinor) return 'amount'
  if (there.currency !== asked.currency) return 'currency'
  return there.channel === asked.channel ? undefined : 'channel'
}

export const settlementOpen = (session: Session, { settlement, wallMs }: SettlementOpen['with']): Result<null> => {
  const there = session.oneBig<Opened>(
    'SELECT id, payee, amount_minor, currency, channel FROM settlements WHERE payer = ? AND reference = ?',
    settlement.payer,
    settlement.reference,
  )
  if (there) {
    const field = difference(there, settlement)
    return field === undefined
      ? refuse('exists', there.id)
      : refuse('exists-with-different', `${settlement.reference} exists as ${there.id} with another ${field}`)
  }
  session.run(
    `INSERT INTO settlements (id, payer, reference, payee, amount_minor, currency, channel, memo, state,
      provider_key, batch, task, agent,
       created_ms, updated_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'reserved', ?, ?, ?, ?, ?, ?)`,
    settlement.id,
    settlement.payer,
    settlement.reference,
    settlement.payee,
    settlement.amountMinor,
    settlement.currency,
    settlement.channel,
    settlement.memo,
    settlement.providerKey,
    settlement.batch,
    settlement.task,
    settlement.agent,
    wallMs,
    wallMs,
  )
  return done(null)
}

const stateOf = (session: Session, id: string): SettlementState | undefined =>
  session.one<{ state: SettlementState }>('SELECT state FROM settlements WHERE id = ?', id)?.state

export const settlementMove = (session: Session, move: SettlementMove['with']): Result<{ state: SettlementState }> => {
  const state = stateOf(session, move.settlement)
  if (state === undefined) return refuse('not-found', move.settlement)
  if (state !== move.from) return refuse('stale', `${move.settlement} is ${state}, not ${move.from}`)
  const next = nextSettlementState(state, move.event)
  if (next === undefined) return refuse('illegal', `a settlement that is ${state} cannot take ${move.event}`)
  session.run(
    `UPDATE settlements SET state = ?, reason = ?, next_ms = ?, person = ?, tries = tries + ?, absences = 0,
       provider_reference = COALESCE(?, provider_reference), updated_ms = ? WHERE id = ?`,
    next,
    move.reason,
    move.nextMs,
    move.person ? 1 : 0,
    move.tries,
    move.providerReference,
    move.wallMs,
    move.settlement,
  )
  return done({ state: next })
}

export const settlementWait = (session: Session, wait: SettlementWait['with']): Result<null> => {
  const changed = session.run(
    `UPDATE settlements SET reason = ?, next_ms = ?, person = ?, absences = ?, updated_ms = ?
      WHERE id = ? AND state = ?`,
    wait.reason,
    wait.nextMs,
    wait.person ? 1 : 0,
    wait.absences,
    wait.wallMs,
    wait.settlement,
    wait.from,
  )
  return changed === 1 ? done(null) : refuse('stale', `${wait.settlement} is not ${wait.from}`)
}

export const intentsNone = (session: Session, { settlement, kinds }: IntentsNone['with']): Result<null> => {
  const out = session.one<{ grant_id: string }>(
    `SELECT grant_id FROM intents
     WHERE settlement = ? AND outcome IS NULL AND kind IN (SELECT value FROM json_each(?)) LIMIT 1`,
    settlement,
    JSON.stringify(kinds),
  )
  return out === undefined ? done(null) : refuse('conflict', `request ${out.grant_id} about ${settlement} is under way`)
}

export const intentWrite = (session: Session, { intent, wallMs }: IntentWrite['with']): Result<null> => {
  session.run(
    `INSERT INTO intents (grant_id, settlement, number, kind, request, hash, gate_id, written_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    intent.grant,
    intent.settlement,
    intent.number,
    intent.kind,
    intent.request,
    intent.hash,
    intent.gateId,
    wallMs,
  )
  return done(null)
}

interface IntentKey {
  settlement: string
  number: number
  kind: 'pay' | 'query'
  outcome: string | null
}

export const intentClose = (
  session: Session,
  close: IntentClose['with'],
): Result<{ settlement: string; kind: 'pay' | 'query'; number: number }> => {
  const intent = session.one<IntentKey>(
    'SELECT settlement, number, kind, outcome FROM intents WHERE grant_id = ?',
    close.grant,
  )
  if (!intent) return refuse('not-found', close.grant)
  if (intent.outcome !== null) return refuse('exists', `${close.grant} was closed as ${intent.outcome}`)
  session.run(
    'UPDATE intents SET outcome = ?, evidence = ?, journal = ?, closed_ms = ?, cost = ? WHERE grant_id = ?',
    close.outcome,
    close.evidence,
    close.journal,
    close.closedMs,
    close.cost,
    close.grant,
  )
  return done({ settlement: intent.settlement, kind: intent.kind, number: intent.number })
}

/**
 * How each kind of transfer changes (debits_pending, debits_posted) of one account and the credits of the other, per
 * unit of amount.
 */
const effect = { pending: [1n, 0n], post: [-1n, 1n], void: [-1n, 0n], single: [0n, 1n] } as const

const book = (session: Session, side: 'debits' | 'credits', code: string, transfer: NewTransfer): void => {
  session.run('INSERT INTO accounts (code, currency) VALUES (?, ?) ON CONFLICT DO NOTHING', code, transfer.currency)
  const [pending, posted] = effect[transfer.kind]
  session.run(
    `UPDATE accounts SET ${side}_pending = ${side}_pending + ?, ${side}_posted = ${side}_posted + ?
      WHERE code = ? AND currency = ?`,
    pending * transfer.amountMinor,
    posted * transfer.amountMinor,
    code,
    transfer.currency,
  )
}

interface Pending {
  kind: string
  debit: string
  credit: string
  amount_minor: bigint
  currency: string
  resolved: string | null
}

/** Undefined when the transfer may resolve that pending one, else why not. */
const unresolvable = (session: Session, transfer: NewTransfer): string | undefined => {
  const pending = session.oneBig<Pending>(
    `SELECT kind, debit, credit, amount_minor, currency, (SELECT id FROM transfers WHERE pending_id = ?1) AS resolved
     FROM transfers WHERE id = ?1`,
    transfer.pendingId,
  )
  if (!pending || pending.kind !== 'pending') return `${transfer.pendingId} is no pending transfer`
  if (pending.resolved !== null) return `${transfer.pendingId} was resolved by ${pending.resolved}`
  const same =
    pending.debit === transfer.debit &&
    pending.credit === transfer.credit &&
    pending.amount_minor === transfer.amountMinor &&
    pending.currency === transfer.currency
  return same ? undefined : `${transfer.id} does not match ${transfer.pendingId}`
}

export const ledgerTransfer = (session: Session, { transfer, wallMs }: LedgerTransfer['with']): Result<null> => {
  if (session.one('SELECT 1 AS found FROM transfers WHERE id = ?', transfer.id)) return refuse('exists', transfer.id)
  if (transfer.pendingId !== null) {
    const why = unresolvable(session, transfer)
    if (why !== undefined) return refuse('conflict', why)
  }
  session.run(
    `INSERT INTO transfers (id, kind, pending_id, debit, credit, amount_minor, currency, settlement,
      wall_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    transfer.id,
    transfer.kind,
    transfer.pendingId,
    transfer.debit,
    transfer.credit,
    transfer.amountMinor,
    transfer.currency,
    transfer.settlement,
    wallMs,
  )
  book(session, 'debits', transfer.debit, transfer)
  book(session, 'credits', transfer.credit, transfer)
  return done(null)
}

export const batchOpen = (
  session: Session,
  { batch, wallMs }: BatchOpen['with'],
): Result<{ id: string; created: boolean }> => {
  const there = session.one<{ id: string }>('SELECT id FROM batches WHERE content_hash = ?', batch.contentHash)
  if (there) return done({ id: there.id, created: false })
  session.run(
    `INSERT INTO batches (id, content_hash, name, channel, payer, rows, totals, actor, created_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    batch.id,
    batch.contentHash,
    batch.name,
    batch.channel,
    batch.payer,
    batch.rows,
    JSON.stringify(batch.totals),
    batch.actor,
    wallMs,
  )
  return done({ id: batch.id, created: true })
}
