/** `settle`, `batch`, `settlement`, `ledger`: money, looked at and decided on. */
import { basename, resolve } from 'node:path'
import { failure } from '../../std/std.ts'
import type { BatchView, IntentView } from '../../store/store.ts'
import type {
  AccountAnswer,
  BatchAnswer,
  BatchDescription,
  LedgerCheck,
  List,
  SettlementAnswer,
  SettlementDescription,
  TransferAnswer,
} from '../api.ts'
import { confirm, onlyDry, required, waitUntil } from './asking.ts'
import type { Api } from './client.ts'
import { eventLine, facts, section } from './story.ts'
import { tableLines } from './table.ts'
import { age, at, count, counted, duration, plain, tally } from './text.ts'
import type { Surroundings } from './surroundings.ts'
import type { Deed, Invocation } from './verb.ts'
import { textOrFile } from './work.ts'

/** "12.00 EUR + 3.00 XTS"; "nothing" when there is no amount. */
export const amountsText = (amounts: Readonly<Record<string, string>>): string => {
  const parts = Object.entries(amounts).map(([currency, amount]) => `${plain(amount)} ${plain(currency)}`)
  return parts.length === 0 ? 'nothing' : parts.join(' + ')
}

/** Reads a settle file before anything is started. Rejects `usage` when it cannot be read. */
export const readSettleFile = async (
  world: Surroundings,
  given: string,
): Promise<{ readonly name: string; readonly text: string }> => {
  const path = resolve(world.directory, given)
  if (/\.(xml|ndjson|jsonl)$/i.test(path)) {
    throw failure('usage', 'payment files in XML (pain.001) and NDJSON are not built yet in this version', {
      facts: { wayOut: 'give the rows as CSV: reference,payee,amount,currency[,channel,memo]' },
    })
  }
  try {
    return { name: basename(path), text: await world.disk.readText(path) }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw failure('usage', `there is no file ${path}`, { cause: error, facts: { wayOut: 'check the path' } })
    throw failure('usage', `cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}

const batchWithinMs = 120_000

export const sendBatch = (
  api: Api,
  file: { readonly name: string; readonly text: string },
  how: { readonly channel?: string | undefined; readonly dryRun?: boolean },
): Promise<BatchAnswer> =>
  api.post<BatchAnswer>('/api/v1/batches', undefined, {
    query: { name: file.name, channel: how.channel, dryRun: how.dryRun ? 'true' : undefined },
    text: { type: 'text/csv', body: file.text },
    withinMs: batchWithinMs,
  })

/** Only a dry run of an unknown file has no id. */
export const batchName = (answer: BatchAnswer): string => answer.id ?? 'no batch yet'

/** One sentence about what the sitter made of a file. */
export const batchSentence = (answer: BatchAnswer, dryRun: boolean): string => {
  const rows = `${counted(answer.rows, 'row')} worth ${amountsText(answer.totals)}`
  if (dryRun) {
    const known = `${count(answer.alreadyThere)} are known already`
    return `${rows}: ${count(answer.newTasks)} would be paid, ${known}; nothing was done (--dry-run)`
  }
  if (answer.newTasks === 0) return `${batchName(answer)}: nothing new: all ${rows} are known already`
  const known = answer.alreadyThere > 0 ? `, ${count(answer.alreadyThere)} known already` : ''
  return `${batchName(answer)}: ${rows}, ${count(answer.newTasks)} to pay${known}`
}

/** True when every task of the batch has ended. */
const batchEnded = (batch: BatchDescription): boolean =>
  Object.entries(batch.tasks).every(
    ([state, number]) => number === 0 || state === 'succeeded' || state === 'dead' || state === 'cancelled',
  )

/** 0 = everything was settled or refused by the provider for good; 4 = something waits for a person. */
const batchExit = (batch: BatchDescription): number =>
  (batch.tasks['dead'] ?? 0) > 0 ||
  (batch.settlements['unknown']?.count ?? 0) > 0 ||
  (batch.settlements['held']?.count ?? 0) > 0
    ? 4
    : 0

export const settle: Deed = async (invocation) => {
  const { options, printer, world } = invocation
  const file = await readSettleFile(world, required(invocation, 0))
  const dryRun = options.flag('dryRun')
  const api = await invocation.api()
  const answer = await sendBatch(api, file, { channel: options.text('channel'), dryRun })
  if (!options.flag('wait') || dryRun) {
    printer.show(answer, () => [printer.quiet ? batchName(answer) : batchSentence(answer, dryRun)])
    return 0
  }
  printer.note(batchSentence(answer, dryRun))
  const batch = await waitUntil(invocation, `batch ${batchName(answer)}`, async () => {
    const now = await api.get<BatchDescription>(`/api/v1/batches/${batchName(answer)}`)
    return batchEnded(now) ? now : undefined
  })
  printer.show(batch, () => batchLines(batch))
  return batchExit(batch)
}

const outcomeText = ({ accepted, rejected, inDoubt, open }: BatchDescription['outcome']): string =>
  `${count(accepted)} accepted, ${count(rejected)} rejected, ${count(inDoubt)} in doubt, ${count(open)} open`

const batchLines = (batch: BatchDescription): string[] => [
  ...facts([
    ['batch', batch.id],
    ['file', plain(batch.name)],
    ['rows', `${count(batch.rows)}, worth ${amountsText(batch.totals)}`],
    ['paid by', `${plain(batch.payer)} through ${plain(batch.channel)}`],
    ['taken', `${at(batch.createdMs)} from ${plain(batch.actor)}`],
    ['content', `sha256 ${plain(batch.contentHash)}`],
    ['tasks', tally(batch.tasks)],
    ['came of it', outcomeText(batch.outcome)],
  ]),
  ...section(
    'settlements',
    Object.entries(batch.settlements).map(
      ([state, { count: number, amounts }]) => `${count(number)} ${plain(state)}: ${amountsText(amounts)}`,
    ),
  ),
]

export const describeBatch = async (invocation: Invocation, api: Api, id: string): Promise<number> => {
  const batch = await api.get<BatchDescription>(`/api/v1/batches/${encodeURIComponent(id)}`)
  invocation.printer.show(batch, () => batchLines(batch))
  return 0
}
export const batchShow: Deed = async (invocation) =>
  describeBatch(invocation, await invocation.api(), required(invocation, 0))

export const batchList: Deed = async ({ api, options, printer, world }) => {
  const batches = await (await api()).all<BatchView>('/api/v1/batches', {}, options.whole('limit'))
  const nowMs = world.clock.wallMs()
  printer.list(batches, (batch) => batch.id, [
    { head: 'BATCH', value: (batch) => batch.id },
    { head: 'FILE', value: (batch) => batch.name, shrink: true },
    { head: 'ROWS', value: (batch) => count(batch.rows), align: 'right' },
    { head: 'WORTH', value: (batch) => amountsText(batch.totals), align: 'right' },
    { head: 'CHANNEL', value: (batch) => batch.channel },
    { head: 'AGE', value: (batch) => age(nowMs, batch.createdMs), align: 'right' },
    { head: 'BY', value: (batch) => batch.actor, shrink: true },
  ])
  return 0
}

export const settlementList: Deed = async ({ api, options, printer, world }) => {
  const query = {
    state: options.text('state'),
    batch: options.text('batch'),
    channel: options.text('channel'),
    person: options.flag('person') ? 'true' : undefined,
  }
  const settlements = await (await api()).all<SettlementAnswer>('/api/v1/settlements', query, options.whole('limit'))
  const nowMs = world.clock.wallMs()
  printer.list(settlements, (settlement) => settlement.id, [
    { head: 'SETTLEMENT', value: (one) => one.id },
    { head: 'REFERENCE', value: (one) => one.reference },
    { head: 'PAYEE', value: (one) => one.payee, shrink: true },
    { head: 'AMOUNT', value: (one) => `${one.amount} ${one.currency}`, align: 'right' },
    { head: 'STATE', value: (one) => one.state },
    { head: 'TRIES', value: (one) => String(one.tries), align: 'right' },
    { head: 'SINCE', value: (one) => age(nowMs, one.updatedMs), align: 'right' },
    {
      head: 'WAITS FOR',
      value: (one) =>
        one.person
          ? 'a person'
          : one.nextMs === null
            ? ''
            : one.nextMs <= nowMs
              ? 'its turn'
              : duration(one.nextMs - nowMs),
    },
    { head: 'REASON', value: (one) => one.reason ?? '', shrink: true },
  ])
  return 0
}

const intentLines = (intents: readonly IntentView[], nowMs: number): string[] =>
  tableLines(
    intents,
    [
      { head: 'NO', value: (intent) => String(intent.number), align: 'right' },
      { head: 'KIND', value: (intent) => intent.kind },
      { head: 'WRITTEN', value: (intent) => `${age(nowMs, intent.writtenMs)} ago`, align: 'right' },
      { head: 'OUTCOME', value: (intent) => intent.outcome ?? 'open' },
      { head: 'JOURNAL', value: (intent) => String(intent.journal ?? '–'), align: 'right' },
      { head: 'COST', value: (intent) => intent.cost ?? '–', align: 'right' },
      { head: 'EVIDENCE', value: (intent) => intent.evidence ?? '' },
    ],
    null,
  )

const transferColumns = [
  { head: 'SEQ', value: (one: TransferAnswer) => String(one.seq), align: 'right' },
  { head: 'KIND', value: (one: TransferAnswer) => one.kind },
  { head: 'DEBIT', value: (one: TransferAnswer) => one.debit },
  { head: 'CREDIT', value: (one: TransferAnswer) => one.credit },
  { head: 'AMOUNT', value: (one: TransferAnswer) => `${one.amount} ${one.currency}`, align: 'right' },
  { head: 'SETTLEMENT', value: (one: TransferAnswer) => one.settlement ?? '–' },
  { head: 'AT', value: (one: TransferAnswer) => at(one.wallMs) },
] as const

/** What a person can do about one that waits for a person. */
const wayOf = ({ id, state }: SettlementAnswer): string => {
  if (state === 'held') return `sitter settlement release ${plain(id)}, or cancel`
  return state === 'reserved'
    ? `it was not sent: mend the reason, then sitter settlement hold ${plain(id)} and release it; or cancel it`
    : `sitter settlement resolve ${plain(id)} --as settled|absent --evidence @file`
}

const settlementLines = (one: SettlementDescription, nowMs: number): string[] => [
  ...facts([
    ['settlement', one.id],
    ['state', `${one.state} for ${age(nowMs, one.updatedMs)}${one.reason === null ? '' : `: ${plain(one.reason)}`}`],
    [
      'next',
      one.person
        ? `a person decides: ${wayOf(one)}`
        : one.nextMs === null
          ? null
          : one.nextMs <= nowMs
            ? 'now'
            : `in ${duration(one.nextMs - nowMs)}`,
    ],
    ['amount', `${plain(one.amount)} ${plain(one.currency)}`],
    ['payee', plain(one.payee)],
    ['reference', `${plain(one.reference)} of ${plain(one.payer)}`],
    ['channel', plain(one.channel)],
    ['key', `${plain(one.providerKey)} (the provider's idempotency key)`],
    ['provider', one.providerReference === null ? null : plain(one.providerReference)],
    ['tries', String(one.tries)],
    ['task', one.task],
    ['agent', one.agent],
    ['batch', one.batch],
    ['created', at(one.createdMs)],
  ]),
  ...section('requests', one.intents.length === 0 ? [] : intentLines(one.intents, nowMs)),
  ...section('transfers', one.transfers.length === 0 ? [] : tableLines(one.transfers, transferColumns, null)),
  ...section('events', one.timeLine.map(eventLine)),
]

export const describeSettlement = async (invocation: Invocation, api: Api, id: string): Promise<number> => {
  const settlement = await api.get<SettlementDescription>(`/api/v1/settlements/${encodeURIComponent(id)}`)
  invocation.printer.show(settlement, () => settlementLines(settlement, invocation.world.clock.wallMs()))
  return 0
}
export const settlementShow: Deed = async (invocation) =>
  describeSettlement(invocation, await invocation.api(), required(invocation, 0))

export const settlementResolve: Deed = async (invocation) => {
  const { options, printer } = invocation
  const id = required(invocation, 0)
  const as = options.text('as')
  const given = options.text('evidence')
  if (as !== 'settled' && as !== 'absent')
    throw failure('usage', 'say what became of it: --as settled (the provider has it) or --as absent (it does not)')
  if (given === undefined) throw failure('usage', 'say how you know: --evidence "text", or --evidence @file')
  const evidence = (await textOrFile(invocation, given)).trim()
  if (evidence === '') throw failure('usage', 'the evidence is empty')
  const api = await invocation.api()
  const settlement = await api.get<SettlementDescription>(`/api/v1/settlements/${encodeURIComponent(id)}`)
  const { amount, currency, payee, reference } = settlement
  const what = plain(`${amount} ${currency} to ${payee} (${reference})`)
  if (onlyDry(invocation, `resolve ${what} as ${as}`, { id, as, evidence })) return 0
  const effect = as === 'absent' ? 'It may be paid again.' : 'It counts as paid.'
  await confirm(invocation, `resolve ${what} as ${as}? ${effect}`, as)
  const answer = await api.post<unknown>(`/api/v1/settlements/${encodeURIComponent(id)}/resolve`, { as, evidence })
  printer.show(answer, () => [`resolved as ${as}: ${what}`])
  return 0
}

export const ledgerAccounts: Deed = async ({ api, printer }) => {
  const accounts = (await (await api()).get<List<AccountAnswer>>('/api/v1/ledger/accounts')).items
  printer.list(accounts, (account) => `${account.code} ${account.currency}`, [
    { head: 'ACCOUNT', value: (one) => one.code },
    { head: 'CURRENCY', value: (one) => one.currency },
    { head: 'DEBITS', value: (one) => one.debitsPosted, align: 'right' },
    { head: 'CREDITS', value: (one) => one.creditsPosted, align: 'right' },
    { head: 'DEBITS PENDING', value: (one) => one.debitsPending, align: 'right' },
    { head: 'CREDITS PENDING', value: (one) => one.creditsPending, align: 'right' },
  ])
  return 0
}

export const ledgerTransfers: Deed = async ({ api, options, printer }) => {
  const transfers = await (
    await api()
  ).all<TransferAnswer>('/api/v1/ledger/transfers', { settlement: options.text('settlement') }, options.whole('limit'))
  printer.list(transfers, (one) => one.id, transferColumns)
  return 0
}

/** "balanced: 20,000 transfers, …" or what is wrong. */
export const ledgerLines = (check: LedgerCheck): string[] => [
  check.ok
    ? `balanced: ${counted(check.transfers, 'transfer')} over ${counted(check.accounts, 'account')}`
    : `NOT BALANCED: ${counted(check.faults.length, 'fault')}`,
  ...check.byCurrency.map((one) =>
    plain(`${one.currency}: debits ${one.debits}, credits ${one.credits}, pending ${one.pending}`),
  ),
  ...check.faults.map((fault) => `- ${plain(fault)}`),
]

export const ledgerCheck: Deed = async ({ api, printer }) => {
  const check = await (await api()).get<LedgerCheck>('/api/v1/ledger/check', {}, 120_000)
  printer.show(check, () => ledgerLines(check))
  return check.ok ? 0 : 1
}
