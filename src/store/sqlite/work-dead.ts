/** SQL of dead letters and of another payload: what a person makes of a task that came to no good end. */
import { taskAfter, type TaskEvent } from '../../model/model.ts'
import type { Result } from '../commands/result.ts'
import type { DeadDiscard, DeadMoved, DeadRedrive, TaskEdit } from '../commands/work.ts'
import { taskState, type TaskRow } from './rows.ts'
import { done, refuse, type Session } from './session.ts'
import { archiveAttempt, errorOf, replacePayload, silent, writeState } from './work-end.ts'

const taskRow = (session: Session, id: string): TaskRow | undefined =>
  session.one<TaskRow>('SELECT * FROM tasks WHERE id = ?', id)

interface Closing {
  readonly closed: 'redriven' | 'discarded'
  readonly event: TaskEvent
  readonly actor: string
  readonly wallMs: number
}

const close = (session: Session, id: string, closing: Closing): DeadMoved & { readonly row?: TaskRow } => {
  const row = taskRow(session, id)
  if (!row) return { task: id, outcome: 'not-found' }
  if (row.state !== 'dead') return { task: id, outcome: 'not-dead' }
  const { closed, event, actor, wallMs } = closing
  session.run(
    'UPDATE dead_letters SET closed = ?, closed_ms = ?, actor = ? WHERE task = ? AND life = ? AND closed IS NULL',
    closed,
    wallMs,
    actor,
    id,
    row.life,
  )
  const next = taskAfter(taskState(row), event)
  writeState(session, row, next, { ...silent, event, error: closed === 'redriven' ? null : errorOf(row), wallMs })
  return { task: id, outcome: 'done', row }
}

/** A deadline of its first length from the first possible start on: the old one has passed, or will soon. */
const beginAnew = (session: Session, row: TaskRow, fromMs: number): void => {
  archiveAttempt(session, row.seq)
  session.run(
    `UPDATE tasks SET attempts = 0, deaths = 0, life = life + 1, not_before_ms = NULL, deadline_ms = ? + span_ms
     WHERE seq = ?`,
    fromMs,
    row.seq,
  )
}

export const deadRedrive = (session: Session, { items, actor, wallMs }: DeadRedrive['with']): Result<DeadMoved[]> =>
  done(
    items.map(({ task, untilMs }) => {
      const later = untilMs !== null && untilMs > wallMs ? untilMs : null
      const event = { event: 'redrive', untilMs: later } as const
      const { row, ...moved } = close(session, task, { closed: 'redriven', event, actor, wallMs })
      if (row) beginAnew(session, row, later ?? wallMs)
      return moved
    }),
  )

export const deadDiscard = (session: Session, { tasks, actor, wallMs }: DeadDiscard['with']): Result<DeadMoved[]> =>
  done(
    tasks.map((task) => {
      const { row: _, ...moved } = close(session, task, {
        closed: 'discarded',
        event: { event: 'discard' },
        actor,
        wallMs,
      })
      return moved
    }),
  )

const editable: ReadonlySet<string> = new Set(['blocked', 'ready', 'waiting', 'dead'])

export const taskEdit = (
  session: Session,
  { task, payload, expectVersion, actor, wallMs }: TaskEdit['with'],
): Result<{ version: number }> => {
  const row = taskRow(session, task)
  if (!row) return refuse('not-found', task)
  if (!editable.has(row.state)) return refuse('illegal', `the payload of a task that is ${row.state} stays as it is`)
  if (expectVersion !== null && expectVersion !== row.version)
    return refuse('stale', `the payload of ${task} is at version ${row.version}`)
  replacePayload(session, row, { payload, actor, wallMs })
  return done({ version: row.version + 1 })
}
