/**
 * SQL of the ends of attempts: told by agents, decided by the sitter, or found open by the next one. All rows are read
 * at once, what each end means is decided here, and they are written at once.
 */
import { attemptId, nextTaskState, parseAttemptId, withRestVersion, type AttemptOutcome } from '../../model/model.ts'
import { assert } from '../../std/std.ts'
import type { Result } from '../commands/result.ts'
import type { AttemptOpen, AttemptsFinish, AttemptsRecover, Finish, Finished } from '../commands/work.ts'
import { mostRests } from '../commands/work.ts'
import { taskState, type TaskRow } from '../sqlite/rows.ts'
import type { EndingRow } from '../sqlite/work-end.ts'
import { columns, done, refuse, type Session } from './session.ts'
import { writeStates, type Step } from './work-end.ts'

/** A task, and the attempt of it that was asked for. */
interface AskedRow extends EndingRow, Pick<TaskRow, 'reason' | 'until_ms' | 'fence'> {
  asked: number
  ended_ms: number | null
  outcome: AttemptOutcome | null
}

const askedSql = `
SELECT t.seq, t.id, t.type, t.state, t.reason, t.until_ms, t.fence, t.attempts, t.deaths, t.life, t.version, t.awaited,
  a.fence AS asked, CASE WHEN p.fence IS NULL THEN t.ended_ms ELSE COALESCE(p.ended_ms, p.started_ms) END AS ended_ms,
  CASE WHEN p.fence IS NULL THEN t.outcome ELSE p.outcome END AS outcome
FROM unnest($1::text[], $2::bigint[]) AS a (task, fence) JOIN tasks AS t ON t.id = a.task
LEFT JOIN past_attempts AS p ON p.task_seq = t.seq AND p.fence = a.fence
WHERE p.fence IS NOT NULL OR (t.fence = a.fence AND t.started_ms IS NOT NULL) FOR UPDATE OF t`

interface Verdicts {
  readonly answers: Finished[]
  /** The last that came late, by attempt. */
  readonly late: Map<string, { readonly row: AskedRow; readonly finish: Finish }>
  readonly steps: (Step & { readonly rest: Finish['rest']; readonly at: number })[]
}

const nothingReadied: readonly string[] = []

const asKept = (finish: Finish, { version }: AskedRow): Finish =>
  finish.rest === undefined || finish.error === null
    ? finish
    : { ...finish, error: withRestVersion(finish.error, version + 1) }

/** What each end means, one after the other, on rows that follow along. */
const judge = (finishes: readonly Finish[], rows: ReadonlyMap<string, AskedRow>, wallMs: number): Verdicts => {
  const verdicts: Verdicts = { answers: [], late: new Map(), steps: [] }
  for (const [at, finish] of finishes.entries()) {
    const { attempt, outcome } = finish
    const row = rows.get(attempt)
    const answer = (told: Finished['outcome']): void => {
      verdicts.answers.push({ attempt, task: row?.id ?? '', outcome: told, readied: nothingReadied })
    }
    if (row === undefined) {
      answer('not-found')
    } else if (row.ended_ms !== null) {
      if (row.outcome !== outcome) verdicts.late.set(attempt, { row, finish })
      answer(row.outcome === outcome ? 'repeat' : 'stale')
    } else {
      // An attempt that has not ended is its task's newest, and the task runs: then every end is legal.
      const next = nextTaskState(taskState(row), finish.event)
      assert(next !== undefined, `the end ${finish.event.event} of ${attempt} is illegal`)
      const ends = asKept(finish, row)
      verdicts.steps.push({ row, next, writing: { ...ends, wallMs }, ends, rest: finish.rest, at })
      row.ended_ms = wallMs
      row.outcome = outcome
      answer('done')
    }
  }
  return verdicts
}

const lateOfNewest = `UPDATE tasks AS t SET late_outcome = l.outcome, late_ms = $1::bigint
FROM unnest($2::bigint[], $3::bigint[], $4::text[]) AS l (seq, fence, outcome)
WHERE t.seq = l.seq AND t.fence = l.fence AND t.started_ms IS NOT NULL`
const lateOfPast = `UPDATE past_attempts AS p SET late_outcome = l.outcome, late_ms = $1::bigint
FROM unnest($2::bigint[], $3::bigint[], $4::text[]) AS l (seq, fence, outcome)
WHERE p.task_seq = l.seq AND p.fence = l.fence`

const writeLate = async (session: Session, late: Verdicts['late'], wallMs: number): Promise<void> => {
  if (late.size === 0) return
  const cells = columns(
    [...late.values()],
    ({ row }) => row.seq,
    ({ row }) => row.asked,
    ({ finish }) => finish.outcome,
  )
  await Promise.all([session.run(lateOfNewest, wallMs, ...cells), session.run(lateOfPast, wallMs, ...cells)])
}

const keepReplaced = `INSERT INTO payloads (task, version, payload, actor, replaced_ms)
SELECT t.id, t.version, t.payload, r.actor, $1::bigint
FROM unnest($2::text[], $3::text[]) AS r (id, actor) JOIN tasks AS t ON t.id = r.id`
const replace = `UPDATE tasks AS t SET payload = r.payload, version = t.version + 1
FROM unnest($1::text[], $2::text[]) AS r (id, payload) WHERE t.id = r.id`
const forget = `DELETE FROM payloads AS p USING tasks AS t WHERE p.task = ANY($1::text[]) AND t.id = p.task
  AND p.version > 1 AND p.version < t.version - $2::bigint AND p.actor LIKE 'agent:%'`

/** What is left becomes the payload. */
const leaveRests = async (session: Session, steps: Verdicts['steps'], wallMs: number): Promise<void> => {
  const rests = steps.flatMap(({ row, rest }) => (rest === undefined ? [] : [{ ...rest, id: row.id }]))
  if (rests.length === 0) return
  for (const { row, rest } of steps) if (rest !== undefined) session.tallies.partial(row.type)
  const [ids, payloads, actors] = columns(
    rests,
    ({ id }) => id,
    ({ payload }) => payload,
    ({ actor }) => actor,
  )
  await session.run(keepReplaced, wallMs, ids, actors)
  await session.run(replace, ids, payloads)
  await session.run(forget, ids, mostRests)
}

const finishAll = async (session: Session, finishes: readonly Finish[], wallMs: number): Promise<Finished[]> => {
  const named = finishes.flatMap(({ attempt }) => parseAttemptId(attempt) ?? [])
  const cells = columns(
    named,
    ({ task }) => task,
    ({ fence }) => fence,
  )
  const found = named.length === 0 ? [] : await session.all<AskedRow>(askedSql, ...cells)
  const rows = new Map(found.map((row) => [attemptId(row.id, row.asked), row]))
  const { answers, late, steps } = judge(finishes, rows, wallMs)
  await leaveRests(session, steps, wallMs)
  const [readied] = await Promise.all([writeStates(session, steps), writeLate(session, late, wallMs)])
  for (const [index, { at }] of steps.entries()) answers[at] = { ...answers[at]!, readied: readied[index]! }
  return answers
}

export const attemptOpen = async (session: Session, { attempt }: AttemptOpen['with']): Promise<Result<null>> => {
  const at = parseAttemptId(attempt)
  const row =
    at &&
    (await session.one<{ ended_ms: number | null }>(
      'SELECT ended_ms FROM attempts WHERE task = $1 AND fence = $2',
      at.task,
      at.fence,
    ))
  return row === undefined || row.ended_ms === null ? done(null) : refuse('stale', `${attempt} has ended`)
}

export const attemptsFinish = async (
  session: Session,
  { finishes, wallMs }: AttemptsFinish['with'],
): Promise<Result<Finished[]>> => done(await finishAll(session, finishes, wallMs))

export const attemptsRecover = async (
  session: Session,
  { owner, epoch, wallMs }: AttemptsRecover['with'],
): Promise<Result<{ interrupted: number }>> => {
  const open = await session.all<{ id: string; type: string; fence: number }>(
    "SELECT id, type, fence FROM tasks WHERE state = 'running' AND owner = $1 AND epoch < $2 ORDER BY seq",
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
    open.map(({ id, type, fence }) => ({ attempt: attemptId(id, fence), type, ...interrupted })),
    wallMs,
  )
  return done({ interrupted: open.length })
}
