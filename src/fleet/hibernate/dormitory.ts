/** What is kept of those that sleep. Plain records, changed only by the files of this folder. */
import type { AgentStateName } from '../../model/model.ts'
import type { Cancel, Stamp } from '../../std/std.ts'
import type { Bucket } from './decide.ts'

/** An agent's machine while it lies nowhere else. It is given to one host, once: then it is forgotten. */
export interface Bed {
  readonly set: Stamp
  /** From then until its next timer; null = it has none. */
  readonly dueInMs: number | null
  /** Without it the file means nothing; null until the file is written. */
  hash: string | null
  /** In memory until the file is written, and again when a host is about to get it. */
  snapshot: Uint8Array | null
  cancelDue: Cancel | null
}

/** Of one type that may sleep. */
export interface SleepersOf<Agent> {
  readonly type: string
  /** Those that sleep, in the order in which they fell asleep. */
  readonly asleep: Set<Agent>
  /** On their way into sleep: nobody can take them, and they sleep, or are free again, in a moment. */
  readonly dozing: Set<Agent>
  /** Asleep, and their own time to wake has come. */
  readonly called: Set<Agent>
  readonly counts: Map<AgentStateName, number>
  /** Tasks that wait for an agent of the type: as last told, less those that were given out since. */
  waiting: number
  /** Agents that were taken for a claim which has not ended: each will have one of those tasks, or be free again. */
  taken: number
  /** People know that nobody of it can be woken. */
  told: boolean
  /** Of the look at the one that has been idle longest. */
  cancelLook: Cancel | null
  /** By the kind of event: agents of which none has told yet; absent = the next is told at once. */
  readonly news: Map<string, number>
}

export interface DormitoryOf<Agent> {
  readonly types: Map<string, SleepersOf<Agent>>
  /** What wakes cost: of agents with a process of their own, and of those that share one. */
  processes: Bucket
  shared: Bucket
  /** Whose turn it is to be dealt the first token. */
  turn: number
  cancelWake: Cancel | null
  planned: boolean
  /** Until then no machine is kept: there was no room for the last one (monotonic). */
  noBedsUntilMs: number
}
