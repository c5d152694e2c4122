/**
 * A settlement file becomes one batch and one task a row, whole or not at all, in one transaction with its audit entry.
 */
import type { Channel, TaskType } from '../model/model.ts'
import { canonicalJson, Failure, formatAmount, type Clock, type NewId } from '../std/std.ts'
import type { Command, NewBatch, Queries, SettlementView } from '../store/store.ts'
import type { TaskAsk, Work } from '../work/work.ts'
import type { BatchAnswer, BatchAsk, RowFault } from './port.ts'
import { contentHash, faultsMost, readRows, type Row } from './rows.ts'

/** The task type that settlement files are given to. */
export const settleTaskType = 'settle'

export interface BatchPort {
  readonly channels: Readonly<Record<string, Channel>>
  readonly tasks: Readonly<Record<string, TaskType>>
  readonly read: Pick<Queries, 'tasksByKeys' | 'settlementsByReferences' | 'batchByContent'>
  readonly work: Pick<Work, 'submit'>
  readonly clock: Pick<Clock, 'wallMs'>
  readonly newId: NewId
}

const refuse = (faults: readonly RowFault[], name: string): never => {
  const first = faults[0]!
  const count = `${faults.length} fault${faults.length === 1 ? '' : 's'}`
  const where = `the first in line ${first.line}: ${[first.field, first.why].filter(Boolean).join(' ')}`
  throw new Failure('file-invalid', `${name} is refused whole: ${count}, ${where}`, {
    facts: { count: faults.length, faults: JSON.stringify(faults.slice(0, faultsMost)) },
  })
}

const pickChannel = (port: BatchPort, asked: string | null): Channel => {
  const names = Object.keys(port.channels)
  const name = asked ?? (names.length === 1 ? names[0]! : undefined)
  if (name === undefined)
    throw new Failure('unknown-channel', `say which channel pays (--channel); there are: ${names.join(', ') || 'none'}`)
  if (!Object.hasOwn(port.channels, name))
    throw new Failure(
      'unknown-channel',
      `there is no channel ${JSON.stringify(name)}; there are: ${names.join(', ') || 'none'}`,
    )
  return port.channels[name]!
}

const rowPayload = (row: Row, channel: Channel): Record<string, string> => ({
  reference: row.reference,
  payee: row.payee,
  amount: row.amount,
  currency: row.currency,
  channel: row.channel ?? channel.name,
  ...(row.memo === null ? {} : { memo: row.memo }),
})

export const taskKey = (payer: string, reference: string): string => `${payer}:${reference}`

interface Asked {
  readonly row: Row
  readonly payload: Record<string, string>
  readonly key: string
  readonly channel: Channel
}

/** Keys or references that are looked up at once. */
const lookupSize = 1_000

/** What the record holds of these rows already, by task key. */
interface Known {
  readonly tasks: ReadonlyMap<string, { readonly id: string; readonly payload: string }>
  readonly settlements: ReadonlyMap<string, SettlementView>
}

const lookUp = async (port: BatchPort, asks: readonly Asked[]): Promise<Known> => {
  const tasks = new Map<string, { id: string; payload: string }>()
  const settlements = new Map<string, SettlementView>()
  for (let from = 0; from < asks.length; from += lookupSize) {
    const some = asks.slice(from, from + lookupSize)
    const keys = some.map(({ key }) => key)
    for (const task of await port.read.tasksByKeys(settleTaskType, keys)) tasks.set(task.key, task)
    for (const [payer, of] of Map.groupBy(some, ({ channel }) => channel.payer)) {
      const references = of.map(({ row }) => row.reference)
      const found = await port.read.settlementsByReferences(payer, references)
      for (const settlement of found) settlements.set(taskKey(payer, settlement.reference), settlement)
    }
  }
  return { tasks, settlements }
}

/** Rows that contradict what is there already: the same reference with other parameters. */
const conflicts = (known: Known, asks: readonly Asked[]): RowFault[] =>
  asks.flatMap(({ row, payload, key }) => {
    const fault = (why: string): RowFault[] => [{ line: row.line, field: 'reference', found: row.reference, why }]
    const task = known.tasks.get(key)
    if (task !== undefined)
      return task.payload === canonicalJson(payload) ? [] : fault(`was submitted as ${task.id} with other parameters`)
    const settlement = known.settlements.get(key)
    if (settlement === undefined) return []
    const same =
      settlement.payee === row.payee &&
      settlement.amountMinor === row.amountMinor &&
      settlement.currency === row.currency
    return same ? [] : fault(`exists as ${settlement.id} with other parameters`)
  })

const totalsOf = (rows: readonly Row[]): Record<string, string> => {
  const sums = new Map<string, bigint>()
  for (const row of rows) sums.set(row.currency, (sums.get(row.currency) ?? 0n) + row.amountMinor)
  return Object.fromEntries([...sums].map(([currency, minor]) => [currency, formatAmount(minor, currency)]))
}

/** @throws Failure `file-invalid` with every fault, `unknown-channel`, `unknown-task-type`. */
export const submitBatch = async (port: BatchPort, file: BatchAsk): Promise<BatchAnswer> => {
  const channel = pickChannel(port, file.channel)
  const { rows, faults, repeated } = readRows(file.text)
  const foreign = rows
    .filter((row) => row.channel !== null && !Object.hasOwn(port.channels, row.channel))
    .map((row) => ({
      line: row.line,
      field: 'channel',
      found: row.channel!,
      why: `there is no such channel; there are: ${Object.keys(port.channels).join(', ')}`,
    }))
  if (faults.length + foreign.length > 0)
    refuse(
      [...faults, ...foreign].toSorted((one, other) => one.line - other.line),
      file.name,
    )
  const asks = rows.map((row) => {
    const of = row.channel === null ? channel : port.channels[row.channel]!
    return { row, channel: of, payload: rowPayload(row, channel), key: taskKey(of.payer, row.reference) }
  })
  const known = await lookUp(port, asks)
  const contradicted = conflicts(known, asks)
  if (contradicted.length > 0) refuse(contradicted, file.name)
  const hash = contentHash(rows, channel.name)
  const there = await port.read.batchByContent(hash)
  const fresh = asks.filter(({ key }) => !known.tasks.has(key))
  const totals = totalsOf(rows)
  const counts = {
    rows: rows.length + repeated,
    newTasks: fresh.length,
    alreadyThere: asks.length - fresh.length + repeated,
    totals,
  }
  if (there !== undefined && fresh.length === 0) return { id: there.id, created: false, ...counts }
  if (file.dryRun) return { id: there?.id ?? null, created: false, ...counts }
  return open(port, { file, channel, hash, totals, fresh, rows: rows.length }, counts)
}

interface Opening {
  readonly file: BatchAsk
  readonly channel: Channel
  readonly hash: string
  readonly totals: Record<string, string>
  readonly fresh: readonly { readonly payload: Record<string, string>; readonly key: string }[]
  readonly rows: number
}

const open = async (
  port: BatchPort,
  opening: Opening,
  counts: Omit<BatchAnswer, 'id' | 'created'>,
): Promise<BatchAnswer> => {
  const { file, channel, hash, totals, fresh, rows } = opening
  const wallMs = port.clock.wallMs()
  const batch: NewBatch = {
    id: port.newId('bat'),
    contentHash: hash,
    name: file.name,
    channel: channel.name,
    payer: channel.payer,
    rows,
    totals,
    actor: file.actor,
  }
  const audit: Command = {
    kind: 'audit.append',
    with: {
      wallMs,
      entries: [
        {
          actor: file.actor,
          action: 'batch.submitted',
          object: batch.id,
          decision: 'done',
          facts: { name: file.name, rows, newTasks: fresh.length, totals, contentHash: hash },
        },
      ],
    },
  }
  const extra: Command[] = [{ kind: 'batch.open', with: { batch, wallMs } }, audit]
  const tasks = fresh.map(({ payload, key }): TaskAsk => ({ type: settleTaskType, payload, key, batch: batch.id }))
  if (tasks.length > 0) await port.work.submit(tasks, extra)
  return { id: batch.id, created: true, ...counts }
}

/**
 * What a file would be to a record that knows nothing of it: its faults, rows and totals, without a sitter. What a
 * record has of it already is not looked at.
 *
 * @throws Failure as `submitBatch`.
 */
export const checkBatch = (
  { channels, tasks }: Pick<BatchPort, 'channels' | 'tasks'>,
  file: Pick<BatchAsk, 'name' | 'text'>,
): Promise<BatchAnswer> => {
  const nobody = (): never => {
    throw new Failure('bug', 'a check writes nothing')
  }
  const read = {
    tasksByKeys: async () => [],
    settlementsByReferences: async () => [],
    batchByContent: async () => undefined,
  }
  const port = { channels, tasks, read, work: { submit: nobody }, clock: { wallMs: nobody }, newId: nobody }
  return submitBatch(port, { ...file, channel: null, actor: 'nobody', dryRun: true })
}
