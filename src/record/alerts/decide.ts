/**
 * From conditions that hold now to incidents: a pure function of (conditions, open incidents, what was seen, now).
 *
 *   condition holds for `afterMs` ─▶ open ─ holds no more for `calmMs` ─▶ resolve
 *                                     └ severity or words differ ─▶ change
 *
 * What comes and goes within `calmMs` is one incident: a sleeper is woken once for a thing that flaps. Times are
 * monotonic ms.
 */
import type { Severity } from '../../model/model.ts'

export interface Condition {
  /** The same for each time that it holds: `gate`, `agents/settler`. */
  readonly key: string
  readonly severity: Severity
  /** One sentence, with its figures. */
  readonly title: string
  readonly facts: Readonly<Record<string, unknown>>
  /** What a person may do about it. */
  readonly proposed: string
  /** How long it must hold before anybody is told; 0 when absent. */
  readonly afterMs?: number
}

/** How long a condition has held or not held, as far as this process has seen. */
export interface Seen {
  readonly sinceMs: number
  readonly goneMs: number | null
}
export interface OpenIncident {
  readonly id: string
  readonly key: string
  readonly severity: Severity
  readonly title: string
  /** When its words were last written, on the monotonic clock. */
  readonly writtenMs: number
}
export interface Looked {
  readonly open: readonly Condition[]
  readonly change: readonly { readonly id: string; readonly condition: Condition; readonly worse: boolean }[]
  readonly resolve: readonly string[]
  readonly seen: ReadonlyMap<string, Seen>
}

export const calmMs = 30_000
/** Words alone (a count that rises) are written this often at most. */
const wordsEveryMs = 60_000

export const lookAtConditions = (
  conditions: readonly Condition[],
  incidents: readonly OpenIncident[],
  before: ReadonlyMap<string, Seen>,
  nowMs: number,
): Looked => {
  const opened = new Map(incidents.map((incident) => [incident.key, incident]))
  const seen = new Map<string, Seen>()
  const open: Condition[] = []
  const change: Looked['change'][number][] = []
  const resolve: string[] = []
  for (const condition of conditions) {
    const sinceMs = before.get(condition.key)?.sinceMs ?? nowMs
    seen.set(condition.key, { sinceMs, goneMs: null })
    const incident = opened.get(condition.key)
    if (incident === undefined) {
      if (nowMs - sinceMs >= (condition.afterMs ?? 0)) open.push(condition)
      continue
    }
    const worse = condition.severity === 'critical' && incident.severity === 'warning'
    const otherWords = condition.title !== incident.title && nowMs - incident.writtenMs >= wordsEveryMs
    if (condition.severity !== incident.severity || otherWords) change.push({ id: incident.id, condition, worse })
  }
  for (const { id, key } of incidents) {
    if (seen.has(key)) continue
    const known = before.get(key)
    const goneMs = known?.goneMs ?? nowMs
    seen.set(key, { sinceMs: known?.sinceMs ?? nowMs, goneMs })
    if (nowMs - goneMs >= calmMs) resolve.push(id)
  }
  return { open, change, resolve, seen }
}
