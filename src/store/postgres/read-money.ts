/** Reads of settlements, intents, batches and the ledger. Amounts are read as bigint. */
import { concernSql, concernView, type ConcernRow } from '../concern.ts'
import type { Queries } from '../queries.ts'
import { accountView, addCosts, type AccountRow } from '../sqlite/read-money.ts'
import { cursor, page } from '../sqlite/read-work.ts'
import {
  batchView,
  intentView,
  settlementView,
  transferView,
  type BatchRow,
  type IntentRow,
  type SettlementRow,
  type TransferRow,
} from '../sqlite/rows.ts'
import type { ReadPool } from './pool.ts'
import type { Asking } from './session.ts'

type PaymentReads = Pick<
  Queries,
  | 'settlement'
  | 'settlementByReference'
  | 'settlementsByReferences'
  | 'settlements'
  | 'settlementCounts'
  | 'settlementsDue'
  | 'nextSettlementDueMs'
  | 'settlementsOfConcern'
>
type IntentReads = Pick<Queries, 'intents' | 'intentByGrant' | 'openIntents' | 'costTotals'>
type BookReads = Pick<
  Queries,
  'batch' | 'batchByContent' | 'batches' | 'books' | 'accounts' | 'transfers' | 'ledgerDisagreements'
>

/**
 * A settled payment has its reservation posted, one that ended unpaid has it voided, an open one has it pending;
 * nothing else agrees.
 */
const disagreements = `
SELECT settlement, state, transfers FROM (
  SELECT s.seq, s.id AS settlement, s.state, COALESCE(string_agg(t.kind, ',' ORDER BY t.seq), '') AS transfers
  FROM settlements AS s LEFT JOIN transfers AS t ON t.settlement = s.id GROUP BY s.seq
) AS books
WHERE transfers <> CASE WHEN state = 'settled' THEN 'pending,post,single'
  WHEN state IN ('rejected', 'failed', 'cancelled') THEN 'pending,void'
  WHEN state = 'returned' THEN 'pending,post,single,single' ELSE 'pending' END
ORDER BY seq LIMIT $1`

interface CountRow {
  channel: string
  currency: string
  state: SettlementRow['state']
  count: bigint
  amountMinor: bigint
  tries: bigint
  persons: bigint
}

const paymentReads = (session: Asking): PaymentReads => {
  const one = async (sql: string, ...values: readonly unknown[]): ReturnType<Queries['settlement']> => {
    const row = await session.oneBig<SettlementRow>(sql, ...values)
    return row && settlementView(row)
  }
  return {
    settlement: (id) => one('SELECT * FROM settlements WHERE id = $1', id),
    settlementByReference: (payer, reference) =>
      one('SELECT * FROM settlements WHERE payer = $1 AND reference = $2', payer, reference),
    settlementsByReferences: async (payer, references) => {
      const sql = 'SELECT * FROM settlements WHERE payer = $1 AND reference = ANY($2::text[])'
      return (await session.allBig<SettlementRow>(sql, payer, references)).map(settlementView)
    },
    settlements: async (filter, { limit, after }) => {
      const rows = await session.allBig<SettlementRow>(
        `SELECT * FROM settlements WHERE seq > $1 AND ($2::text IS NULL OR state = $2)
           AND ($3::text IS NULL OR batch = $3) AND ($4::text IS NULL OR channel = $4)
           AND ($5::bigint IS NULL OR person = $5) ORDER BY seq LIMIT $6`,
        cursor(after),
        filter.state ?? null,
        filter.batch ?? null,
        filter.channel ?? null,
        filter.person === undefined ? null : filter.person ? 1 : 0,
        limit + 1,
      )
      return page(rows, limit, settlementView)
    },
    settlementCounts: async (of) => {
      const rows = await session.allBig<CountRow>(
        `SELECT channel, currency, state, COUNT(*) AS count, SUM(amount_minor) AS "amountMinor", SUM(tries) AS tries,
           SUM(person) AS persons FROM settlements WHERE ($1::text IS NULL OR batch = $1)
         GROUP BY channel, currency, state ORDER BY channel, currency, state`,
        of ?? null,
      )
      return rows.map((row) => ({
        ...row,
        count: Number(row.count),
        tries: Number(row.tries),
        persons: Number(row.persons),
      }))
    },
    settlementsDue: async (wallMs, limit) => {
      const sql = 'SELECT * FROM settlements WHERE next_ms <= $1 ORDER BY next_ms LIMIT $2'
      return (await session.allBig<SettlementRow>(sql, wallMs, limit)).map(settlementView)
    },
    settlementsOfConcern: async () => concernView((await session.one<ConcernRow>(concernSql))!),
    nextSettlementDueMs: async () => {
      const sql = 'SELECT MIN(next_ms) AS due FROM settlements WHERE next_ms IS NOT NULL'
      return (await session.one<{ due: number | null }>(sql))!.due
    },
  }
}

const intentReads = (session: Asking): IntentReads => ({
  intents: async (of) =>
    (await session.all<IntentRow>('SELECT * FROM intents WHERE settlement = $1 ORDER BY number', of)).map(intentView),
  intentByGrant: async (grant) => {
    const row = await session.one<IntentRow>('SELECT * FROM intents WHERE grant_id = $1', grant)
    return row && intentView(row)
  },
  openIntents: async (limit, afterGrant) => {
    const sql = 'SELECT * FROM intents WHERE outcome IS NULL AND grant_id > $1 ORDER BY grant_id LIMIT $2'
    return (await session.all<IntentRow>(sql, afterGrant ?? '', limit)).map(intentView)
  },
  costTotals: async () =>
    addCosts(
      await session.all<{ cost: string; calls: number }>(
        'SELECT cost, COUNT(*) AS calls FROM intents WHERE cost IS NOT NULL GROUP BY cost ORDER BY cost',
      ),
    ),
})

const accountsSql = 'SELECT * FROM accounts ORDER BY code, currency'
const transfersSql = `
SELECT * FROM transfers WHERE seq > $1 AND ($2::text IS NULL OR settlement = $2) ORDER BY seq LIMIT $3`

const bookReads = (session: Asking, inSnapshot: ReadPool['inSnapshot']): BookReads => {
  const batch = async (sql: string, value: string): ReturnType<Queries['batch']> => {
    const row = await session.one<BatchRow>(sql, value)
    return row && batchView(row)
  }
  return {
    batch: (id) => batch('SELECT * FROM batches WHERE id = $1', id),
    batchByContent: (hash) => batch('SELECT * FROM batches WHERE content_hash = $1', hash),
    batches: async ({ limit, after }) => {
      const sql = 'SELECT * FROM batches WHERE seq > $1 ORDER BY seq LIMIT $2'
      return page(await session.all<BatchRow>(sql, cursor(after), limit + 1), limit, batchView)
    },
    books: ({ limit, after }) =>
      inSnapshot(async (moment) => ({
        transfers: (await moment.allBig<TransferRow>(transfersSql, cursor(after), null, limit)).map(transferView),
        accounts: (await moment.allBig<AccountRow>(accountsSql)).map(accountView),
      })),
    accounts: async () => (await session.allBig<AccountRow>(accountsSql)).map(accountView),
    transfers: async ({ limit, after }, of) =>
      page(await session.allBig<TransferRow>(transfersSql, cursor(after), of ?? null, limit + 1), limit, transferView),
    ledgerDisagreements: (limit) => session.all(disagreements, limit),
  }
}

export const moneyReads = ({ asking, inSnapshot }: Pick<ReadPool, 'asking' | 'inSnapshot'>) => ({
  ...paymentReads(asking),
  ...intentReads(asking),
  ...bookReads(asking, inSnapshot),
})
