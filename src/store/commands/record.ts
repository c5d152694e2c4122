/** Commands of the record: events for people, audit entries for proof, answers kept for idempotent requests. */
import type { Defined } from './result.ts'

export interface NewEvent {
  /** `agent.quarantined`, `cell.lost`, `settlement.unknown`, …: noun.past-tense. */
  readonly kind: string
  readonly level: 'info' | 'warn' | 'error'
  /** The id it is about: `settler/0042`, `cel_…`, `tsk_…`, `set_…`, `sitter`, `gate`. */
  readonly subject: string
  readonly message: string
  readonly facts: Readonly<Record<string, unknown>>
}
export type EventsAdd = Defined<'events.add', { readonly events: readonly NewEvent[]; readonly wallMs: number }, null>

export interface NewAudit {
  /** Authenticated actor: `operator:token-name`, `agent:settler/0042`, `sitter`, `gate`. */
  readonly actor: string
  readonly action: string
  readonly object: string
  readonly decision: 'allowed' | 'refused' | 'done'
  readonly facts: Readonly<Record<string, unknown>>
}
/** Sequence number, previous hash and hash are given by the record, in commit order. */
export type AuditAppend = Defined<
  'audit.append',
  { readonly entries: readonly NewAudit[]; readonly wallMs: number },
  { readonly lastSeq: number }
>

/**
 * Remembers the answer to a write that carried an Idempotency-Key. Refused `exists` (same request) or
 * `exists-with-different`.
 */
export type RequestRemember = Defined<
  'request.remember',
  {
    readonly key: string
    readonly requestHash: string
    readonly status: number
    readonly body: string
    readonly untilMs: number
    readonly wallMs: number
  },
  null
>

export type RecordCommand = EventsAdd | AuditAppend | RequestRemember
