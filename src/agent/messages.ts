/**
 * What a host and a machine of a `vm` cell say to one another: JSON text. The host believes none of what it is told: an
 * agent may say anything. Types only, so that what runs inside loads nothing.
 */
import type { FailOptions } from './context.ts'

/** Errors on their way: what `TaskFailure` has, as plain values. */
export interface Told {
  readonly name: string
  readonly message: string
  readonly stack?: string | undefined
  readonly code?: string | undefined
  readonly kind?: string | undefined
  readonly status?: number | undefined
  readonly retryAfterMs?: number | undefined
  readonly waitsFor?: string | undefined
  readonly partial?: FailOptions['partial']
}

export type ToGuest =
  | { readonly is: 'start' | 'stop'; readonly agent: string; readonly config: unknown }
  | { readonly is: 'run'; readonly task: unknown; readonly payload: unknown }
  | { readonly is: 'abort'; readonly attempt: string | null; readonly why: Told }
  | { readonly is: 'answer'; readonly id: number; readonly value?: unknown; readonly error?: Told }
  | { readonly is: 'timer'; readonly id: number }

/** What an agent may ask for, and is answered later. */
export type Asked =
  | 'settle'
  | 'addTask'
  | 'state.get'
  | 'state.put'
  | 'lock'
  | 'renew'
  | 'free'
  | 'fetch'
  | 'body'
  | 'text'

/** `attempt` null = the agent itself. */
export type ToHost =
  | { readonly do: 'ready'; readonly tasks: readonly string[] }
  | {
      readonly do: 'ask'
      readonly id: number
      readonly attempt: string | null
      readonly what: Asked
      readonly with: readonly unknown[]
    }
  | { readonly do: 'ended'; readonly attempt: string | null; readonly value?: unknown; readonly error?: Told }
  | { readonly do: 'log'; readonly level: string; readonly message: string; readonly fields?: unknown }
  | { readonly do: 'progress'; readonly attempt: string; readonly text: string }
  | { readonly do: 'park'; readonly attempt: string; readonly reason: string; readonly until?: number }
  | { readonly do: 'timer'; readonly id: number; readonly delayMs: number }
  | { readonly do: 'no-timer'; readonly id: number }
