/** Takes tasks to their end. */
import type { AgentRequest } from '../fleet/fleet.ts'
import type { Command } from '../store/store.ts'

export interface TaskAsk {
  readonly type: string
  readonly payload?: unknown
  readonly key?: string | undefined
  readonly priority?: number | undefined
  readonly delayMs?: number | undefined
  readonly batch?: string | undefined
}
export interface TaskAnswer {
  readonly id: string
  readonly outcome: 'created' | 'exists'
}

export interface WorkSummary {
  readonly byType: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly attempts: Readonly<Record<string, number>>
  /** True when no task can advance without a person: none ready, running, or waiting for time. */
  readonly idle: boolean
}

/** The agents' frames that end an attempt. */
export type WorkRequest = Extract<AgentRequest, { method: 'done' | 'fail' | 'park' }>

export interface Work {
  /**
   * All or nothing. Rejects `task-exists-with-different`, `unknown-task-type`, `invalid`, `too-large`. `extra` commands
   * join the same transaction.
   */
  submit(tasks: readonly TaskAsk[], extra?: readonly Command[]): Promise<readonly TaskAnswer[]>
  /** The frames `done fail park` of agents. Rejects `stale` when a newer attempt owns the task. */
  request(request: WorkRequest, agent: string): Promise<null>
  lost(
    attempts: readonly {
      readonly attempt: string
      readonly agent: string
      readonly cause: string
      readonly collateral: boolean
    }[],
  ): void
  free(agentType: string): void
  /** Cancel, or redrive from the dead letters. Rejects `not-found`, `conflict`. */
  move(task: string, event: 'cancel' | 'redrive' | 'wake', actor: string): Promise<void>
  summary(): Promise<WorkSummary>
  /** Begins to give out work. */
  start(): void
  stop(): Promise<void>
}
