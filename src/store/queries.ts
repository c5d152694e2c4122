/**
 * Reads of the record. They take no lock and see the last commit; by the time an answer is looked at it may be old, so
 * what must hold is a precondition of the command that follows. Lists are pages: `after` is the cursor of the last item
 * seen.
 */
import type {
  AttemptOutcome,
  DeadReason,
  ErrorReport,
  FailedPolicy,
  SettlementState,
  TaskState,
} from '../model/model.ts'
import type { ProcessIdentity, Stamp } from '../std/std.ts'
import type { AgentRow } from './commands/fleet.ts'
import type { ModeRow } from './commands/modes.ts'
import type { IncidentQueries } from './incident-queries.ts'
import type { Page, PageAsk } from './page.ts'
import type { AuditView, ConfigVersionView, EventFilter, EventView, TokenView } from './record-views.ts'

export type { AuditView, ConfigVersionView, EventFilter, EventView, TokenView } from './record-views.ts'

export interface TaskView {
  readonly id: string
  readonly type: string
  readonly agentType: string
  readonly key: string | null
  readonly payload: string
  readonly priority: number
  readonly state: TaskState
  readonly attempts: number
  readonly maxAttempts: number
  readonly fence: number
  readonly agent: string | null
  readonly batch: string | null
  readonly result: string | null
  readonly error: ErrorReport | null
  readonly deadlineMs: number | null
  /** Tasks that it comes after, as submitted. */
  readonly after: readonly string[]
  readonly onFailed: FailedPolicy
  /** 1, and one more with each edit of the payload. */
  readonly version: number
  /** 1, and one more with each redrive: life n began when dead letter n - 1 was redriven. */
  readonly life: number
  readonly createdMs: number
  readonly updatedMs: number
}
/** One death of a task; `closed` tells what a person made of it. */
export interface DeadLetterView {
  readonly task: string
  readonly life: number
  readonly reason: DeadReason
  readonly outcome: AttemptOutcome | null
  readonly error: ErrorReport | null
  /** Tries that counted in this life. */
  readonly attempts: number
  readonly version: number
  readonly diedMs: number
  readonly closed: 'redriven' | 'discarded' | null
  readonly closedMs: number | null
  readonly actor: string | null
}
/** A payload that was replaced. */
export interface PayloadView {
  readonly version: number
  readonly payload: string
  /** Who replaced it, and when. */
  readonly actor: string
  readonly replacedMs: number
}
/** `ended`: what the other task had come to when that decided something here; null = it is still waited for. */
export interface DependencyView {
  readonly task: string
  readonly ended: 'succeeded' | 'dead' | 'cancelled' | null
}
export interface StateView {
  readonly name: string
  /** JSON text. */
  readonly value: string
  readonly version: number
  readonly actor: string
  readonly updatedMs: number
}
export interface LockView {
  readonly name: string
  readonly fence: number
  readonly holder: string
  readonly takenMs: number
  /** Set and length of the present lease; who is past it holds it no more. */
  readonly set: Stamp
  readonly leaseMs: number
}
export interface AttemptView {
  readonly id: string
  readonly task: string
  /** The task's life that it belongs to; numbers begin anew with each. */
  readonly life: number
  readonly number: number
  readonly fence: number
  readonly agent: string
  readonly cell: string
  readonly startedMs: number
  readonly endedMs: number | null
  readonly outcome: AttemptOutcome | null
  readonly error: ErrorReport | null
}
export interface CellView {
  readonly id: string
  readonly kind: string
  readonly agentType: string
  readonly identity: ProcessIdentity
  readonly directory: string
  readonly epoch: number
  readonly startedMs: number
  readonly endedMs: number | null
  readonly cause: string | null
}
export interface SettlementView {
  readonly id: string
  readonly payer: string
  readonly reference: string
  readonly payee: string
  readonly amountMinor: bigint
  readonly currency: string
  readonly channel: string
  readonly memo: string | null
  readonly state: SettlementState
  readonly reason: string | null
  readonly providerKey: string
  readonly providerReference: string | null
  readonly batch: string | null
  readonly task: string | null
  readonly agent: string | null
  readonly tries: number
  readonly absences: number
  readonly nextMs: number | null
  readonly person: boolean
  readonly createdMs: number
  readonly updatedMs: number
}
export interface IntentView {
  readonly settlement: string
  readonly number: number
  readonly grant: string
  readonly kind: 'pay' | 'query'
  readonly request: string
  readonly hash: string
  readonly gateId: string
  readonly writtenMs: number
  readonly outcome: string | null
  readonly evidence: string | null
  readonly journal: number | null
  readonly closedMs: number | null
  readonly cost: string | null
}
export interface BatchView {
  readonly id: string
  readonly name: string
  readonly contentHash: string
  readonly channel: string
  readonly payer: string
  readonly rows: number
  readonly totals: Readonly<Record<string, string>>
  readonly actor: string
  readonly createdMs: number
}
export interface AccountView {
  readonly code: string
  readonly currency: string
  readonly debitsPending: bigint
  readonly debitsPosted: bigint
  readonly creditsPending: bigint
  readonly creditsPosted: bigint
}
export interface TransferView {
  readonly seq: number
  readonly id: string
  readonly kind: 'pending' | 'post' | 'void' | 'single'
  readonly pendingId: string | null
  readonly debit: string
  readonly credit: string
  readonly amountMinor: bigint
  readonly currency: string
  readonly settlement: string | null
  readonly wallMs: number
}
export interface TaskFilter {
  readonly type?: string
  readonly state?: string
  readonly batch?: string
  /** Those of which an attempt did part, whatever became of the rest. */
  readonly partial?: true
}
export interface DeadFilter {
  readonly type?: string
  /** Part of the error's name, message or code, in whatever case. */
  readonly error?: string
  /** Died at or after this wall time. */
  readonly sinceMs?: number
  /** Of which an attempt did part: another life does the rest alone. */
  readonly partial?: true
}
export interface SettlementFilter {
  readonly state?: string
  readonly batch?: string
  readonly channel?: string
  readonly person?: boolean
}
/** What calls cost, by currency; amounts are exact decimals, finer than a coin where prices are. */
export interface CostTotals {
  readonly known: readonly { readonly currency: string; readonly amount: string; readonly calls: number }[]
  /** Calls of which nobody knows what they cost. */
  readonly unknown: number
}

export interface Queries extends IncidentQueries {
  agents(): Promise<readonly AgentRow[]>
  /** What the fleet of this host remembers beside its agents, by name. */
  fleetNotes(owner: string): Promise<readonly { readonly name: string; readonly value: string }[]>
  /** Who has work in hand, by the record, which, and when it was given: newest first. */
  inHand(
    limit: number,
  ): Promise<readonly { readonly agent: string; readonly task: string; readonly startedMs: number }[]>
  /** When a sitter of this host last said that it works, and its epoch. */
  host(owner: string): Promise<{ readonly epoch: number; readonly beatMs: number | null } | undefined>
  cellsAlive(): Promise<readonly CellView[]>
  cell(id: string): Promise<CellView | undefined>
  task(id: string): Promise<TaskView | undefined>
  taskByKey(type: string, key: string): Promise<TaskView | undefined>
  /** Those of these keys that are there, in any order; at most 1,000 keys a call. */
  tasksByKeys(
    type: string,
    keys: readonly string[],
  ): Promise<readonly { readonly id: string; readonly key: string; readonly payload: string }[]>
  tasks(filter: TaskFilter, ask: PageAsk): Promise<Page<TaskView>>
  /** Counts by type and state; every state that occurs. */
  taskCounts(
    batch?: string,
  ): Promise<readonly { readonly type: string; readonly state: string; readonly count: number }[]>
  attemptCounts(): Promise<readonly { readonly outcome: string; readonly count: number }[]>
  /** Ends of attempts that had done part of their work, by task type. */
  partialCounts(): Promise<readonly { readonly type: string; readonly count: number }[]>
  /** Ends that tasks have left again (a redrive, a discard), by type and end: with these, counts of ends never fall. */
  leftCounts(): Promise<readonly { readonly type: string; readonly outcome: string; readonly count: number }[]>
  /** Agents that were the last to work on one of the newest 20,000 tasks, with success. */
  agentsThatSucceeded(taskType?: string): Promise<number>
  attempts(task: string): Promise<readonly AttemptView[]>
  attemptsPage(ask: PageAsk): Promise<Page<AttemptView>>
  attempt(id: string): Promise<AttemptView | undefined>
  /**
   * The newest attempts of an agent, newest first. `ofNewestTasks`: only so many of the newest tasks were looked
   * through for attempts that are their task's last one; null = all.
   */
  attemptsOf(
    agent: string,
    limit: number,
  ): Promise<{ readonly items: readonly AttemptView[]; readonly ofNewestTasks: number | null }>
  /** Agent types that have ready tasks now. */
  readyTypes(): Promise<readonly string[]>
  /** What waiting tasks wait for to open, each once, in order, from after `after` on. */
  waitedFor(after: string, limit: number): Promise<readonly string[]>
  /**
   * How long a task was in hand in its present life, over the attempts that have ended. One that ended with its sitter
   * is left out: nobody knows when it ended.
   */
  spentMs(task: string): Promise<number>
  /** Wall time at which the next waiting task is due; null when none waits for time. */
  nextTaskDueMs(): Promise<number | null>
  /** The nearest deadline of a task that no agent has in hand; null when there is none. */
  nextTaskDeadlineMs(): Promise<number | null>
  /** Tasks that are dead letters now, in the order in which they died. */
  deadLetters(filter: DeadFilter, ask: PageAsk): Promise<Page<TaskView>>
  deadLettersOf(task: string): Promise<readonly DeadLetterView[]>
  /** Payloads that were replaced, oldest first. */
  payloadsOf(task: string): Promise<readonly PayloadView[]>
  /** What a task comes after, in the order of submission. */
  dependencies(task: string): Promise<readonly DependencyView[]>
  state(name: string): Promise<StateView | undefined>
  states(ask: PageAsk): Promise<Page<StateView>>
  lock(name: string): Promise<LockView | undefined>
  locks(ask: PageAsk): Promise<Page<LockView>>
  settlement(id: string): Promise<SettlementView | undefined>
  settlementByReference(payer: string, reference: string): Promise<SettlementView | undefined>
  /** Those of these references that are there, in any order; at most 1,000 references a call. */
  settlementsByReferences(payer: string, references: readonly string[]): Promise<readonly SettlementView[]>
  settlements(filter: SettlementFilter, ask: PageAsk): Promise<Page<SettlementView>>
  settlementCounts(batch?: string): Promise<
    readonly {
      readonly channel: string
      readonly currency: string
      readonly state: SettlementState
      readonly count: number
      readonly amountMinor: bigint
      readonly tries: number
      /** Of these, how many wait for a person. */
      readonly persons: number
    }[]
  >
  /** Settlements in a state that the sitter must act on at or before `wallMs`. */
  settlementsDue(wallMs: number, limit: number): Promise<readonly SettlementView[]>
  nextSettlementDueMs(): Promise<number | null>
  /**
   * Payments that somebody may have to look at, read without a pass over the others. `unknown`: how many there are, and
   * which has been so for longest: since its last request's connection closed, whatever was asked about it later.
   */
  settlementsOfConcern(): Promise<{
    readonly persons: number
    readonly unknown: { readonly count: number; readonly oldest: string; readonly sinceMs: number } | null
  }>
  intents(settlement: string): Promise<readonly IntentView[]>
  intentByGrant(grant: string): Promise<IntentView | undefined>
  openIntents(limit: number, afterGrant: string | null): Promise<readonly IntentView[]>
  batch(id: string): Promise<BatchView | undefined>
  batchByContent(contentHash: string): Promise<BatchView | undefined>
  batches(ask: PageAsk): Promise<Page<BatchView>>
  /** Transfers after a cursor and all accounts, of one moment: no commit lies between the two. */
  books(
    ask: PageAsk,
  ): Promise<{ readonly transfers: readonly TransferView[]; readonly accounts: readonly AccountView[] }>
  accounts(): Promise<readonly AccountView[]>
  transfers(ask: PageAsk, settlement?: string): Promise<Page<TransferView>>
  /**
   * Settlements whose state and ledger transfers contradict each other, at most `limit`; empty when the books agree.
   */
  ledgerDisagreements(
    limit: number,
  ): Promise<readonly { readonly settlement: string; readonly state: SettlementState; readonly transfers: string }[]>
  events(ask: PageAsk & EventFilter & { readonly newestFirst?: boolean }): Promise<Page<EventView>>
  /** All modes that are set; bounded by what they can be set for. */
  modes(): Promise<readonly ModeRow[]>
  audit(fromSeq: number, limit: number): Promise<readonly AuditView[]>
  auditHead(): Promise<{ readonly seq: number; readonly hash: string }>
  request(
    key: string,
  ): Promise<
    | { readonly requestHash: string; readonly status: number; readonly body: string; readonly untilMs: number }
    | undefined
  >
  /** A write with an Idempotency-Key that began and was not answered. */
  requestBegun(key: string): Promise<{ readonly requestHash: string; readonly untilMs: number } | undefined>
  /** Tokens that are not revoked, or were so not long ago, oldest first; bounded where they are made. */
  tokens(): Promise<readonly TokenView[]>
  /** A version of the configuration, the newest one for null. */
  configVersion(version: number | null): Promise<ConfigVersionView | undefined>
  /** Newest first. */
  configVersions(ask: PageAsk): Promise<Page<ConfigVersionView>>
  /**
   * Milliseconds from submission to end of succeeded tasks: p50, p95 and p99 of the batch, or of the newest 20,000
   * tasks; null when none of these has succeeded. `count` is of all.
   */
  taskDurations(
    type: string,
    batch?: string,
  ): Promise<{ readonly count: number; readonly p50: number; readonly p95: number; readonly p99: number } | null>
  /**
   * Milliseconds from when a task could start (submission, or the end of its delay) to its first start, of the newest
   * 20,000 tasks that have started and waited for no others; null when there are none.
   */
  taskWaits(type: string): Promise<{ readonly p50: number; readonly p95: number; readonly p99: number } | null>
  /** Sum of the costs of closed intents. */
  costTotals(): Promise<CostTotals>
}
