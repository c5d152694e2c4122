/** Commands of modes: what a person, or a rule, has set for a target; one of each at most. */
import type { Mode } from '../../model/model.ts'
import type { Defined } from './result.ts'

export interface ModeRow {
  /** `swarm`, `type:settler`, `agent:settler/0042`, `channel:northbank` */
  readonly target: string
  /** `repeats`: the rule for runaways. */
  readonly source: 'person' | 'rule' | 'repeats'
  /** A rule keeps its row while it watches what it let go on: `active` then. */
  readonly mode: Mode
  readonly reason: string
  readonly actor: string
  readonly sinceMs: number
  /** A person's word that ends by itself; null = it stays until a person changes it. */
  readonly untilMs: number | null
  /** What a rule remembers, JSON; null of a person's word. */
  readonly state: string | null
}

/** Replaces what the same source had set for the target. */
export type ModePut = Defined<'mode.put', ModeRow, null>
export type ModeClear = Defined<'mode.clear', Pick<ModeRow, 'target' | 'source'>, null>

export type ModeCommand = ModePut | ModeClear
