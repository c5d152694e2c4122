/** Reads of settlements, intents, batches and the ledger. Amounts are read as bigint. */
import { costAmount, parseCost } from '../../std/std.ts'
import { concernSql, concernView, type ConcernRow } from '../concern.ts'
import type { AccountView, CostTotals } from '../queries.ts'
import type { Reads } from './answers.ts'
import { cursor, page } from './read-work.ts'
import {
  batchView,
  intentView,
  settlementView,
  transferView,
  type BatchRow,
  type IntentRow,
  type SettlementRow,
  type TransferRow,
} from './rows.ts'
import type { Session } from './session.ts'

/**
 * A settled payment has its reservation posted, one that ended unpaid has it voided, an open one has it pending;
 * nothing else agrees.
 */
const disagreements = `SELECT s.id AS settlement, s.state, COALESCE(GROUP_CONCAT(t.kind
ORDER BY t.seq), '') AS transfers
  FROM settlements s LEFT JOIN transfers t ON t.settlement = s.id GROUP BY s.seq
  HAVING transfers <> CASE WHEN s.state = 'settled' THEN 'pending,post,single' WHEN s.state IN ('rejected',
  'failed', 'cancelled') THEN 'pending,void'
    WHEN s.state = 'returned' THEN 'pending,post,single,single' ELSE 'pending' END LIMIT ?`

interface CountRow {
  channel: string
  currency: string
  state: string
  count: bigint
  amountMinor: bigint
  tries: bigint
  persons: bigint
}
export interface AccountRow {
  code: string
  currency: string
  debits_pending: bigint
  debits_posted: bigint
  credits_pending: bigint
  credits_posted: bigint
}

export const accountView = (row: AccountRow): AccountView => ({
  code: row.code,
  currency: row.currency,
  debitsPending: row.debits_pending,
  debitsPosted: row.debits_posted,
  creditsPending: row.credits_pending,
  creditsPosted: row.credits_posted,
})

/** Adds up "0.01 XTS" texts per currency, each with its count; `unknown` is one of no currency. */
export const addCosts = (rows: readonly { cost: string; calls: number }[]): CostTotals => {
  const sums = new Map<string, { pico: bigint; calls: number }>()
  let unknown = 0
  for (const { cost, calls } of rows) {
    if (cost === 'unknown') {
      unknown += calls
      continue
    }
    const { pico, currency } = parseCost(cost)
    const sum = sums.get(currency) ?? { pico: 0n, calls: 0 }
    sums.set(currency, { pico: sum.pico + pico * BigInt(calls), calls: sum.calls + calls })
  }
  const known = [...sums].map(([currency, { pico, calls }]) => ({
    currency,
    amount: costAmount({ pico, currency }),
    calls,
  }))
  return { known, unknown }
}

type PaymentReads = Pick<
  Reads,
  | 'settlement'
  | 'settlementByReference'
  | 'settlementsByReferences'
  | 'settlements'
  | 'settlementCounts'
  | 'settlementsDue'
  | 'nextSettlementDueMs'
  | 'settlementsOfConcern'
  | 'intents'
  | 'intentByGrant'
  | 'openIntents'
>

const settlementCounts = (session: Session, batch: string | undefined): ReturnType<Reads['settlementCounts']> =>
  session
    .allBig<CountRow>(
      `SELECT channel, currency, state, COUNT(*) AS count, SUM(amount_minor) AS amountMinor, SUM(tries) AS tries,
         SUM(person) AS persons FROM settlements
       WHERE (?1 IS NULL OR batch = ?1) GROUP BY channel, currency, state ORDER BY channel, currency, state`,
      batch ?? null,
    )
    .map((row) => ({
      ...row,
      count: Number(row.count),
      tries: Number(row.tries),
      persons: Number(row.persons),
    })) as ReturnType<Reads['settlementCounts']>

const paymentReads = (session: Session): PaymentReads => {
  const settlement = (sql: string, ...values: (string | number)[]): ReturnType<Reads['settlement']> => {
    const row = session.oneBig<SettlementRow>(sql, ...values)
    return row && settlementView(row)
  }
  return {
    settlement: (id) => settlement('SELECT * FROM settlements WHERE id = ?', id),
    settlementByReference: (payer, reference) =>
      settlement('SELECT * FROM settlements WHERE payer = ? AND reference = ?', payer, reference),
    settlementsByReferences: (payer, references) =>
      session
        .allBig<SettlementRow>(
          'SELECT * FROM settlements WHERE payer = ? AND reference IN (SELECT value FROM json_each(?))',
          payer,
          JSON.stringify(references),
        )
        .map(settlementView),
    settlements: (filter, { limit, after }) =>
      page(
        session.allBig<SettlementRow>(
          `SELECT * FROM settlements
           WHERE seq > ?1 AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR batch = ?3) AND (?4 IS NULL OR channel = ?4)
           AND (?5 IS NULL OR person = ?5) ORDER BY seq LIMIT ?6`,
          cursor(after),
          filter.state ?? null,
          filter.batch ?? null,
          filter.channel ?? null,
          filter.person === undefined ? null : filter.person ? 1 : 0,
          limit + 1,
        ),
        limit,
        settlementView,
      ),
    settlementCounts: (of) => settlementCounts(session, of),
    settlementsDue: (wallMs, limit) =>
      session
        .allBig<SettlementRow>(
          'SELECT * FROM settlements WHERE next_ms IS NOT NULL AND next_ms <= ? ORDER BY next_ms LIMIT ?',
          wallMs,
          limit,
        )
        .map(settlementView),
    settlementsOfConcern: () => concernView(session.one<ConcernRow>(concernSql)!),
    nextSettlementDueMs: () =>
      session.one<{ due: number | null }>('SELECT MIN(next_ms) AS due FROM settlements WHERE next_ms IS NOT NULL')!.due,
    intents: (of) =>
      session.all<IntentRow>('SELECT * FROM intents WHERE settlement = ? ORDER BY number', of).map(intentView),
    intentByGrant: (grant) => {
      const row = session.one<IntentRow>('SELECT * FROM intents WHERE grant_id = ?', grant)
      return row && intentView(row)
    },
    openIntents: (limit, afterGrant) =>
      session
        .all<IntentRow>(
          'SELECT * FROM intents WHERE outcome IS NULL AND grant_id > ? ORDER BY grant_id LIMIT ?',
          afterGrant ?? '',
          limit,
        )
        .map(intentView),
  }
}

type BookReads = Pick<
  Reads,
  'batch' | 'batchByContent' | 'batches' | 'accounts' | 'books' | 'transfers' | 'ledgerDisagreements' | 'costTotals'
>

const bookReads = (session: Session): BookReads => {
  const batch = (sql: string, value: string): ReturnType<Reads['batch']> => {
    const row = session.one<BatchRow>(sql, value)
    return row && batchView(row)
  }
  return {
    batch: (id) => batch('SELECT * FROM batches WHERE id = ?', id),
    batchByContent: (hash) => batch('SELECT * FROM batches WHERE content_hash = ?', hash),
    batches: ({ limit, after }) =>
      page(
        session.all<BatchRow>('SELECT * FROM batches WHERE seq > ? ORDER BY seq LIMIT ?', cursor(after), limit + 1),
        limit,
        batchView,
      ),
    books: ({ limit, after }) => ({
      transfers: session
        .allBig<TransferRow>('SELECT * FROM transfers WHERE seq > ? ORDER BY seq LIMIT ?', cursor(after), limit)
        .map(transferView),
      accounts: session.allBig<AccountRow>('SELECT * FROM accounts ORDER BY code, currency').map(accountView),
    }),
    accounts: () => session.allBig<AccountRow>('SELECT * FROM accounts ORDER BY code, currency').map(accountView),
    transfers: ({ limit, after }, of) =>
      page(
        session.allBig<TransferRow>(
          'SELECT * FROM transfers WHERE seq > ?1 AND (?2 IS NULL OR settlement = ?2) ORDER BY seq LIMIT ?3',
          cursor(after),
          of ?? null,
          limit + 1,
        ),
        limit,
        transferView,
      ),
    ledgerDisagreements: (limit) => session.all(disagreements, limit),
    costTotals: () =>
      addCosts(
        session.all<{ cost: string; calls: number }>(
          'SELECT cost, COUNT(*) AS calls FROM intents WHERE cost IS NOT NULL GROUP BY cost ORDER BY cost',
        ),
      ),
  }
}

export const moneyReads = (session: Session): PaymentReads & BookReads => ({
  ...paymentReads(session),
  ...bookReads(session),
})
