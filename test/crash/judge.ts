/**
 * The judge after the kills. Its oracle is the provider's own log; our record is read as a file, row by row, and must
 * agree. Nothing here asks the swarm what it thinks.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Place } from './swarm.ts'

interface Line {
  readonly kind: string
  readonly reference?: string
  readonly key?: string
  readonly amount?: string
}
interface Transfer {
  kind: string
  pending_id: string | null
  debit: string
  credit: string
  amount_minor: bigint
  currency: string
  settlement: string
  id: string
}
interface Settlement {
  id: string
  reference: string
  state: string
  amount_minor: bigint
  provider_key: string
}

export interface Verdict {
  readonly title: string
  readonly wrong: readonly string[]
  /** It could not be tried on this machine. */
  readonly skipped?: boolean
}

const logOf = (place: Place): Line[] =>
  readFileSync(place.log, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line)

const few = (list: readonly string[]): readonly string[] =>
  list.length > 5 ? [...list.slice(0, 5), `… ${list.length} in all`] : list

const group = <Item>(items: readonly Item[], key: (item: Item) => string): Map<string, Item[]> =>
  Map.groupBy(items, key)

/** Debits equal credits per currency after every single transfer. */
const unbalanced = (transfers: readonly Transfer[]): string[] => {
  const wrong: string[] = []
  const resolved = new Set<string>()
  const pending = new Map(transfers.filter((one) => one.kind === 'pending').map((one) => [one.id, one]))
  for (const transfer of transfers) {
    if (transfer.amount_minor <= 0n || transfer.debit === transfer.credit) wrong.push(`${transfer.id} moves nothing`)
    if (transfer.pending_id === null) continue
    if (resolved.has(transfer.pending_id)) wrong.push(`${transfer.pending_id} is resolved twice`)
    if (pending.get(transfer.pending_id)?.amount_minor !== transfer.amount_minor)
      wrong.push(`${transfer.id} has another amount than its reservation`)
    resolved.add(transfer.pending_id)
  }
  return wrong
}

/** Reads the record past the swarm; integers as bigint. */
export type Reading = <Row>(sql: string) => Promise<Row[]>

const readingFile =
  (place: Place): Reading =>
  async <Row>(sql: string) => {
    const record = new DatabaseSync(join(place.data, 'swarm.db'), { readOnly: true })
    const statement = record.prepare(sql)
    statement.setReadBigInts(true)
    const rows = statement.all() as Row[]
    record.close()
    return rows
  }

interface Expected {
  /** Payments. */
  readonly rows: number
  /** Tasks beside those of the payments. */
  readonly others?: number
}

/** `read` is of the record's file when it is not given. */
export const judge = async (
  place: Place,
  { rows, others = 0 }: Expected,
  read: Reading = readingFile(place),
): Promise<Verdict[]> => {
  const log = logOf(place)
  const settlements = await read<Settlement>('SELECT * FROM settlements ORDER BY seq')
  const transfers = await read<Transfer>('SELECT * FROM transfers ORDER BY seq')
  // Tasks of other types (a report, a notice) are not what was submitted here.
  const tasks = await read<{ state: string; count: bigint }>(
    "SELECT state, COUNT(*) AS count FROM tasks WHERE type IN ('settle', 'count') GROUP BY state",
  )
  const accepted = group(
    log.filter((line) => line.kind === 'accepted'),
    (line) => line.reference!,
  )
  const declined = group(
    log.filter((line) => line.kind === 'declined'),
    (line) => line.reference!,
  )
  const keys = group(
    log.filter((line) => line.key && line.reference),
    (line) => line.reference!,
  )
  const posted = new Set(transfers.filter((one) => one.kind === 'post').map((one) => one.settlement))
  return [
    {
      title: 'every task ended',
      wrong: tasks
        .filter((one) => one.state !== 'succeeded' || Number(one.count) !== rows + others)
        .map((one) => `${one.count} tasks are ${one.state}`),
    },
    {
      title: 'every settlement ended settled or rejected',
      wrong: few(
        settlements
          .filter((one) => !['settled', 'rejected'].includes(one.state))
          .map((one) => `${one.reference} is ${one.state}`),
      ),
    },
    {
      title: `the record has ${rows} settlements, each reference once`,
      wrong: settlements.length === rows ? [] : [`it has ${settlements.length}`],
    },
    {
      title: 'the provider was paid from at most once for each reference',
      wrong: few(
        [...accepted]
          .filter(([, lines]) => lines.length > 1)
          .map(([reference, lines]) => `${reference} was accepted ${lines.length} times`),
      ),
    },
    {
      title: 'the provider knows every reference',
      wrong: few(
        settlements
          .filter((one) => !accepted.has(one.reference) && !declined.has(one.reference))
          .map((one) => one.reference),
      ),
    },
    {
      title: 'every attempt of a payment carried the one key that the record holds',
      wrong: few(
        settlements
          .filter((one) => (keys.get(one.reference) ?? []).some((line) => line.key !== one.provider_key))
          .map((one) => one.reference),
      ),
    },
    {
      title: 'settled in the ledger is accepted at the provider, and the other way round',
      wrong: few(
        settlements
          .filter(
            (one) =>
              posted.has(one.id) !== accepted.has(one.reference) ||
              (one.state === 'settled') !== accepted.has(one.reference),
          )
          .map((one) => `${one.reference}: ${one.state}`),
      ),
    },
    {
      title: 'amounts at the provider are those of the record',
      wrong: few(
        settlements
          .filter((one) =>
            (accepted.get(one.reference) ?? []).some(
              (line) => BigInt(line.amount!.replace('.', '')) !== one.amount_minor,
            ),
          )
          .map((one) => one.reference),
      ),
    },
    { title: 'the ledger resolves each reservation once and in full', wrong: few(unbalanced(transfers)) },
    {
      title: 'the provider never saw more than its rate',
      wrong: log.some((line) => line.kind === 'over-limit')
        ? [`${log.filter((line) => line.kind === 'over-limit').length} calls were over the limit`]
        : [],
    },
  ]
}
