/**
 * The report at the end of a run: what became of the money, what it cost, which checks hold, and what is not known.
 * Pure.
 */
import type { AuditVerdict, BatchAnswer, BatchDescription, LedgerCheck, SwarmView } from '../api.ts'
import { auditLine } from './audit.ts'
import type { Checked, Judgement } from './judgement.ts'
import { amountsText, batchName, ledgerLines } from './money.ts'
import { isBatchOver } from './progress.ts'
import type { Printer } from './printer.ts'
import { facts, section } from './story.ts'
import { count, counted, duration, plain, tally } from './text.ts'

export interface Run {
  readonly answer: BatchAnswer | null
  readonly fileName: string | null
  readonly batch: BatchDescription | null
  readonly view: SwarmView
  readonly ledger: Checked<LedgerCheck>
  readonly audit: Checked<AuditVerdict>
  readonly judgement: Judgement
  /** From the start of the run to its end. */
  readonly ranMs: number
  readonly sitterRestarts: number
}

type States = SwarmView['settle']['byState']
const stateWords: Readonly<Record<string, string>> = {
  settled: 'paid, the provider said so',
  rejected: 'the provider said no',
  failed: 'proven not sent, tries spent',
  unknown: 'the provider may or may not have paid',
  cancelled: 'taken back before sending',
  returned: 'came back after settling',
}
/** These stand in every report, zero or not: a missing line must not pass for a zero. */
const always = ['settled', 'rejected', 'unknown']

const moneyFacts = (states: States): (readonly [string, string])[] =>
  [...new Set([...always, ...Object.keys(states)])].map((state) => {
    const entry = states[state] ?? { count: 0, amounts: {} }
    const words = stateWords[state] === undefined ? '' : ` (${stateWords[state]})`
    return [
      plain(state),
      entry.count === 0 ? '0' : `${count(entry.count)}, ${amountsText(entry.amounts)}${words}`,
    ] as const
  })

const mostUnknown = 10

const unknownLines = ({ settle }: SwarmView): string[] => {
  const shown = settle.unknown.slice(0, mostUnknown)
  const all = settle.byState['unknown']?.count ?? settle.unknown.length
  return [
    ...shown.map(
      (one) =>
        `${plain(one.reference)} (${plain(one.id)}): ${plain(one.why)}${one.person ? '; waits for a person' : ''}`,
    ),
    ...(all > shown.length ? [`… and ${count(all - shown.length)} more: sitter settlement ls --state unknown`] : []),
  ]
}

const settlementsOf = ({ settle }: SwarmView): number =>
  Object.values(settle.byState).reduce((sum, state) => sum + state.count, 0)

const durationFacts = (view: SwarmView): (readonly [string, string])[] =>
  Object.entries(view.durations).map(([type, one]) => [
    `time ${plain(type)}`,
    one === null
      ? 'none succeeded yet'
      : `p50 ${duration(one.p50)} · p95 ${duration(one.p95)} · p99 ${duration(one.p99)}, ` +
        `from submission to end of ${counted(one.count, 'task')}`,
  ])

const costText = ({ settle }: SwarmView): string => {
  const known = settle.cost.map(
    (one) =>
      `${plain(`${one.amount} ${one.currency}`)} for ${counted(one.calls, 'call')}, ` +
      `${plain(`${one.perSettlement} ${one.currency}`)} per settlement`,
  )
  const unknown = settle.costUnknown === 0 ? [] : [`unknown for ${counted(settle.costUnknown, 'call')}`]
  return [...known, ...unknown].join(' + ') || 'nothing was charged'
}

/** What the file came to: the sentence that a second start is about. */
export const headline = ({ answer, fileName, batch, view }: Run): string => {
  if (answer === null) return `${plain(view.name)}: no file was given; the record as it stands`
  const rows = counted(answer.rows, 'row')
  const name = batchName(answer)
  const file = fileName === null ? 'the file' : plain(fileName)
  if (answer.newTasks > 0) {
    return `${file}: ${rows} worth ${amountsText(answer.totals)}, ${count(answer.newTasks)} of them new (${name})`
  }
  const settled = batch?.settlements['settled']?.count ?? 0
  if (batch !== null && settled === answer.rows) return `nothing to pay: all ${rows} were settled before (${name})`
  const states = tally(
    Object.fromEntries(Object.entries(batch?.settlements ?? {}).map(([state, one]) => [state, one.count])),
  )
  if (batch !== null && isBatchOver(batch))
    return `nothing to pay: all ${rows} had their end before: ${states} (${name})`
  return `nothing new in ${file}: all ${rows} were known before: ${states} (${name})`
}

const checkText = <Value>(checked: Checked<Value>, text: (value: Value) => string): string =>
  typeof checked === 'object' && checked !== null && 'unchecked' in checked
    ? `NOT CHECKED: ${plain(checked.unchecked)}`
    : text(checked as Value)

const resultText = ({ judgement }: Run, paint: Printer['paint']): string => {
  if (judgement.broken.length > 0) return paint('red', `a promise is broken: ${judgement.broken.join('; ')}`)
  if (judgement.waiting > 0)
    return paint('yellow', `every check holds; ${counted(judgement.waiting, 'thing')} for a person: sitter inbox`)
  return paint('green', 'all work has ended and every check holds')
}

export const reportLines = (run: Run, paint: Printer['paint']): string[] => {
  const { view, batch } = run
  const { restarts, cellsLost } = view.fleet
  return [
    '',
    paint('bold', headline(run)),
    '',
    ...facts([
      ...moneyFacts(batch === null ? view.settle.byState : batch.settlements),
      [
        'retries',
        `${counted(view.settle.tries, 'payment request')} for ` +
          `${counted(settlementsOf(view), 'settlement')}; attempts of tasks: ${tally(view.work.attempts)}`,
      ],
      [
        'restarts',
        `${counted(restarts, 'agent')}, ${counted(cellsLost, 'cell')} lost, ` +
          `sitter ${run.sitterRestarts} during this run`,
      ],
      ...durationFacts(view),
      ['cost', costText(view)],
      [
        'agents',
        `${count(view.fleet.agents)} now; ${count(view.agentsThatSucceeded)} finished at least one of ` +
          'the newest 20,000 tasks',
      ],
      ['ledger', checkText(run.ledger, (check) => ledgerLines(check)[0]!)],
      ['audit', checkText(run.audit, auditLine)],
      ['ran', duration(run.ranMs)],
    ]),
    ...(view.settle.unknown.length === 0 ? [] : section('unknown, and why', unknownLines(view))),
    ...('unchecked' in run.ledger || run.ledger.ok ? [] : section('ledger', ledgerLines(run.ledger).slice(1))),
    ...(view.notBuilt.length === 0 ? [] : section('not built yet', view.notBuilt.map(plain))),
    '',
    resultText(run, paint),
  ]
}
