/**
 * SQL of money's commands. Each is one statement that holds its own preconditions; only when it wrote nothing is the
 * reason looked for. Settlements move by the state machine of model/settlement.ts; the ledger only grows.
 */
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

/** The first field in which the asked settlement differs from the one that is there; undefined for the same. */
const difference = (there: Opened, asked: NewSettlement): string | undefined => {
  if (there.payee !== asked.payee) return 'payee'
  if (there.amount_minor !== asked.amountMinor) return 'amount'
  if (there.currency !== asked.currency) return 'currency'
  return there.channel === asked.channel ? undefined : 'channel'
}

export const settlementOpen = async (
  session: Session,
  { settlement, wallMs }: SettlementOpen['with'],
): Promise<Result<null>> => {
  const written = await session.run(
    `INSERT INTO settlements (id, payer, reference, payee, amount_minor, currency, channel, memo, state,
       provider_key, batch, task, agent, created_ms, updated_ms)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'reserved', $9, $10, $11, $12, $13, $13)
     ON CONFLICT (payer, reference) DO NOTHING`,
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
  )
  if (written === 1) return done(null)
  const there = await session.oneBig<Opened>(
    'SELECT id, payee, amount_minor, currency, channel FROM settlements WHERE payer = $1 AND reference = $2',
    settlement.payer,
    settlement.reference,
  )
  const field = there && difference(there, settlement)
  return field === undefined
    ? refuse('exists', there?.id ?? settlement.reference)
    : refuse('exists-with-different', `${settlement.reference} exists as ${there?.id} with another ${field}`)
}

const stateOf = async (session: Session, id: string): Promise<SettlementState | undefined> =>
  (await session.one<{ state: SettlementState }>('SELECT state FROM settlements WHERE id = $1', id))?.state

export const settlementMove = async (
  session: Session,
  move: SettlementMove['with'],
): Promise<Result<{ state: SettlementState }>> => {
  const next = nextSettlementState(move.from, move.event)
  if (next !== undefined) {
    const changed = await session.run(
      `UPDATE settlements SET state = $1, reason = $2, next_ms = $3, person = $4, tries = tries + $5, absences = 0,
         provider_reference = COALESCE($6, provider_reference), updated_ms = $7 WHERE id = $8 AND state = $9`,
      next,
      move.reason,
      move.nextMs,
      move.person ? 1 : 0,
      move.tries,
      move.providerReference,
      move.wallMs,
      move.settlement,
      move.from,
    )
    if (changed === 1) return done({ state: next })
  }
  const state = await stateOf(session, move.settlement)
  if (state === undefined) return refuse('not-found', move.settlement)
  return state === move.from
    ? refuse('illegal', `a settlement that is ${state} cannot take ${move.event}`)
    : refuse('stale', `${move.settlement} is ${state}, not ${move.from}`)
}

export const settlementWait = async (session: Session, wait: SettlementWait['with']): Promise<Result<null>> => {
  const changed = await session.run(
    `UPDATE settlements SET reason = $1, next_ms = $2, person = $3, absences = $4, updated_ms = $5
     WHERE id = $6 AND state = $7`,
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

export const intentsNone = async (
  session: Session,
  { settlement, kinds }: IntentsNone['with'],
): Promise<Result<null>> => {
  const out = await session.one<{ grant_id: string }>(
    'SELECT grant_id FROM intents WHERE settlement = $1 AND outcome IS NULL AND kind = ANY($2::text[]) LIMIT 1',
    settlement,
    kinds,
  )
  return out === undefined ? done(null) : refuse('conflict', `request ${out.grant_id} about ${settlement} is under way`)
}

export const intentWrite = async (session: Session, { intent, wallMs }: IntentWrite['with']): Promise<Result<null>> => {
  await session.run(
    `INSERT INTO intents (grant_id, settlement, number, kind, request, hash, gate_id, written_ms)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
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
}

export const intentClose = async (
  session: Session,
  close: IntentClose['with'],
): Promise<Result<{ settlement: string; kind: 'pay' | 'query'; number: number }>> => {
  const closed = await session.one<IntentKey>(
    `UPDATE intents SET outcome = $1, evidence = $2, journal = $3, closed_ms = $4, cost = $5
     WHERE grant_id = $6 AND outcome IS NULL RETURNING settlement, number, kind`,
    close.outcome,
    close.evidence,
    close.journal,
    close.closedMs,
    close.cost,
    close.grant,
  )
  if (closed) return done(closed)
  const intent = await session.one<{ outcome: string }>('SELECT outcome FROM intents WHERE grant_id = $1', close.grant)
  return intent ? refuse('exists', `${close.grant} was closed as ${intent.outcome}`) : refuse('not-found', close.grant)
}

/**
 * How each kind of transfer changes (debits_pending, debits_posted) of one account and the credits of the other, per
 * unit of amount.
 */
const effect = { pending: [1n, 0n], post: [-1n, 1n], void: [-1n, 0n], single: [0n, 1n] } as const

/** An account is made on first use. Its row is checked before the conflict with one that is there: hence GREATEST. */
const book = (side: 'debits' | 'credits', code: string): string =>
  `INSERT INTO accounts AS a (code, currency, ${side}_pending, ${side}_posted)
     SELECT ${code}, $7::text, GREATEST($10::bigint, 0), $11::bigint FROM added
   ON CONFLICT (code, currency) DO UPDATE
   SET ${side}_pending = a.${side}_pending + $10::bigint, ${side}_posted = a.${side}_posted + $11::bigint RETURNING 1`

/** Adds the transfer if its id is new and, where it resolves one, that one is pending, unresolved and the same. */
const add = `
WITH added AS (
  INSERT INTO transfers (id, kind, pending_id, debit, credit, amount_minor, currency, settlement, wall_ms)
  SELECT $1::text, $2::text, $3::text, $4::text, $5::text, $6::bigint, $7::text, $8::text, $9::bigint
  WHERE NOT EXISTS (SELECT 1 FROM transfers WHERE id = $1) AND ($3::text IS NULL OR (
    EXISTS (SELECT 1 FROM transfers WHERE id = $3 AND kind = 'pending' AND debit = $4 AND credit = $5
      AND amount_minor = $6 AND currency = $7)
    AND NOT EXISTS (SELECT 1 FROM transfers WHERE pending_id = $3)))
  RETURNING 1
), debited AS (${book('debits', '$4::text')}), credited AS (${book('credits', '$5::text')})
SELECT 1 FROM added`

interface Pending {
  kind: string
  resolved: string | null
}

/** Why a transfer was not added. */
const whyNot = async (session: Session, transfer: NewTransfer): Promise<Result<null>> => {
  if (await session.one('SELECT 1 AS found FROM transfers WHERE id = $1', transfer.id))
    return refuse('exists', transfer.id)
  const pending = await session.one<Pending>(
    'SELECT kind, (SELECT id FROM transfers WHERE pending_id = $1) AS resolved FROM transfers WHERE id = $1',
    transfer.pendingId,
  )
  if (pending?.kind !== 'pending') return refuse('conflict', `${transfer.pendingId} is no pending transfer`)
  return pending.resolved === null
    ? refuse('conflict', `${transfer.id} does not match ${transfer.pendingId}`)
    : refuse('conflict', `${transfer.pendingId} was resolved by ${pending.resolved}`)
}

export const ledgerTransfer = async (
  session: Session,
  { transfer, wallMs }: LedgerTransfer['with'],
): Promise<Result<null>> => {
  const [pending, posted] = effect[transfer.kind]
  const added = await session.run(
    add,
    transfer.id,
    transfer.kind,
    transfer.pendingId,
    transfer.debit,
    transfer.credit,
    transfer.amountMinor,
    transfer.currency,
    transfer.settlement,
    wallMs,
    pending * transfer.amountMinor,
    posted * transfer.amountMinor,
  )
  return added === 1 ? done(null) : whyNot(session, transfer)
}

export const batchOpen = async (
  session: Session,
  { batch, wallMs }: BatchOpen['with'],
): Promise<Result<{ id: string; created: boolean }>> => {
  const written = await session.run(
    `INSERT INTO batches (id, content_hash, name, channel, payer, rows, totals, actor, created_ms)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (content_hash) DO NOTHING`,
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
  if (written === 1) return done({ id: batch.id, created: true })
  const there = await session.one<{ id: string }>('SELECT id FROM batches WHERE content_hash = $1', batch.contentHash)
  return done({ id: there!.id, created: false })
}
