/** Submission of tasks: any number in one statement, those that come after others one by one. */
import { attemptId, type TaskStateName } from '../../model/model.ts'
import type { Result } from '../commands/result.ts'
import type { Claimed, NewTask, Slot, Submitted, TasksSubmit } from '../commands/work.ts'
import { dependencyError, type Standing } from '../sqlite/work-after.ts'
import { columns, done, refuse, type Session } from './session.ts'
import { insertEdges } from './work-after.ts'
import { claimReady, type Giving } from './work-ready.ts'

interface Beginning {
  readonly task: NewTask
  readonly standing: Standing
  /** Takes it at once. */
  readonly slot: Slot | undefined
  readonly giving: Giving
}

const standsAlone: Standing = { blocked: false, cancelledBy: null, missing: null }

const startsLater = (task: NewTask, wallMs: number): boolean => task.notBeforeMs !== null && task.notBeforeMs > wallMs

const spanOf = (task: NewTask, wallMs: number): number | null =>
  task.deadlineMs === null ? null : task.deadlineMs - Math.max(wallMs, task.notBeforeMs ?? 0)

const firstState = ({ task, standing, slot, giving: { wallMs } }: Beginning): TaskStateName => {
  if (standing.cancelledBy !== null) return 'cancelled'
  if (standing.blocked) return 'blocked'
  if (startsLater(task, wallMs)) return 'waiting'
  return slot ? 'running' : 'ready'
}

const names = `id, type, agent_type, key, payload, payload_hash, priority, max_attempts, deadline_ms, span_ms,
  not_before_ms, after, on_failed, batch, state, reason, until_ms, error, created_ms, updated_ms, fence, number, agent,
  agent_epoch, cell, owner, epoch, started_ms`

const insertSql = `
INSERT INTO tasks (${names}) SELECT ${names} FROM unnest($1::text[], $2::text[], $3::text[], $4::text[],
  $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[],
  $13::text[], $14::text[], $15::text[], $16::text[], $17::bigint[], $18::text[], $19::bigint[], $20::bigint[],
  $21::bigint[], $22::bigint[], $23::text[], $24::bigint[], $25::text[], $26::text[], $27::bigint[], $28::bigint[])
  WITH ORDINALITY AS t (${names}, at) ORDER BY at`

/** Writes tasks as they begin: as their dependencies have it, waiting for their time, running with a slot, or ready. */
const insertTasks = async (session: Session, beginnings: readonly Beginning[]): Promise<void> => {
  const rows = beginnings.map((beginning) => ({ ...beginning, state: firstState(beginning) }))
  const cells = columns(
    rows,
    ({ task }) => task.id,
    ({ task }) => task.type,
    ({ task }) => task.agentType,
    ({ task }) => task.key,
    ({ task }) => task.payload,
    ({ task }) => task.payloadHash,
    ({ task }) => task.priority,
    ({ task }) => task.maxAttempts,
    ({ task }) => task.deadlineMs,
    ({ task, giving }) => spanOf(task, giving.wallMs),
    ({ task }) => task.notBeforeMs,
    ({ task }) => (task.after.length === 0 ? null : JSON.stringify(task.after)),
    ({ task }) => task.onFailed,
    ({ task }) => task.batch,
    ({ state }) => state,
    ({ state }) => (state === 'waiting' ? 'signal' : null),
    ({ state, task }) => (state === 'waiting' ? task.notBeforeMs : null),
    ({ standing: { cancelledBy: by } }) => (by === null ? null : dependencyError(by.id, by.state)),
    ({ giving }) => giving.wallMs,
    ({ giving }) => giving.wallMs,
    ({ slot }) => (slot ? 1 : 0),
    ({ slot }) => (slot ? 1 : null),
    ({ slot }) => slot?.agent ?? null,
    ({ slot }) => slot?.agentEpoch ?? null,
    ({ slot }) => slot?.cell ?? null,
    ({ slot, giving }) => (slot ? giving.owner : null),
    ({ slot, giving }) => (slot ? giving.epoch : null),
    ({ slot, giving }) => (slot ? giving.wallMs : null),
  )
  for (const { task, state } of rows) session.tallies.task(task.type, null, state)
  await session.run(insertSql, ...cells)
}

const keyOf = (task: { readonly type: string; readonly key: string | null }): string => `${task.type}\n${task.key}`

type Known = Map<string, { readonly id: string; readonly payloadHash: string | null }>

/** What tasks with these keys are already. */
const alreadyThere = async (session: Session, tasks: readonly NewTask[]): Promise<Known> => {
  const keyed = tasks.filter((task) => task.key !== null)
  if (keyed.length === 0) return new Map()
  const rows = await session.all<{ id: string; type: string; key: string; payload_hash: string | null }>(
    `SELECT t.id, t.type, t.key, t.payload_hash FROM unnest($1::text[], $2::text[]) AS k (type, key)
     JOIN tasks AS t ON t.type = k.type AND t.key = k.key AND t.key IS NOT NULL`,
    ...columns(
      keyed,
      (task) => task.type,
      (task) => task.key,
    ),
  )
  return new Map(rows.map((row) => [keyOf(row), { id: row.id, payloadHash: row.payload_hash }]))
}

/** What was asked told apart: the tasks that are new, and an answer for each that was asked. */
const tellApart = (tasks: readonly NewTask[], known: Known): { fresh: NewTask[]; submitted: Submitted[] } => {
  const fresh: NewTask[] = []
  const submitted = tasks.map((task): Submitted => {
    const there = task.key === null ? undefined : known.get(keyOf(task))
    if (there)
      return { id: there.id, outcome: there.payloadHash === task.payloadHash ? 'exists' : 'exists-with-different' }
    fresh.push(task)
    if (task.key !== null) known.set(keyOf(task), task)
    return { id: task.id, outcome: 'created' }
  })
  return { fresh, submitted }
}

interface Admission {
  readonly mayClaim: boolean
  readonly newest: boolean
}

const admit = async (
  session: Session,
  asked: TasksSubmit['with'],
  agentType: string | undefined,
): Promise<Admission> => {
  if (asked.claim.length === 0 || agentType === undefined) return { mayClaim: false, newest: true }
  const row = await session.one<{ ready: boolean; newest: boolean }>(
    `SELECT EXISTS (SELECT 1 FROM tasks WHERE agent_type = $1 AND state = 'ready') AS ready,
       EXISTS (SELECT 1 FROM hosts WHERE owner = $2 AND epoch = $3) AS newest`,
    agentType,
    asked.owner,
    asked.epoch,
  )
  return { mayClaim: !row!.ready, newest: row!.newest }
}

/** Writes new tasks in their order; the id of a task that one of them names and that is not there, or undefined. */
const writeNew = async (
  session: Session,
  fresh: readonly NewTask[],
  slotOf: (task: NewTask) => Slot | undefined,
  giving: Giving,
): Promise<string | undefined> => {
  let together: Beginning[] = []
  const flush = async (): Promise<void> => {
    if (together.length > 0) await insertTasks(session, together)
    together = []
  }
  for (const task of fresh) {
    if (task.after.length === 0) {
      together.push({ task, standing: standsAlone, slot: slotOf(task), giving })
      continue
    }
    // It may come after one of those before it in the list: they must be there.
    await flush()
    const standing = await insertEdges(session, task)
    if (standing.missing !== null) return standing.missing
    await insertTasks(session, [{ task, standing, slot: undefined, giving }])
  }
  await flush()
  return undefined
}

export const tasksSubmit = async (
  session: Session,
  asked: TasksSubmit['with'],
): Promise<Result<{ submitted: Submitted[]; claimed: Claimed[] }>> => {
  const { tasks, claim, wallMs } = asked
  const agentType = tasks[0]?.agentType
  const { mayClaim, newest } = await admit(session, asked, agentType)
  if (mayClaim && !newest) return refuse('stale', 'a newer sitter owns the record')
  const { fresh, submitted } = tellApart(tasks, await alreadyThere(session, tasks))
  const other = submitted.find((one) => one.outcome === 'exists-with-different')
  if (asked.all && other) return refuse('exists-with-different', other.id)
  // With a slot for each, every new task takes the next one; with fewer, priority decides once all of them are in.
  const direct = mayClaim && claim.length >= tasks.length
  const given = direct
    ? fresh
        .filter((task) => task.after.length === 0 && !startsLater(task, wallMs))
        .map((task, index) => ({ task, slot: claim[index]! }))
    : []
  const slots = new Map(given.map(({ task, slot }) => [task, slot]))
  const missing = await writeNew(session, fresh, (task) => slots.get(task), asked)
  if (missing !== undefined) return refuse('not-found', missing)
  const claimed = given.map(({ task, slot }): Claimed => {
    const { id, type, key, payload, deadlineMs, batch, priority } = task
    const first = { attempt: attemptId(id, 1), number: 1, fence: 1, deaths: 0, priority }
    return { task: id, type, key, payload, agent: slot.agent, cell: slot.cell, ...first, deadlineMs, batch }
  })
  if (mayClaim && !direct && agentType !== undefined)
    claimed.push(...(await claimReady(session, agentType, claim, asked)))
  return done({ submitted, claimed })
}
