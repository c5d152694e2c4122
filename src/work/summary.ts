/** All work at a glance, counted by the record. */
import type { Store } from '../store/store.ts'
import type { WorkSummary } from './port.ts'

/** `comesBack`: what a rule has parked comes back by itself. */
export const summaryOf = async ({ read }: Pick<Store, 'read'>, comesBack: boolean): Promise<WorkSummary> => {
  const byType: Record<string, Record<string, number>> = {}
  for (const { type, state, count } of await read.taskCounts()) (byType[type] ??= {})[state] = count
  const attempts = Object.fromEntries((await read.attemptCounts()).map(({ outcome, count }) => [outcome, count]))
  const moving = Object.values(byType).some((states) => (states['ready'] ?? 0) + (states['running'] ?? 0) > 0)
  return { byType, attempts, idle: !moving && !comesBack && (await read.nextTaskDueMs()) === null }
}
