/**
 * The figures that are counted in the record, and therefore are the same after any restart, and the same as a count of
 * what `export` gives. Nothing is counted beside it.
 */
import type { Queries } from '../../store/store.ts'
import { counter, gauge, summary, type Family } from './family.ts'

type Read = Pick<
  Queries,
  | 'taskCounts'
  | 'leftCounts'
  | 'attemptCounts'
  | 'partialCounts'
  | 'settlementCounts'
  | 'costTotals'
  | 'auditHead'
  | 'taskDurations'
  | 'taskWaits'
>

const taskEnds = new Set(['succeeded', 'dead', 'cancelled'])
const settlementEnds = new Set(['settled', 'rejected', 'failed', 'cancelled', 'returned'])
const notExplained = new Set(['unknown'])

/** Ends that are, and ends that were left again: a count of these two never falls. */
const endsOf = async (read: Read, counts: Awaited<ReturnType<Read['taskCounts']>>) => {
  const sums = new Map<string, { readonly type: string; readonly outcome: string; count: number }>()
  const now = counts.filter(({ state }) => taskEnds.has(state))
  const left = await read.leftCounts()
  for (const { type, outcome, count } of [...now.map((one) => ({ ...one, outcome: one.state as string })), ...left]) {
    const key = JSON.stringify([type, outcome])
    const sum = sums.get(key)
    if (sum === undefined) sums.set(key, { type, outcome, count })
    else sum.count += count
  }
  return [...sums.values()]
}

const taskFamilies = async (read: Read): Promise<Family[]> => {
  const counts = await read.taskCounts()
  const attempts = await read.attemptCounts()
  const ended = await endsOf(read, counts)
  const dead = counts.filter(({ state }) => state === 'dead')
  return [
    gauge(
      'sitter_tasks',
      'Tasks by type and state.',
      counts.map(({ type, state, count }) => [{ type, state }, count]),
    ),
    counter(
      'sitter_tasks_finished_total',
      'Ends of tasks, by type and end; one that is given another life may end again, and counts again.',
      ended.map(({ type, outcome, count }) => [{ type, outcome }, count]),
    ),
    counter(
      'sitter_attempts_total',
      'Attempts that ended, by outcome.',
      attempts.filter(({ outcome }) => outcome !== 'running').map(({ outcome, count }) => [{ outcome }, count]),
    ),
    counter(
      'sitter_tasks_partial_total',
      'Attempts that ended with part of their work done, by task type.',
      (await read.partialCounts()).map(({ type, count }) => [{ type }, count]),
    ),
    gauge(
      'sitter_dead_letters',
      'Tasks that wait as dead letters.',
      dead.map(({ type, count }) => [{ type }, count]),
    ),
  ]
}

const durationFamily = async (read: Read, types: readonly string[]): Promise<Family> => {
  const rows = await Promise.all(types.map(async (type) => ({ type, found: await read.taskDurations(type) })))
  return summary(
    'sitter_task_duration_seconds',
    'From submission to success; quantiles of the newest 20,000 tasks.',
    rows.flatMap(({ type, found }) => {
      if (found === null) return []
      const { count, p50, p95, p99 } = found
      return [{ labels: { type }, count, p50: p50 / 1_000, p95: p95 / 1_000, p99: p99 / 1_000 }]
    }),
  )
}

const waitFamily = async (read: Read, types: readonly string[]): Promise<Family> => {
  const rows = await Promise.all(types.map(async (type) => ({ type, found: await read.taskWaits(type) })))
  return summary(
    'sitter_task_wait_seconds',
    'From when a task could start to its first start; quantiles of the newest 20,000 tasks that waited for no others.',
    rows.flatMap(({ type, found }) => {
      if (found === null) return []
      const { p50, p95, p99 } = found
      return [{ labels: { type }, count: null, p50: p50 / 1_000, p95: p95 / 1_000, p99: p99 / 1_000 }]
    }),
  )
}

/** The channel of all costs: with several channels the record's sums do not tell which, and this says so. */
const costChannel = (channels: readonly string[]): string => (channels.length === 1 ? channels[0]! : 'any')

const moneyFamilies = async (read: Read, channels: readonly string[]): Promise<Family[]> => {
  const counts = await read.settlementCounts()
  const { known: costs } = await read.costTotals()
  const states = new Map<string, Map<string, number>>()
  for (const { channel, state, count } of counts) {
    const of = states.get(channel) ?? new Map<string, number>()
    states.set(channel, of.set(state, (of.get(state) ?? 0) + count))
  }
  const rows = [...states].flatMap(([channel, of]) => [...of].map(([state, count]) => ({ channel, state, count })))
  const all = rows.reduce((sum, { count }) => sum + count, 0)
  const open = rows.filter(({ state }) => notExplained.has(state)).reduce((sum, { count }) => sum + count, 0)
  return [
    gauge(
      'sitter_settlements',
      'Settlements by channel and state.',
      rows.map(({ channel, state, count }) => [{ channel, state }, count]),
    ),
    counter(
      'sitter_settlements_total',
      'Settlements that ended, by channel and end.',
      rows
        .filter(({ state }) => settlementEnds.has(state))
        .map(({ channel, state, count }) => [{ channel, outcome: state }, count]),
    ),
    counter(
      'sitter_settlement_cost_total',
      'What the calls of settlements cost, in major units of the currency.',
      costs.map(({ currency, amount }) => [{ channel: costChannel(channels), currency }, Number(amount)]),
    ),
    // Without a settlement there is no share: then the series is absent rather than a good number.
    ...(all === 0
      ? []
      : [
          gauge('sitter_explained_money_ratio', 'Share of settlements whose outcome is not unknown.', [
            [{}, (all - open) / all],
          ]),
        ]),
  ]
}

/** `types` and `channels` are those of the configuration. Rejects when the record cannot be read. */
export const recordFamilies = async (
  read: Read,
  types: readonly string[],
  channels: readonly string[],
): Promise<readonly Family[]> => [
  ...(await taskFamilies(read)),
  await durationFamily(read, types),
  await waitFamily(read, types),
  ...(await moneyFamilies(read, channels)),
  counter('sitter_audit_entries_total', 'Entries of the audit chain.', [[{}, (await read.auditHead()).seq]]),
]
