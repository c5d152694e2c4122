/** SQL of dead letters and of another payload: what a person makes of a task that came to no good end. */
import { taskAfter, type TaskEvent } from '../../model/model.ts'
import type { Result } from '../commands/result.ts'
import type { DeadDiscard, DeadMoved, DeadRedrive, TaskEdit } from '../commands/work.ts'
import { taskState, type TaskRow } from '../sqlite/rows.ts'
import { errorOf, silent } from '../sqlite/work-end.ts'
import { done, refuse, type Session } from './session.ts'
import { archiveAttempt, writeStates } from './work-end.ts'

const taskRow = (session: Session, id: string): Promise<TaskRow | undefined> =>
  session.one<TaskRow>('SELECT * FROM tasks WHERE id = $1 FOR UPDATE', id)

interface Closing {
  readonly closed: 'redriven' | 'discarded'
  readonly event: TaskEvent
  readonly actor: string
  readonly wallMs: number
}

const close = async (
  session: Session,
  id: string,
  closing: Closing,
): Promise<DeadMoved & { readonly row?: TaskRow }> => {
  const row = await taskRow(session, id)
  if (!row) return { task: id, outcome: 'not-found' }
  if (row.state !== 'dead') return { task: id, outcome: 'not-dead' }
  const { closed, event, actor, wallMs } = closing
  await session.run(
    'UPDATE dead_letters SET closed = $1, closed_ms = $2, actor = $3 WHERE task = $4 AND life = $5 AND closed IS NULL',
    closed,
    wallMs,
    actor,
    id,
    row.life,
  )
  const next = taskAfter(taskState(row), event)
  const error = closed === 'redriven' ? null : errorOf(row)
  await writeStates(session, [{ row, next, writing: { ...silent, event, error, wallMs } }])
  return { task: id, outcome: 'done', row }
}

/** A deadline of its first length from the first possible start on: the old one has passed, or will soon. */
const beginAnew = async (session: Session, row: TaskRow, fromMs: number): Promise<void> => {
  await archiveAttempt(session, row.seq)
  await session.run(
    `UPDATE tasks SET attempts = 0, deaths = 0, life = life + 1, not_before_ms = NULL,
       deadline_ms = $1::bigint + span_ms WHERE seq = $2`,
    fromMs,
    row.seq,
  )
}

export const deadRedrive = async (
  session: Session,
  { items, actor, wallMs }: DeadRedrive['with'],
): Promise<Result<DeadMoved[]>> => {
  const answers: DeadMoved[] = []
  for (const { task, untilMs } of items) {
    const later = untilMs !== null && untilMs > wallMs ? untilMs : null
    const event = { event: 'redrive', untilMs: later } as const
    const { row, ...moved } = await close(session, task, { closed: 'redriven', event, actor, wallMs })
    if (row) await beginAnew(session, row, later ?? wallMs)
    answers.push(moved)
  }
  return done(answers)
}

export const deadDiscard = async (
  session: Session,
  { tasks, actor, wallMs }: DeadDiscard['with'],
): Promise<Result<DeadMoved[]>> => {
  const answers: DeadMoved[] = []
  for (const task of tasks) {
    const event = { event: 'discard' } as const
    const { row: _, ...moved } = await close(session, task, { closed: 'discarded', event, actor, wallMs })
    answers.push(moved)
  }
  return done(answers)
}

const editable: ReadonlySet<string> = new Set(['blocked', 'ready', 'waiting', 'dead'])

export const taskEdit = async (
  session: Session,
  { task, payload, expectVersion, actor, wallMs }: TaskEdit['with'],
): Promise<Result<{ version: number }>> => {
  const row = await taskRow(session, task)
  if (!row) return refuse('not-found', task)
  if (!editable.has(row.state)) return refuse('illegal', `the payload of a task that is ${row.state} stays as it is`)
  if (expectVersion !== null && expectVersion !== row.version)
    return refuse('stale', `the payload of ${task} is at version ${row.version}`)
  await session.run(
    'INSERT INTO payloads (task, version, payload, actor, replaced_ms) VALUES ($1, $2, $3, $4, $5)',
    task,
    row.version,
    row.payload,
    actor,
    wallMs,
  )
  await session.run('UPDATE tasks SET payload = $1, version = version + 1 WHERE seq = $2', payload, row.seq)
  return done({ version: row.version + 1 })
}
