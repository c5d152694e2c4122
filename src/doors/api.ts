/**
 * What the HTTP door answers, and the CLI and the page read. Amounts are text in major units ("12.34") beside their
 * currency, times are wall ms. Lists are `{items, next, coverage?}`; errors are RFC 9457 problem documents with a
 * stable `code`.
 */
import type { AgentView, CellStatus, EffectiveMode, FleetSummary, ModeAnswer, ModeSetting } from '../fleet/fleet.ts'
import type { ConfigPlan } from '../config/config.ts'
import type { FreezeNote } from '../gatelink/gatelink.ts'
import type { Family, LogLine, LogPage, Role } from '../record/record.ts'
import type { BatchAnswer, LedgerCheck, SettleSummary } from '../settle/settle.ts'
import type {
  AttemptView,
  BatchView,
  CellView,
  ConfigVersionView,
  DeadLetterView,
  DependencyView,
  EventView,
  IncidentView,
  IntentView,
  NoticeView,
  PayloadView,
  TaskView,
} from '../store/store.ts'
import type { RedriveAnswer, WorkSummary } from '../work/work.ts'
import type { AgentLimits, BackupAnswer, GateStatus, RekeyAnswer, RenewalView, VaultView } from '../wire/wire.ts'

export type * from './costs-api.ts'

export interface List<Item> {
  readonly items: readonly Item[]
  readonly next: string | null
  readonly coverage?: { readonly reporting: number; readonly of: number; readonly oldestMs: number | null }
}

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly facts?: Readonly<Record<string, unknown>>
}

/** GET /api/v1/swarm */
export interface SwarmView {
  readonly name: string
  readonly version: string
  readonly nodeVersion: string
  readonly owner: string
  readonly epoch: number
  readonly pid: number
  readonly startedMs: number
  readonly nowMs: number
  readonly fleet: FleetSummary
  readonly work: WorkSummary
  readonly settle: SettleSummary
  readonly ledger: LedgerCheck
  readonly gate: GateStatus | { readonly unknown: string }
  /** `frozen`: by the file or by the gate's word; `gate`: what the gate itself says; `by`: what the file says. */
  readonly freeze: {
    readonly frozen: boolean | 'unknown'
    readonly gate: boolean | 'unknown'
    readonly by: FreezeNote | null
  }
  /** Modes that are set: how many, and the first twenty. */
  readonly modes: { readonly count: number; readonly items: readonly ModeSetting[] }
  readonly durations: Readonly<
    Record<string, { readonly count: number; readonly p50: number; readonly p95: number; readonly p99: number } | null>
  >
  /**
   * Wall time at which work, settle, ledger, durations and agentsThatSucceeded were computed; the rest is as of
   * `nowMs`.
   */
  readonly figuresMs: number
  /** Distinct agents that finished at least one of the newest 20,000 tasks with success. */
  readonly agentsThatSucceeded: number
  /**
   * True when nothing can advance without a person: no ready or running task, none waiting for time, no settlement
   * under way.
   */
  readonly idle: boolean
  /** Everything that waits for a person. */
  readonly person: number
  /** Tasks that are ready and have nobody: every agent of their type is out of work. Absent = none. */
  readonly stalled?: readonly StalledWork[]
  /** Capabilities that this version does not have; each a plain sentence. */
  readonly notBuilt: readonly string[]
}
export interface StalledWork {
  /** Task type, and the agents that could do it. */
  readonly type: string
  readonly agentType: string
  readonly ready: number
  /** How those agents are: all of them are in one of these. */
  readonly states: Readonly<Record<string, number>>
}
/** GET /api/v1/agents/{type}/{number} */
export interface AgentDescription extends AgentView {
  /** The mode that holds for it, whose it is, why, and how it ends. */
  readonly holds: EffectiveMode
  /** Limits over upstreams that count its calls, as the gate says; `unknown` = it does not. */
  readonly limits: AgentLimits | 'unknown'
  readonly timeLine: readonly EventView[]
  readonly attempts: readonly AttemptView[]
  /** Only so many of the newest tasks were looked through for them (and all retried ones); null = all. */
  readonly attemptsOfNewestTasks: number | null
}
/** A cell that lives, or one that is gone and of which only events tell. */
export interface CellDescription extends Partial<CellStatus> {
  readonly id: string
  readonly gone: boolean
  readonly timeLine: readonly EventView[]
}
/** POST /api/v1/agents/{type}[/{number}]/start and its like. */
export interface AgentOrderAnswer {
  readonly asked: string
  readonly agents: readonly string[]
  /** Agents of the type whose state does not allow it: nothing was done to them. */
  readonly left: readonly { readonly agent: string; readonly state: string }[]
}
/** GET /api/v1/tasks/{id} */
export interface TaskDescription extends TaskView {
  readonly history: readonly AttemptView[]
  /** Every death; a redriven one is linked to the life that followed it: its own `life` + 1. */
  readonly deadLetters: readonly DeadLetterView[]
  readonly comesAfter: readonly DependencyView[]
  /** Payloads that were replaced. */
  readonly payloads: readonly PayloadView[]
}
export interface SettlementAnswer {
  readonly id: string
  readonly payer: string
  readonly reference: string
  readonly payee: string
  readonly amount: string
  readonly currency: string
  readonly channel: string
  readonly state: string
  readonly reason: string | null
  readonly providerKey: string
  readonly providerReference: string | null
  readonly batch: string | null
  readonly task: string | null
  readonly agent: string | null
  readonly tries: number
  readonly person: boolean
  readonly nextMs: number | null
  readonly createdMs: number
  readonly updatedMs: number
}
export interface SettlementDescription extends SettlementAnswer {
  readonly intents: readonly IntentView[]
  readonly transfers: readonly TransferAnswer[]
  readonly timeLine: readonly EventView[]
}
export interface TransferAnswer {
  readonly seq: number
  readonly id: string
  readonly kind: string
  readonly pendingId: string | null
  readonly debit: string
  readonly credit: string
  readonly amount: string
  readonly currency: string
  readonly settlement: string | null
  readonly wallMs: number
}
export interface AccountAnswer {
  readonly code: string
  readonly currency: string
  readonly debitsPending: string
  readonly debitsPosted: string
  readonly creditsPending: string
  readonly creditsPosted: string
}
export interface BatchDescription extends BatchView {
  /**
   * What became of its rows, item by item; the four sum to `rows`. `inDoubt`: it may or may not have been paid; `open`:
   * proven not to have been paid yet, and not at its end.
   */
  readonly outcome: {
    readonly accepted: number
    readonly rejected: number
    readonly inDoubt: number
    readonly open: number
  }
  readonly tasks: Readonly<Record<string, number>>
  readonly settlements: Readonly<
    Record<string, { readonly count: number; readonly amounts: Readonly<Record<string, string>> }>
  >
}
/**
 * GET /api/v1/agents/map: one letter a state for each agent, compact enough for a page to ask every second. `letters`
 * tells what each letter means; `ranges` are the agents' numbers in order, both ends included, and `states` has one
 * letter for each of them.
 */
export interface AgentMap {
  readonly nowMs: number
  readonly letters: Readonly<Record<string, string>>
  readonly types: readonly {
    readonly type: string
    readonly ranges: readonly (readonly [number, number])[]
    readonly states: string
  }[]
  readonly byState: FleetSummary['byState']
  readonly coverage: FleetSummary['coverage']
}
/**
 * One line of the answer to POST /api/v1/tasks:batch; `item` counts the non-empty lines from 1. The last line of an
 * answer is a BatchEnd.
 */
export type BatchLine =
  | { readonly item: number; readonly id: string; readonly outcome: 'created' | 'exists' }
  | { readonly item: number; readonly code: string; readonly detail: string }
export interface BatchEnd {
  readonly end: true
  readonly items: number
  readonly created: number
  readonly existed: number
  readonly refused: number
}
/** One of GET /api/v1/channels. */
export interface ChannelAnswer {
  readonly name: string
  readonly kind: string
  readonly upstream: string
  readonly payer: string
  readonly pay: string
  /** How an unknown outcome is resolved; null = by a person. */
  readonly resolve: string | null
  readonly tries: number
  readonly settlements: Readonly<Record<string, number>>
}
/** GET /api/v1/audit/checkpoint: keep it elsewhere, and `audit verify --anchor` finds a tail that was cut since. */
export interface Checkpoint {
  readonly swarm: string
  readonly seq: number
  readonly hash: string
  readonly atMs: number
}
/** One of GET /api/v1/audit/entries: `entry` is the text that is hashed, `prev` and `hash` are SHA-256 hex. */
export interface AuditAnswer {
  readonly seq: number
  readonly entry: string
  readonly prev: string
  readonly hash: string
}
/** One of GET /api/v1/alerts: an open incident, and until when nothing is sent about it. */
export interface AlertAnswer extends IncidentView {
  readonly silencedUntilMs: number | null
}
/** GET /api/v1/incidents/{id}; `timeLine` null = it lies too far back. */
export interface IncidentDescription extends IncidentView {
  readonly notices: readonly NoticeView[]
  readonly timeLine: readonly EventView[] | null
}
/** One of `sitter vault status`: a credential of the configuration, and which secrets of its pool the gate holds. */
export interface VaultStatusRow {
  readonly name: string
  readonly pool: readonly string[]
  readonly state: 'set' | 'partly set' | 'missing'
  readonly versions: readonly string[]
  /** Where each secret of the pool is with its renewal. */
  readonly renewals: readonly { readonly name: string; readonly renewal: string }[]
  /** What waits for a person. */
  readonly waits: readonly string[]
  /** The credential of another account that goes for it where that is right, and whether it does now; null = none. */
  readonly fallback: { readonly name: string; readonly isUsed: boolean; readonly why: string | null } | null
}
/** One of `sitter audit search`: an entry as it was hashed, with its number; what cannot be read is left out. */
export interface AuditRow {
  readonly seq: number
  readonly ts?: number
  readonly actor?: string
  readonly action?: string
  readonly object?: string
  readonly decision?: string
  readonly facts?: Readonly<Record<string, unknown>>
}
/** POST /api/v1/cells/{id}/challenge: what the cell itself answered just now. */
export interface ChallengeAnswer {
  readonly cell: string
  readonly agents: readonly string[]
  readonly askedMs: number
  readonly answeredMs: number
}
/** GET /api/v1/config/current; `version` is null when the record has another newest one. */
export interface ConfigAnswer {
  readonly version: number | null
  readonly hash: string
  readonly file: string
  readonly baseDirectory: string
  readonly raw: unknown
}
/** One of GET /api/v1/config/versions. */
export type ConfigVersionAnswer = Omit<ConfigVersionView, 'raw'>
/** POST /api/v1/config/validate */
export interface ConfigCheckAnswer {
  readonly valid: true
  readonly hash: string
  readonly base: string
  readonly plan: ConfigPlan
}
/** One of GET /api/v1/tokens; `usedMs` lags up to a minute behind. */
export interface TokenAnswer {
  readonly id: string
  readonly name: string
  readonly role: string
  readonly actor: string
  readonly createdMs: number
  readonly expiresMs: number | null
  readonly usedMs: number | null
  readonly revokedMs: number | null
}
/** GET /api/v1/tokens/self */
export interface SelfAnswer {
  readonly name: string
  readonly role: Role
  readonly actor: string
  /** Who may use each path (`POST /api/v1/swarm/freeze`) that is not for every role. The door asks again each time. */
  readonly restricted: Readonly<Record<string, readonly Role[]>>
}
/** GET /api/v1/metrics: as /metrics. */
export interface MetricsAnswer {
  /** Wall time at which they were read. */
  readonly atMs: number
  readonly families: readonly Family[]
}
/**
 * GET /api/v1/logs?id&level&since&grep&limit&after: the newest lines, or those that follow `after` (the `place` of an
 * earlier answer), oldest first.
 */
export interface LogAnswer extends Omit<LogPage, 'lines'>, List<LogLine> {}
export interface InboxItem {
  readonly kind: 'unknown-settlement' | 'held-settlement' | 'dead-letter' | 'quarantined' | 'credential' | 'mode'
  /**
   * Of a payment, a task, a credential or an agent; the type when several of its agents share a cause; whose mode a
   * person has set.
   */
  readonly id: string
  /** Payments, tasks or agents that this row stands for. */
  readonly count: number
  readonly what: string
  /** What items of one kind have in common: their words without what names one of them. */
  readonly cause: string
  readonly sinceMs: number
  readonly wayOut: string
}
/** GET /api/v1/inbox?by=cause: all of a kind that have one cause; `more`: of 5,000 items no further was looked. */
export interface InboxCause extends Omit<InboxItem, 'id'> {
  /** The first 20. */
  readonly ids: readonly string[]
  /** What chooses dead letters like these; `error` only where all of them share a text. */
  readonly like?: { readonly type: string; readonly error?: string }
}
export interface InboxCauses {
  readonly items: readonly InboxCause[]
  readonly more: boolean
}
export interface AuditVerdict {
  readonly ok: boolean
  readonly entries: number
  readonly firstBad: number | null
  readonly why: string | null
  readonly head: string
}
/** GET /api/v1/credentials/{name}: how it renews itself, and its versions. */
export interface CredentialDescription extends RenewalView {
  readonly versions: VaultView['credentials']
}
/** One version of a secret, and what happened to its name. */
export interface SecretDescription {
  readonly name: string
  readonly version: number
  readonly state: string
  readonly fingerprint: string
  readonly setMs: number
  readonly usedMs: number | null
  readonly usedBy: string
  readonly renewal: RenewalView | null
  readonly timeLine: readonly EventView[]
}
export type {
  AgentView,
  BackupAnswer,
  BatchAnswer,
  CellStatus,
  CellView,
  EffectiveMode,
  EventView,
  LedgerCheck,
  ModeAnswer,
  ModeSetting,
  RedriveAnswer,
  RekeyAnswer,
  RenewalView,
  VaultView,
}
export type { LimitUsage, UpstreamAnswer, UpstreamShown } from './upstreams.ts'
