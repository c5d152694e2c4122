/**
 * What every contestant is, ours or a peer: tasks go in, outcomes come back when they are recorded durably. Peers are
 * JavaScript (contestants/*.mjs), so that the checkout compiles without their packages.
 */
import type { Outcome } from './figures.ts'

export interface Entry {
  /** A fresh directory of its own. */
  readonly directory: string
  /** Path of a fresh Redis's socket (appendfsync always), for those that asked for one. */
  readonly redis: string
  /** Connection string of a fresh database (synchronous_commit on), for those that asked for one. */
  readonly postgres: string
  readonly options: Readonly<Record<string, number | string | boolean>>
  /** Called once a task, when its outcome is recorded. */
  readonly done: (outcome: Outcome) => void
}

export interface Contestant {
  /** Resolves when the task is durable. */
  submit(payload: Payload): Promise<void>
  submitMany(payloads: readonly Payload[]): Promise<void>
  /** Begins to work; resolves when the workers are ready. */
  work(): Promise<void>
  close(): Promise<void>
  /** What its own record says at the end. */
  facts(): Promise<Readonly<Record<string, unknown>>>
}

export type Open = (entry: Entry) => Promise<Contestant>

/** 100 bytes of JSON. */
export interface Payload {
  readonly n: number
  readonly fill: string
}
export const payload = (n: number): Payload => {
  const bare = JSON.stringify({ n, fill: '' }).length
  return { n, fill: 'x'.repeat(100 - bare) }
}
