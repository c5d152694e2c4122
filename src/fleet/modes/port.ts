/** Modes of the swarm, its types, agents and channels: who set them, why, and how each ends. */
import type { CallsHeard, ToldMode } from '../../wire/wire.ts'
import type { Exit, Mode, ModeScope, ModeTarget } from '../../model/model.ts'

export interface ModeSetting {
  readonly target: ModeTarget
  /** `config`: an override of the configuration. `budget`: what it may spend is spent; the gate knows that itself. */
  readonly source: 'person' | 'rule' | 'config' | 'budget' | 'repeats'
  readonly mode: Mode
  readonly reason: string
  readonly actor: string
  readonly sinceMs: number
  readonly exit: Exit
}

/** The strictest setting that holds for somebody, the widest of equals; active by nobody when none is set. */
export interface EffectiveMode extends Omit<ModeSetting, 'source' | 'exit'> {
  readonly source: ModeSetting['source'] | null
  readonly exit: Exit | null
  /** Only a person ends it. */
  readonly person: boolean
}

/** Who may spend nothing more for now. */
export interface Spent {
  readonly per: string
  /** `settler/0042` or `settler`. */
  readonly owner: string
  readonly budget: string
  readonly spent: string
  readonly most: string
  readonly endsMs: number
}

/** Who makes the same call again and again. */
export interface Repeating {
  readonly agent: string
  readonly call: string
  readonly times: number
  /** Within the window of the rule. */
  readonly lately: number
  readonly sinceMs: number
}

export interface ModeBy {
  readonly actor: string
  readonly reason: string
  /** Null = until a person says otherwise. */
  readonly forMs: number | null
}
export interface ModeAnswer {
  readonly target: ModeTarget
  /** What holds for the target by itself now: stricter than asked where a rule or the configuration says so. */
  readonly mode: Mode
  readonly settings: readonly ModeSetting[]
  /** Whether the gate has written it down. */
  readonly gate: 'taken' | 'unknown'
}

export type Evidence = 'worked' | 'failed' | 'credential'

export interface Modes {
  of(scope: ModeScope): EffectiveMode
  /** All that are set, by target; rules that only watch are not among them. */
  list(): readonly ModeSetting[]
  /**
   * A person's word. `active` takes back what a person had set, and lets a rule begin anew. Rejects `not-found` for a
   * target that is not configured. Resolves when it is recorded, and the gate was told or is known not to be there.
   */
  set(target: ModeTarget, mode: Mode, by: ModeBy): Promise<ModeAnswer>
  /** What became of a call or an attempt. */
  heard(target: ModeTarget, evidence: Evidence): void
  /** What came of calls that agents made themselves, for the rules that count them. */
  called(agents: readonly CallsHeard[]): void
  /** All that have spent what they may, by the gate's word of now; whoever is not among them is not parked for it. */
  spent(spent: readonly Spent[]): void
  /** All that the gate sees repeat themselves now; whoever is not among them does not. */
  repeating(seen: readonly Repeating[]): void
  /** What the gate is to be told. */
  told(): readonly ToldMode[]
  /** The configuration is another one. */
  reconfigured(): void
  /** From now on what has an end ends, and rules act. */
  start(): void
  stop(): void
}
