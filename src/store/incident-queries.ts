/** Reads about incidents, what was made of them, and silences. */
import type { Severity } from '../model/model.ts'
import type { Page, PageAsk } from './page.ts'

/** One time that a condition held. `resolvedBy` = `sitter` when it holds no more by itself. */
export interface IncidentView {
  readonly id: string
  readonly key: string
  readonly severity: Severity
  readonly title: string
  readonly facts: Readonly<Record<string, unknown>>
  readonly proposed: string
  readonly openedMs: number
  readonly changedMs: number
  readonly ackedBy: string | null
  readonly ackedMs: number | null
  readonly resolvedBy: string | null
  readonly resolvedMs: number | null
}
/** What is to be sent, or was, about an incident to one target. `error` is what the last try came to. */
export interface NoticeView {
  readonly seq: number
  readonly incident: string
  readonly kind: 'trigger' | 'change' | 'resolve'
  readonly target: string
  readonly madeMs: number
  readonly tries: number
  readonly dueMs: number | null
  readonly ended: 'sent' | 'given-up' | null
  readonly endedMs: number | null
  readonly error: string | null
}
export interface SilenceView {
  readonly prefix: string
  readonly untilMs: number
  readonly by: string
  readonly setMs: number
}

export interface IncidentQueries {
  incident(id: string): Promise<IncidentView | undefined>
  /** Newest first; `open` = only those that are not over. */
  incidents(ask: PageAsk & { readonly open?: boolean }): Promise<Page<IncidentView>>
  /** What was made of an incident, oldest first. */
  noticesOf(incident: string): Promise<readonly NoticeView[]>
  noticesDue(wallMs: number, limit: number): Promise<readonly NoticeView[]>
  /** Those that hold at this wall time. */
  silences(wallMs: number): Promise<readonly SilenceView[]>
}
