/**
 * How far a run is, from samples of the API; pure, so that the view on the terminal and the plain lines say the same.
 */
import type { BatchDescription, SwarmView } from '../api.ts'
import type { Printer } from './printer.ts'
import { fit, count, duration, plain } from './text.ts'

export interface Sample {
  /** Monotonic ms at which it was read. */
  readonly readMs: number
  readonly view: SwarmView
  readonly batch: BatchDescription | null
}

export interface Progress {
  readonly name: string
  /** The file has been given but its batch is not known yet: there is nothing to count. */
  readonly isTaking: boolean
  readonly agents: number
  /** Idle or busy: living and answering. */
  readonly ready: number
  /** A file is being paid, or there is a settlement of any state. */
  readonly hasPayments: boolean
  readonly settled: number
  readonly rejected: number
  readonly unknown: number
  readonly failed: number
  /** Tasks that have not ended. */
  readonly toGo: number
  readonly total: number
  /** Ended tasks a second over the last samples; null until two samples tell. */
  readonly rate: number | null
  readonly leftMs: number | null
  readonly restarts: number
}

/** Samples older than this do not count for the rate: long enough to be calm, short enough to be true. */
const rateWindowMs = 10_000
const shortestWindowMs = 1_500

const tasksOf = ({ view, batch }: Sample): Readonly<Record<string, number>> => {
  if (batch !== null) return batch.tasks
  const sums: Record<string, number> = {}
  for (const states of Object.values(view.work.byType)) {
    for (const [state, number] of Object.entries(states)) sums[state] = (sums[state] ?? 0) + number
  }
  return sums
}

const endedOf = (tasks: Readonly<Record<string, number>>): number =>
  (tasks['succeeded'] ?? 0) + (tasks['dead'] ?? 0) + (tasks['cancelled'] ?? 0)
const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, number) => total + number, 0)

const rateOf = (samples: readonly Sample[]): number | null => {
  const last = samples.at(-1)
  const first = last && samples.find((sample) => last.readMs - sample.readMs <= rateWindowMs)
  if (last === undefined || first === undefined || last.readMs - first.readMs < shortestWindowMs) return null
  return Math.max(0, endedOf(tasksOf(last)) - endedOf(tasksOf(first))) / ((last.readMs - first.readMs) / 1_000)
}

/** What the newest sample says; the older ones only give the rate. At least one sample. */
export const progressOf = (samples: readonly Sample[], expectsBatch = false): Progress => {
  const last = samples.at(-1)!
  const { view, batch } = last
  const tasks = tasksOf(last)
  const settlements = batch === null ? view.settle.byState : batch.settlements
  const toGo = sum(tasks) - endedOf(tasks)
  const rate = rateOf(samples)
  return {
    name: view.name,
    isTaking: expectsBatch && batch === null,
    agents: view.fleet.agents,
    ready: (view.fleet.byState.idle ?? 0) + (view.fleet.byState.busy ?? 0),
    hasPayments: batch !== null || Object.values(settlements).some((one) => one.count > 0),
    settled: settlements['settled']?.count ?? 0,
    rejected: settlements['rejected']?.count ?? 0,
    unknown: settlements['unknown']?.count ?? 0,
    failed: settlements['failed']?.count ?? 0,
    toGo,
    total: sum(tasks),
    rate,
    // Whole seconds: a tail that waits for its provider is no matter of milliseconds.
    leftMs: rate === null || rate === 0 ? null : Math.ceil(toGo / rate) * 1_000,
    restarts: view.fleet.restarts,
  }
}

const settlementEnds = new Set(['settled', 'rejected', 'failed', 'cancelled', 'returned'])

/**
 * True when the batch's tasks have ended and none of its settlements is under way (an unknown one may still be asked
 * about).
 */
export const isBatchOver = (batch: BatchDescription): boolean =>
  endedOf(batch.tasks) === sum(batch.tasks) &&
  Object.entries(batch.settlements).every(([state, one]) => one.count === 0 || settlementEnds.has(state))

/** True when nothing of the run can go on without a person: the whole swarm is idle, or the batch is over. */
export const isRunOver = ({ view, batch }: Sample): boolean => view.idle || (batch !== null && isBatchOver(batch))

/** Whether what is shown is what is: `live`, or silent since some ms (the numbers are then that old). */
export type Freshness =
  | { readonly kind: 'live' }
  | { readonly kind: 'silent'; readonly forMs: number; readonly lastMs: number }

const paceText = (progress: Progress): string => {
  if (progress.isTaking) return 'not begun'
  if (progress.toGo === 0) return 'nothing left to do'
  const rate =
    progress.rate === null
      ? 'measuring'
      : `${progress.rate >= 10 ? count(Math.round(progress.rate)) : progress.rate.toFixed(1)}/s`
  return `${rate} · ${progress.leftMs === null ? 'end not known' : `about ${duration(progress.leftMs)} to go`}`
}

/** Tasks that pay nobody are no payments: where there is no settlement, only tasks are told of. */
const moneyText = (progress: Progress): string =>
  progress.isTaking
    ? 'the file is being read'
    : !progress.hasPayments
      ? `${count(progress.toGo)} tasks to go of ${count(progress.total)}`
      : [
          `${count(progress.settled)} settled`,
          `${count(progress.rejected)} rejected`,
          `${count(progress.unknown)} unknown`,
          ...(progress.failed > 0 ? [`${count(progress.failed)} failed`] : []),
          `${count(progress.toGo)} to go of ${count(progress.total)}`,
        ].join(' · ')

const silentText = (freshness: Freshness): string | null =>
  freshness.kind === 'live'
    ? null
    : `no answer from the sitter for ${duration(freshness.forMs)}; ` +
      `the numbers are ${duration(freshness.lastMs)} old`

/**
 * Everything in one line, for logs and pipes. Rate and time left are apart, so that a caller can tell change from
 * jitter.
 */
export const plainProgress = (
  progress: Progress,
  freshness: Freshness,
  sitterRestarts: number,
): { readonly what: string; readonly pace: string } => {
  const restarts = `restarts ${count(progress.restarts)}${sitterRestarts > 0 ? ` (sitter ${sitterRestarts})` : ''}`
  const agents = `agents ${count(progress.ready)}/${count(progress.agents)} ready`
  const what = `${agents} · ${moneyText(progress)} · ${restarts}`
  // That it restarts is not known: it may hang, or the machine may be busy. How often it has, its epoch says.
  return freshness.kind === 'live'
    ? { what, pace: paceText(progress) }
    : { what: `no answer from the sitter, numbers are old: ${what}`, pace: `silent for ${duration(freshness.forMs)}` }
}

const barColumns = 40

const bar = (progress: Progress, paint: Printer['paint']): string => {
  const share = progress.total === 0 || progress.isTaking ? 0 : (progress.total - progress.toGo) / progress.total
  const done = Math.floor(share * barColumns)
  const rest = paint('dim', '─'.repeat(barColumns - done))
  return `${paint('green', '━'.repeat(done))}${rest} ${Math.floor(share * 100)} %`
}

/**
 * The calm view of a terminal: the same lines in the same places. `columns` cuts them, so that the repaint counts
 * right.
 */
export const liveLines = (
  progress: Progress,
  around: {
    readonly freshness: Freshness
    readonly sitterRestarts: number
    readonly ranMs: number
    readonly loginUrl: string
    readonly columns: number
  },
  paint: Printer['paint'],
): string[] => {
  const silent = silentText(around.freshness)
  const cut = (text: string): string => fit(text, around.columns - 1)
  const again = around.sitterRestarts > 0 ? ` · sitter restarted ${around.sitterRestarts}×` : ''
  const restarts = `restarts ${count(progress.restarts)}${again}`
  const numbers = [
    `agents    ${count(progress.ready)} ready of ${count(progress.agents)} · ${restarts}`,
    `${progress.hasPayments || progress.isTaking ? 'payments' : 'work    '}  ${moneyText(progress)}`,
    `pace      ${paceText(progress)} · running ${duration(around.ranMs)}`,
  ].map(cut)
  return [
    silent === null
      ? paint('bold', cut(plain(progress.name)))
      : paint('yellow', cut(`${plain(progress.name)}: ${silent}`)),
    ...(silent === null ? numbers : numbers.map((line) => paint('dim', line))),
    ...(around.columns > barColumns + 8 ? [bar(progress, paint)] : []),
    cut(`dashboard ${around.loginUrl}`),
  ]
}
