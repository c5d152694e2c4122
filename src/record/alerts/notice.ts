/** What is told about an incident: one JSON document for every target, and when a target that failed is tried again. */
import type { Severity } from '../../model/model.ts'
import type { IncidentView, NoticeView } from '../../store/store.ts'

export interface Notice {
  readonly version: 1
  readonly swarm: string
  readonly status: 'firing' | 'resolved'
  /** The same for `firing` and `resolved`, and for each time that the condition comes back. */
  readonly key: string
  readonly incident: string
  readonly severity: Severity
  readonly title: string
  readonly facts: Readonly<Record<string, unknown>>
  readonly proposed: string
  /** ISO 8601. */
  readonly openedAt: string
  readonly resolvedAt: string | null
  readonly resolvedBy: string | null
  /** One line for chats that show only this. */
  readonly text: string
}

const iso = (wallMs: number): string => new Date(wallMs).toISOString()

export const noticeOf = (swarm: string, incident: IncidentView, kind: NoticeView['kind']): Notice => {
  const { id, key, severity, title, facts, proposed, openedMs, resolvedMs, resolvedBy } = incident
  const isOver = kind === 'resolve'
  return {
    version: 1,
    swarm,
    status: isOver ? 'resolved' : 'firing',
    key: `${swarm}/${key}`,
    incident: id,
    severity,
    title,
    facts,
    proposed,
    openedAt: iso(openedMs),
    resolvedAt: isOver && resolvedMs !== null ? iso(resolvedMs) : null,
    resolvedBy: isOver ? resolvedBy : null,
    text: isOver ? `[${swarm}] resolved: ${title}` : `[${swarm}] ${severity}: ${title}. ${proposed}`,
  }
}

/** Waits after each failed try. After the last the notice is given up, which is an event of its own. */
const waitsMs = [5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000] as const
export const mostTries = waitsMs.length + 1

/** When to try again after so many tries; null = give up. What the target asked for is a minimum, up to the longest. */
export const waitAfter = (tries: number, askedMs: number | null): number | null => {
  const ownMs = waitsMs[tries - 1]
  return ownMs === undefined ? null : Math.max(ownMs, Math.min(askedMs ?? 0, waitsMs.at(-1)!))
}
