/** What a client may say about a task, and the audit entry of its saying so. */
import { z } from 'zod'
import type { Command } from '../../store/store.ts'
import type { TaskAsk } from '../../work/work.ts'
import type { Rooms } from './rooms.ts'

const name = z.string().min(1).max(200)

/** What a client may say about a task; id, state, attempt and the like are not its to say. */
export const taskBody = z.strictObject({
  type: name,
  payload: z.unknown().optional(),
  key: name.optional(),
  priority: z.int().min(0).max(9).optional(),
  delayMs: z
    .int()
    .min(0)
    .max(10 * 365 * 86_400_000)
    .optional(),
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
