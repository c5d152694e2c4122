/** Rows of incidents and notices as both engines give them, and what readers see of them. */
import type { Severity } from '../model/model.ts'
import type { IncidentView, NoticeView } from './incident-queries.ts'

export interface IncidentRow {
  readonly seq: number
  readonly id: string
  readonly key: string
  readonly severity: string
  readonly title: string
  readonly facts: string
  readonly proposed: string
  readonly opened_ms: number
  readonly changed_ms: number
  readonly acked_by: string | null
  readonly acked_ms: number | null
  readonly resolved_by: string | null
  readonly resolved_ms: number | null
}
export const incidentView = (row: IncidentRow): IncidentView => ({
  id: row.id,
  key: row.key,
  severity: row.severity as Severity,
  title: row.title,
  facts: JSON.parse(row.facts) as Record<string, unknown>,
  proposed: row.proposed,
  openedMs: row.opened_ms,
  changedMs: row.changed_ms,
  ackedBy: row.acked_by,
  ackedMs: row.acked_ms,
  resolvedBy: row.resolved_by,
  resolvedMs: row.resolved_ms,
})

export interface NoticeRow {
  readonly seq: number
  readonly incident: string
  readonly kind: string
  readonly target: string
  readonly made_ms: number
  readonly tries: number
  readonly due_ms: number | null
  readonly ended: string | null
  readonly ended_ms: number | null
  readonly error: string | null
}
export const noticeView = (row: NoticeRow): NoticeView => ({
  seq: row.seq,
  incident: row.incident,
  kind: row.kind as NoticeView['kind'],
  target: row.target,
  madeMs: row.made_ms,
  tries: row.tries,
  dueMs: row.due_ms,
  ended: row.ended as NoticeView['ended'],
  endedMs: row.ended_ms,
  error: row.error,
})
