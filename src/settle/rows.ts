/** Reads a settlement file. Every fault of the whole file is found before a single row is taken. */
import { createHash } from 'node:crypto'
import { CsvError, parse } from 'csv-parse/sync'
import { Failure, formatAmount, parseAmount } from '../std/std.ts'
import { memoFault, payeeFault, referenceFault } from './payment-text.ts'
import type { RowFault } from './port.ts'

export interface Row {
  readonly line: number
  readonly reference: string
  readonly payee: string
  /** Normalised: exactly the currency's fraction digits. */
  readonly amount: string
  readonly amountMinor: bigint
  readonly currency: string
  readonly channel: string | null
  readonly memo: string | null
}

const needed = ['reference', 'payee', 'amount', 'currency'] as const
const optional = ['channel', 'memo'] as const
const columns: readonly string[] = [...needed, ...optional]

/** One transaction takes the whole file; 200,000 rows are about 2 s of it. More rows: more files. */
export const rowsMost = 200_000
/** Faults that are listed; the rest is counted. */
export const faultsMost = 200

const readHeader = (header: readonly string[]): RowFault[] => {
  const fault = (field: string, why: string): RowFault => ({
    line: 1,
    field,
    found: header.join(',').slice(0, 100),
    why,
  })
  return [
    ...needed
      .filter((name) => !header.includes(name))
      .map((name) =>
        fault(name, `the column ${name} is missing; the header is ${columns.join(',')} (the last two optional)`),
      ),
    ...header
      .filter((name) => !columns.includes(name))
      .map((name) => fault(name, `there is no column ${JSON.stringify(name)}; known are ${columns.join(', ')}`)),
    ...header
      .filter((name, index) => header.indexOf(name) !== index)
      .map((name) => fault(name, `the column ${name} is there twice`)),
  ]
}

type Add = (field: string, found: string, why: string) => void

const readRow = (values: Readonly<Record<string, string>>, line: number, add: Add): Row | undefined => {
  const value = (field: string): string => values[field] ?? ''
  let good = true
  const wrong = (field: string, why: string): void => {
    good = false
    add(field, value(field), why)
  }
  const faults = {
    reference: referenceFault(value('reference')),
    payee: payeeFault(value('payee')),
    memo: memoFault(value('memo')),
  }
  for (const [field, why] of Object.entries(faults)) if (why !== undefined) wrong(field, why)
  let amountMinor = 0n
  try {
    amountMinor = parseAmount(value('amount'), value('currency')).minor
    if (amountMinor === 0n) wrong('amount', 'is zero')
  } catch (error) {
    wrong('amount', (error as Failure).message)
  }
  if (!good) return undefined
  return {
    line,
    reference: value('reference'),
    payee: value('payee'),
    amount: formatAmount(amountMinor, value('currency')),
    amountMinor,
    currency: value('currency'),
    channel: value('channel') || null,
    memo: value('memo') || null,
  }
}

const sameParameters = (one: Row, other: Row): boolean =>
  one.payee === other.payee &&
  one.amountMinor === other.amountMinor &&
  one.currency === other.currency &&
  one.channel === other.channel

interface CsvRecord {
  record: string[]
  info: { lines: number }
}

const records = (text: string): CsvRecord[] => {
  try {
    return parse(text, {
      bom: true,
      info: true,
      skip_empty_lines: true,
      relax_column_count: true,
      max_record_size: 10_000,
      to: rowsMost + 2,
    }) as unknown as CsvRecord[]
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    const line = Number((error as { lines?: number }).lines ?? 0)
    throw new Failure('file-invalid', `the file is no CSV: ${error.message.slice(0, 200)}`, {
      facts: { faults: JSON.stringify([{ line, field: '', found: '', why: error.message.slice(0, 200) }]) },
    })
  }
}

export interface Read {
  readonly rows: readonly Row[]
  readonly faults: readonly RowFault[]
  /** Rows that repeat an earlier one to the letter: the same settlement, paid once, and told. */
  readonly repeated: number
}

/** Rows and every fault of a CSV text. */
export const readRows = (text: string): Read => {
  const all = records(text)
  const header = all[0]?.record.map((name) => name.trim()) ?? []
  if (all.length === 0)
    return { rows: [], repeated: 0, faults: [{ line: 1, field: '', found: '', why: 'the file is empty' }] }
  const faults = readHeader(header)
  if (faults.length > 0) return { rows: [], faults, repeated: 0 }
  if (all.length > rowsMost + 1)
    return {
      rows: [],
      repeated: 0,
      faults: [{ line: 0, field: '', found: '', why: `a file may have ${rowsMost} rows; split it` }],
    }
  const rows: Row[] = []
  const seen = new Map<string, Row>()
  let repeated = 0
  for (const { record, info } of all.slice(1)) {
    const line = info.lines
    const add: Add = (field, found, why) => {
      faults.push({ line, field, found: found.slice(0, 100), why })
    }
    if (record.length !== header.length) {
      add('', record.join(',').slice(0, 100), `has ${record.length} fields, the header has ${header.length}`)
      continue
    }
    const row = readRow(Object.fromEntries(header.map((name, index) => [name, record[index]!])), line, add)
    if (row === undefined) continue
    const before = seen.get(row.reference)
    if (before) {
      if (sameParameters(before, row)) repeated += 1
      else
        add(
          'reference',
          row.reference,
          `stands in line ${before.line} already, with another payee, amount, currency or channel`,
        )
      continue
    }
    seen.set(row.reference, row)
    rows.push(row)
  }
  if (rows.length === 0 && faults.length === 0)
    faults.push({ line: 2, field: '', found: '', why: 'there are no rows under the header' })
  return { rows, faults, repeated }
}

/** SHA-256 over the normalised rows and the payer's channel: the same payments in the same order are the same batch. */
export const contentHash = (rows: readonly Row[], channel: string): string => {
  const hash = createHash('sha256').update(channel)
  for (const row of rows)
    hash.update(JSON.stringify([row.reference, row.payee, row.amount, row.currency, row.channel, row.memo]))
  return hash.digest('hex')
}
