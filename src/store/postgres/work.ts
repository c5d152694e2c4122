/**
 * SQL of work's commands. The state machine of model/task.ts is asked before each write, so no row takes an illegal
 * step. What ends many attempts reads them at once, decides here, and writes them at once.
 */
import { nextTaskState, taskAfter, type TaskEvent } from '../../model/model.ts'
import type { Result } from '../commands/result.ts'
import type {
  AttemptsFinish,
  AttemptsRecover,
  Claimed,
  Finish,
  Finished,
  TaskMove,
  TasksClaim,
  TasksDue,
  TasksExpire,
} from '../commands/work.ts'
import { taskState, type TaskRow } from '../sqlite/rows.ts'
import { errorOf, silent, type EndingRow } from '../sqlite/work-end.ts'
import { isNewest } from './fleet.ts'
import { columns, done, refuse, type Session } from './session.ts'
import { writeStates, type Step } from './work-end.ts'
import { claimReady, hasReady } from './work-ready.ts'

export const tasksClaim = async (
  session: Session,
  asked: TasksClaim['with'],
): Promise<Result<{ claimed: Claimed[]; more: boolean }>> => {
  const claimed = await claimReady(session, asked.agentType, asked.slots, asked)
  // The fence stands in the claim too: what comes back empty may be a newer sitter's.
  if (claimed.length === 0 && !(await isNewest(session, asked.owner, asked.epoch)))
    return refuse('stale', 'a newer sitter owns the record')
  return done({ claimed, more: claimed.length === asked.slots.length && (await hasReady(session, asked.agentType)) })
}

interface AttemptRow {
  attempt_id: string
  attempt_seq: number
  ended_ms: number | null
  outcome: string | null
  task_seq: number
}
type RunningTask = EndingRow & Pick<TaskRow, 'state' | 'reason' | 'until_ms' | 'attempt'>

const runningSql = `
SELECT a.id AS attempt_id, a.seq AS attempt_seq, a.ended_ms, a.outcome, t.seq AS task_seq, t.seq, t.id, t.type, t.state,
  t.reason, t.until_ms, t.attempt, t.agent, t.attempts, t.deaths, t.life, t.version, t.awaited
FROM attempts AS a JOIN tasks AS t ON t.id = a.task WHERE a.id = ANY($1::text[]) FOR UPDATE`

const lateSql = `UPDATE attempts AS a SET late_outcome = l.outcome, late_ms = $1::bigint
FROM unnest($2::bigint[], $3::text[]) AS l (seq, outcome) WHERE a.seq = l.seq`

const endSql = `UPDATE attempts AS a SET ended_ms = $1::bigint, outcome = e.outcome, error = e.error
FROM unnest($2::bigint[], $3::text[], $4::text[]) AS e (seq, outcome, error) WHERE a.seq = e.seq`

interface Verdicts {
  readonly answers: Finished[]
  readonly ended: { readonly seq: number; readonly finish: Finish }[]
  /** By attempt: the last that came late. */
  readonly late: Map<number, Finish>
  readonly steps: (Step & { readonly at: number })[]
}

const nothingReadied: readonly string[] = []

/** What each end means, one after the other, on rows that follow along. */
const judge = (finishes: readonly Finish[], rows: readonly (AttemptRow & RunningTask)[], wallMs: number): Verdicts => {
  const attempts = new Map(rows.map((row) => [row.attempt_id, row]))
  const owners = new Map(rows.map((row) => [row.task_seq, row.state === 'running' ? row.attempt : null]))
  const verdicts: Verdicts = { answers: [], ended: [], late: new Map(), steps: [] }
  for (const [at, finish] of finishes.entries()) {
    const row = attempts.get(finish.attempt)
    const answer = (outcome: Finished['outcome']): void => {
      verdicts.answers.push({ attempt: finish.attempt, task: row?.id ?? '', outcome, readied: nothingReadied })
    }
    if (row === undefined) {
      answer('not-found')
    } else if (row.ended_ms !== null) {
      if (row.outcome !== finish.outcome) verdicts.late.set(row.attempt_seq, finish)
      answer(row.outcome === finish.outcome ? 'repeat' : 'stale')
    } else {
      const owns = owners.get(row.task_seq) === finish.attempt
      const next = owns ? nextTaskState(taskState(row), finish.event) : undefined
      verdicts.ended.push({ seq: row.attempt_seq, finish })
      row.ended_ms = wallMs
      row.outcome = finish.outcome
      if (next !== undefined) {
        owners.set(row.task_seq, null)
        verdicts.steps.push({ row, next, writing: { ...finish, wallMs }, at })
      }
      answer(next === undefined ? 'stale' : 'done')
    }
  }
  return verdicts
}

const finishAll = async (session: Session, finishes: readonly Finish[], wallMs: number): Promise<Finished[]> => {
  const rows = await session.all<AttemptRow & RunningTask>(
    runningSql,
    finishes.map((finish) => finish.attempt),
  )
  const { answers, ended, late, steps } = judge(finishes, rows, wallMs)
  const endCells = columns(
    ended,
    ({ seq }) => seq,
    ({ finish }) => finish.outcome,
    ({ finish }) => (finish.error === null ? null : JSON.stringify(finish.error)),
  )
  const lateCells = columns(
    [...late],
    ([seq]) => seq,
    ([, finish]) => finish.outcome,
  )
  const [readied] = await Promise.all([
    writeStates(session, steps),
    ended.length > 0 ? session.run(endSql, wallMs, ...endCells) : 0,
    late.size > 0 ? session.run(lateSql, wallMs, ...lateCells) : 0,
  ])
  for (const [index, { at }] of steps.entries()) answers[at] = { ...answers[at]!, readied: readied[index]! }
  return answers
}

export const attemptsFinish = async (
  session: Session,
  { finishes, wallMs }: AttemptsFinish['with'],
): Promise<Result<Finished[]>> => done(await finishAll(session, finishes, wallMs))

export const attemptsRecover = async (
  session: Session,
  { owner, epoch, wallMs }: AttemptsRecover['with'],
): Promise<Result<{ interrupted: number }>> => {
  const open = await session.all<{ id: string }>(
    'SELECT id FROM attempts WHERE owner = $1 AND epoch < $2 AND ended_ms IS NULL ORDER BY seq',
    owner,
    epoch,
  )
  const interrupted = {
    outcome: 'interrupted',
    result: null,
    error: { name: 'Interrupted', message: 'the sitter that gave this attempt ended' },
    event: { event: 'interrupt' },
    counts: false,
    deadly: false,
  } as const
  await finishAll(
    session,
    open.map(({ id }) => ({ attempt: id, ...interrupted })),
    wallMs,
  )
  return done({ interrupted: open.length })
}

export const tasksDue = async (
  session: Session,
  { wallMs, limit }: TasksDue['with'],
): Promise<Result<{ ready: number; agentTypes: string[] }>> => {
  const due = await session.all<{ agent_type: string }>(
    `UPDATE tasks SET state = 'ready', reason = NULL, until_ms = NULL, updated_ms = $1
     WHERE seq IN (SELECT seq FROM tasks WHERE state = 'waiting' AND until_ms <= $1 ORDER BY until_ms LIMIT $2)
     RETURNING agent_type`,
    wallMs,
    limit,
  )
  return done({ ready: due.length, agentTypes: [...new Set(due.map((row) => row.agent_type))] })
}

const late = { name: 'DeadlineExceeded', message: 'the task did not end before its deadline', kind: 'permanent' }

export const tasksExpire = async (
  session: Session,
  { wallMs, limit }: TasksExpire['with'],
): Promise<Result<{ expired: { task: string; type: string }[] }>> => {
  const rows = await session.all<TaskRow>(
    `SELECT * FROM tasks WHERE state IN ('blocked', 'ready', 'waiting') AND deadline_ms <= $1
       AND (reason IS NULL OR reason <> 'approval') ORDER BY deadline_ms LIMIT $2`,
    wallMs,
    limit,
  )
  const expired: { task: string; type: string }[] = []
  for (const before of rows) {
    // Looked at again: the death of one may have cancelled another of the list.
    const row = await session.one<TaskRow>('SELECT * FROM tasks WHERE seq = $1', before.seq)
    if (row?.state !== before.state) continue
    const event = { event: 'give-up', reason: 'deadline' } as const
    const next = taskAfter(taskState(row), event)
    await writeStates(session, [{ row, next, writing: { ...silent, event, error: late, wallMs } }])
    expired.push({ task: row.id, type: row.type })
  }
  return done({ expired })
}

const endsAttempt = (event: TaskEvent): boolean => event.event === 'cancel' || event.event === 'give-up'
const ofDeadLetters = (event: TaskEvent): boolean => event.event === 'redrive' || event.event === 'discard'

/** The wake of a task, legal from `waiting` only, in one statement: every settlement's end asks for it. */
const wake = async (session: Session, task: string, wallMs: number): Promise<boolean> => {
  const woken = await session.run(
    `UPDATE tasks SET state = 'ready', reason = NULL, until_ms = NULL, attempt = NULL, updated_ms = $2::bigint,
       deadline_ms = deadline_ms + CASE WHEN reason = 'approval' THEN GREATEST(0, $2::bigint - updated_ms) ELSE 0 END
     WHERE id = $1 AND state = 'waiting'`,
    task,
    wallMs,
  )
  return woken === 1
}

export const taskMove = async (
  session: Session,
  { task, event, orNothing, wallMs }: TaskMove['with'],
): Promise<Result<null>> => {
  if (event.event === 'wake' && ((await wake(session, task, wallMs)) || orNothing)) return done(null)
  const row = await session.one<TaskRow>('SELECT * FROM tasks WHERE id = $1 FOR UPDATE', task)
  if (!row) return orNothing ? done(null) : refuse('not-found', task)
  const next = ofDeadLetters(event) ? undefined : nextTaskState(taskState(row), event)
  if (next === undefined)
    return orNothing ? done(null) : refuse('illegal', `a task that is ${row.state} cannot take ${event.event}`)
  if (row.state === 'running' && endsAttempt(event)) {
    await session.run(
      "UPDATE attempts SET ended_ms = $1, outcome = 'interrupted' WHERE id = $2 AND ended_ms IS NULL",
      wallMs,
      row.attempt,
    )
  }
  if (row.reason === 'approval' && row.deadline_ms !== null) {
    const putOff = row.deadline_ms + Math.max(0, wallMs - row.updated_ms)
    await session.run('UPDATE tasks SET deadline_ms = $1 WHERE seq = $2', putOff, row.seq)
  }
  await writeStates(session, [{ row, next, writing: { ...silent, event, error: errorOf(row), wallMs } }])
  return done(null)
}
