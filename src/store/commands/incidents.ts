/**
 * Commands of incidents: a condition that somebody must know of, from when it began to hold until it holds no more.
 * What is to be sent about it (notices) is written with it, so that a crash between the two sends neither less nor
 * another.
 */
import type { Severity } from '../../model/model.ts'
import type { Defined } from './result.ts'

export interface IncidentText {
  readonly severity: Severity
  readonly title: string
  readonly facts: Readonly<Record<string, unknown>>
  /** What a person may do about it. */
  readonly proposed: string
}
/** To be sent to a target, as the configuration names it. */
export interface NewNotice {
  readonly target: string
  readonly dueMs: number
}

/** Refused `exists` while one with this key is open. */
export type IncidentOpen = Defined<
  'incident.open',
  IncidentText & {
    /** `inc_…` */
    readonly id: string
    /** Of its condition: the same for each time that it comes back. */
    readonly key: string
    readonly notices: readonly NewNotice[]
    readonly wallMs: number
  },
  null
>
/** The condition still holds, and looks otherwise. Refused `stale` when it is over. */
export type IncidentChange = Defined<
  'incident.change',
  IncidentText & { readonly id: string; readonly notices: readonly NewNotice[]; readonly wallMs: number },
  null
>
/** Refused `stale` when it is over, `not-found` when there is none. */
export type IncidentResolve = Defined<
  'incident.resolve',
  {
    readonly id: string
    /** `sitter` when its condition holds no more, else the actor. */
    readonly by: string
    readonly notices: readonly NewNotice[]
    readonly wallMs: number
  },
  null
>
/** Somebody has seen it. Refused `stale` when it is over, `exists` when it was seen before, `not-found`. */
export type IncidentAck = Defined<
  'incident.ack',
  { readonly id: string; readonly by: string; readonly wallMs: number },
  null
>

/** Nothing is sent about conditions whose key begins so until then; said again, the later word holds. */
export type SilenceSet = Defined<
  'silence.set',
  { readonly prefix: string; readonly untilMs: number; readonly by: string; readonly wallMs: number },
  null
>
/** Refused `not-found` when there is none. */
export type SilenceEnd = Defined<'silence.end', { readonly prefix: string }, null>

/** What came of sending a notice. Refused `stale` when it was sent or given up before. */
export type NoticeTried = Defined<
  'notice.tried',
  {
    readonly seq: number
    readonly outcome: 'sent' | 'again' | 'given-up'
    readonly error: string | null
    /** Of the next try. */
    readonly dueMs: number
    readonly wallMs: number
  },
  null
>

export type IncidentCommand =
  | IncidentOpen
  | IncidentChange
  | IncidentResolve
  | IncidentAck
  | SilenceSet
  | SilenceEnd
  | NoticeTried
