/** Rows as SQLite gives them, and what they mean. */
import {
  attemptId,
  type AttemptOutcome,
  type DeadReason,
  type FailedPolicy,
  type SettlementState,
  type TaskState,
  type TaskStateName,
  type WaitReason,
} from '../../model/model.ts'
import { assert } from '../../std/std.ts'
import type {
  AttemptView,
  BatchView,
  CellView,
  DeadLetterView,
  EventView,
  IntentView,
  LockView,
  SettlementView,
  TaskView,
  TransferView,
} from '../queries.ts'

/** A task, and its newest attempt in this life (`number` to `late_ms`, null before the first). */
export interface TaskRow {
  seq: number
  id: string
  type: string
  agent_type: string
  state: TaskStateName
  reason: WaitReason | null
  until_ms: number | null
  /** Of one that waits for something to open. */
  waits_for: string | null
  priority: number
  max_attempts: number
  attempts: number
  deaths: number
  life: number
  /** Of the newest attempt; 0 before the first. */
  fence: number
  agent: string | null
  started_ms: number | null
  ended_ms: number | null
  outcome: AttemptOutcome | null
  created_ms: number
  updated_ms: number
  deadline_ms: number | null
  /** Length of its deadline, from its submission or its first possible start. */
  span_ms: number | null
  not_before_ms: number | null
  key: string | null
  batch: string | null
  version: number
  /** 1: other tasks come after it. */
  awaited: number
  on_failed: FailedPolicy
  /** JSON list of ids; null = none. */
  after: string | null
  payload: string
  result: string | null
  error: string | null
}

type StateRow = Pick<TaskRow, 'id' | 'state' | 'reason' | 'until_ms' | 'fence'> & Partial<Pick<TaskRow, 'waits_for'>>

export const taskState = (row: StateRow): TaskState => {
  if (row.state === 'running') {
    assert(row.fence > 0, `running task ${row.id} has no attempt`)
    return { state: 'running', attempt: attemptId(row.id, row.fence) }
  }
  if (row.state === 'waiting') {
    assert(row.reason !== null, `waiting task ${row.id} has no reason`)
    const { reason, until_ms: untilMs, waits_for: waitsFor = null } = row
    return { state: 'waiting', reason, untilMs, ...(waitsFor !== null && { waitsFor }) }
  }
  return { state: row.state }
}

export const taskView = (row: TaskRow): TaskView => ({
  id: row.id,
  type: row.type,
  agentType: row.agent_type,
  key: row.key,
  payload: row.payload,
  priority: row.priority,
  state: taskState(row),
  attempts: row.attempts,
  maxAttempts: row.max_attempts,
  fence: row.fence,
  agent: row.agent,
  batch: row.batch,
  result: row.result,
  error: row.error === null ? null : JSON.parse(row.error),
  deadlineMs: row.deadline_ms,
  after: row.after === null ? [] : JSON.parse(row.after),
  onFailed: row.on_failed,
  version: row.version,
  life: row.life,
  createdMs: row.created_ms,
  updatedMs: row.updated_ms,
})

/** Of the view `attempts`; `seq` is the task's. */
export interface AttemptRow {
  seq: number
  task: string
  life: number
  number: number
  fence: number
  agent: string
  cell: string
  started_ms: number
  ended_ms: number | null
  outcome: AttemptOutcome | null
  error: string | null
}
export const attemptView = (row: AttemptRow): AttemptView => ({
  id: attemptId(row.task, row.fence),
  task: row.task,
  life: row.life,
  number: row.number,
  fence: row.fence,
  agent: row.agent,
  cell: row.cell,
  startedMs: row.started_ms,
  endedMs: row.ended_ms,
  outcome: row.outcome,
  error: row.error === null ? null : JSON.parse(row.error),
})

export interface DeadRow {
  task: string
  life: number
  reason: DeadReason
  outcome: AttemptOutcome | null
  error: string | null
  attempts: number
  version: number
  died_ms: number
  closed: 'redriven' | 'discarded' | null
  closed_ms: number | null
  actor: string | null
}
export const deadView = (row: DeadRow): DeadLetterView => ({
  task: row.task,
  life: row.life,
  reason: row.reason,
  outcome: row.outcome,
  error: row.error === null ? null : JSON.parse(row.error),
  attempts: row.attempts,
  version: row.version,
  diedMs: row.died_ms,
  closed: row.closed,
  closedMs: row.closed_ms,
  actor: row.actor,
})

export interface LockRow {
  seq: number
  name: string
  fence: number
  holder: string
  task: string | null
  taken_ms: number
  set_wall_ms: number
  set_mono_ms: number
  set_boot_id: string
  lease_ms: number
}
export const lockView = (row: LockRow): LockView => ({
  name: row.name,
  fence: row.fence,
  holder: row.holder,
  takenMs: row.taken_ms,
  set: { wallMs: row.set_wall_ms, monoMs: row.set_mono_ms, bootId: row.set_boot_id },
  leaseMs: row.lease_ms,
})

export interface CellRow {
  id: string
  kind: string
  agent_type: string
  pid: number
  start_time: string
  directory: string
  epoch: number
  started_ms: number
  ended_ms: number | null
  cause: string | null
}
export const cellView = (row: CellRow): CellView => ({
  id: row.id,
  kind: row.kind,
  agentType: row.agent_type,
  identity: { pid: row.pid, startTime: row.start_time },
  directory: row.directory,
  epoch: row.epoch,
  startedMs: row.started_ms,
  endedMs: row.ended_ms,
  cause: row.cause,
})

/** Read with bigints on, for the amount; the other integers are small and become numbers here. */
export interface SettlementRow {
  seq: bigint
  id: string
  payer: string
  reference: string
  payee: string
  amount_minor: bigint
  currency: string
  channel: string
  memo: string | null
  state: SettlementState
  reason: string | null
  provider_key: string
  provider_reference: string | null
  batch: string | null
  task: string | null
  agent: string | null
  tries: bigint
  absences: bigint
  next_ms: bigint | null
  person: bigint
  created_ms: bigint
  updated_ms: bigint
}
export const settlementView = (row: SettlementRow): SettlementView => ({
  id: row.id,
  payer: row.payer,
  reference: row.reference,
  payee: row.payee,
  amountMinor: row.amount_minor,
  currency: row.currency,
  channel: row.channel,
  memo: row.memo,
  state: row.state,
  reason: row.reason,
  providerKey: row.provider_key,
  providerReference: row.provider_reference,
  batch: row.batch,
  task: row.task,
  agent: row.agent,
  tries: Number(row.tries),
  absences: Number(row.absences),
  nextMs: row.next_ms === null ? null : Number(row.next_ms),
  person: row.person === 1n,
  createdMs: Number(row.created_ms),
  updatedMs: Number(row.updated_ms),
})

export interface IntentRow {
  grant_id: string
  settlement: string
  number: number
  kind: 'pay' | 'query'
  request: string
  hash: string
  gate_id: string
  written_ms: number
  outcome: string | null
  evidence: string | null
  journal: number | null
  closed_ms: number | null
  cost: string | null
}
export const intentView = (row: IntentRow): IntentView => ({
  settlement: row.settlement,
  number: row.number,
  grant: row.grant_id,
  kind: row.kind,
  request: row.request,
  hash: row.hash,
  gateId: row.gate_id,
  writtenMs: row.written_ms,
  outcome: row.outcome,
  evidence: row.evidence,
  journal: row.journal,
  closedMs: row.closed_ms,
  cost: row.cost,
})

export interface BatchRow {
  seq: number
  id: string
  content_hash: string
  name: string
  channel: string
  payer: string
  rows: number
  totals: string
  actor: string
  created_ms: number
}
export const batchView = (row: BatchRow): BatchView => ({
  id: row.id,
  name: row.name,
  contentHash: row.content_hash,
  channel: row.channel,
  payer: row.payer,
  rows: row.rows,
  totals: JSON.parse(row.totals),
  actor: row.actor,
  createdMs: row.created_ms,
})

export interface TransferRow {
  seq: bigint
  id: string
  kind: TransferView['kind']
  pending_id: string | null
  debit: string
  credit: string
  amount_minor: bigint
  currency: string
  settlement: string | null
  wall_ms: bigint
}
export const transferView = (row: TransferRow): TransferView => ({
  seq: Number(row.seq),
  id: row.id,
  kind: row.kind,
  pendingId: row.pending_id,
  debit: row.debit,
  credit: row.credit,
  amountMinor: row.amount_minor,
  currency: row.currency,
  settlement: row.settlement,
  wallMs: Number(row.wall_ms),
})

export interface EventRow {
  seq: number
  wall_ms: number
  kind: string
  level: EventView['level']
  subject: string
  message: string
  facts: string
}
export const eventView = (row: EventRow): EventView => ({
  seq: row.seq,
  wallMs: row.wall_ms,
  kind: row.kind,
  level: row.level,
  subject: row.subject,
  message: row.message,
  facts: JSON.parse(row.facts),
})
