/** Steps of rules as the record has them: an event, which can be asked for by its subject, and an audit entry each. */
import type { ModeTarget } from '../../model/model.ts'
import type { Command } from '../../store/store.ts'
import { subjectOf } from './target.ts'

export interface Step {
  readonly target: ModeTarget
  readonly from: string
  readonly to: string
  readonly why: string
  readonly isDown: boolean
  /** Beside those. */
  readonly facts?: Readonly<Record<string, string | number | boolean | null>>
}

/** None when there is no step. */
export const tellingOf = (steps: readonly Step[], actor: string, wallMs: number): Command[] => {
  if (steps.length === 0) return []
  const told = steps.map(({ target, from, to, why, isDown, facts }) => ({
    target,
    isDown,
    name: `mode.stepped-${isDown ? 'down' : 'up'}`,
    message: `${target}: ${from} → ${to}: ${why}`,
    facts: { target, from, to, why, ...facts },
  }))
  return [
    {
      kind: 'events.add',
      with: {
        wallMs,
        events: told.map(({ target, isDown, facts, name, message }) => ({
          kind: name,
          level: isDown ? ('warn' as const) : ('info' as const),
          subject: subjectOf(target),
          message,
          facts,
        })),
      },
    },
    {
      kind: 'audit.append',
      with: {
        wallMs,
        entries: told.map(({ target, facts, name }) => ({
          actor,
          action: name,
          object: target,
          decision: 'done' as const,
          facts,
        })),
      },
    },
  ]
}
