/** What a client may say about a task, and the audit entry of its saying so. */
import { z } from 'zod'
import { failedPolicies } from '../../model/model.ts'
import type { Command } from '../../store/store.ts'
import type { TaskAsk } from '../../work/work.ts'
import type { Rooms } from './rooms.ts'

const longestMs = 10 * 365 * 86_400_000
const name = z.string().min(1).max(200)

/** What a client may say about a task; id, state, attempt and the like are not its to say. */
export const taskBody = z.strictObject({
  type: name,
  payload: z.unknown().optional(),
  key: name.optional(),
  priority: z.int().min(0).max(9).optional(),
  delayMs: z.int().min(0).max(longestMs).optional(),
  /** It must end within this time after its first possible start. */
  deadlineMs: z.int().min(1).max(longestMs).optional(),
  /** Ids of tasks that must have succeeded before. */
  after: z.array(name).max(100).optional(),
  onFailed: z.enum(failedPolicies).optional(),
})

const version = z.int().min(1).optional()

/** `payload` replaces the task's payload as a new version, when the newest is still `version` (any when absent). */
export const retryBody = z.strictObject({ payload: z.unknown().optional(), version })

export const redriveBody = z.strictObject({
  type: name.optional(),
  /** Part of the error's name, message or code. */
  error: z.string().min(1).max(500).optional(),
  /** Died at or after this wall time. */
  sinceMs: z.int().min(0).optional(),
  /** Of which an attempt did part. */
  partial: z.literal(true).optional(),
  limit: z.int().min(1).max(100_000).optional(),
  ratePerSecond: z.number().min(0.001).max(100_000).optional(),
  /** Selects everything when nothing else is said: it must be said. */
  all: z.literal(true).optional(),
  dryRun: z.boolean().optional(),
})

/** The audit entry that joins a submission's transaction. */
export const submitAudit = (rooms: Rooms, actor: string, tasks: readonly TaskAsk[]): Command => ({
  kind: 'audit.append',
  with: {
    wallMs: rooms.clock.wallMs(),
    entries: [
      {
        actor,
        action: 'task.submit',
        object: tasks.length === 1 ? `task type ${tasks[0]!.type}` : `${tasks.length} tasks`,
        decision: 'done',
        facts: { count: tasks.length, types: [...new Set(tasks.map((task) => task.type))].toSorted() },
      },
    ],
  },
})
