/** What an agent's code is given: types only. Everything an agent does to the world goes through these. */
import type { WaitReason } from '../model/model.ts'
import type { LockHeld, Settle, SettleAnswer, StateValue, TaskAdd, TaskAdded } from '../wire/wire.ts'

type Say = (message: string, fields?: Readonly<Record<string, unknown>>) => void
/** Lines of the agent's log, each at most 16 KiB. Dropped, and counted, beyond 20 a second and agent (burst 100). */
export interface Logger {
  readonly debug: Say
  readonly info: Say
  readonly warn: Say
  readonly error: Say
}

export interface FetchInit {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Text or bytes as they are; anything else is sent as JSON with `content-type: application/json`. */
  readonly body?: unknown
}
export interface UpstreamAnswer {
  readonly status: number
  readonly ok: boolean
  /** Lower-case names; repeated headers are joined with `, `. */
  readonly headers: Readonly<Record<string, string>>
  /** The whole body, read once. Rejects over 32 MiB. */
  text(): Promise<string>
  json(): Promise<unknown>
  /** The body as it arrives. */
  readonly body: AsyncIterable<Uint8Array>
}

/** One request through the cell's gate; the host process fills it. */
export type UpstreamFetch = (ask: {
  readonly agent: string
  /** Its incarnation, and the attempt that asks; null = it asks outside of any. */
  readonly epoch: number
  readonly attempt: string | null
  readonly upstream: string
  readonly path: string
  readonly init: FetchInit
  readonly signal: AbortSignal
}) => Promise<UpstreamAnswer>

export interface SocketInit {
  /** Subprotocols that are offered, in order. */
  readonly protocols?: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
}
export interface SocketEnd {
  /** As the standard has it: 1000 and 1005 are ends in order, 1006 is one without a word. */
  readonly code: number
  readonly reason: string
}
/**
 * A WebSocket through the gate, in the names of the standard one where they fit. Its messages are what it iterates
 * over: text as text, anything else as bytes. Who does not read is waited for, and the other side with it.
 */
export interface UpstreamSocket extends AsyncIterable<string | Uint8Array> {
  /** The subprotocol that the upstream chose; empty = none. */
  readonly protocol: string
  /** Bytes that were given to `send` and have not left yet. */
  readonly bufferedAmount: number
  /** Resolves when it has left; await it, so that what is sent faster than it is taken is not held. */
  send(data: string | Uint8Array): Promise<void>
  /** Then the iteration ends in order. */
  close(code?: number, reason?: string): void
  /** How it ended, whoever ended it; never rejects. */
  readonly closed: Promise<SocketEnd>
}

/** One WebSocket through the cell's gate; the host process fills it. */
export type OpenSocket = (ask: {
  readonly agent: string
  readonly epoch: number
  readonly attempt: string | null
  readonly path: string
  readonly init: SocketInit
  readonly signal: AbortSignal
}) => Promise<UpstreamSocket>

/** The parts that live as long as the agent: given to `start` and `stop`. */
export interface AgentContext {
  /** `settler/0042`. */
  readonly agent: string
  readonly config: Readonly<Record<string, unknown>>
  /** Aborts when this agent, or this attempt, has to give up. */
  readonly signal: AbortSignal
  readonly log: Logger
  /** `<METHOD> /<upstream><path>` through the gate, which adds the credential and keeps the limits. */
  fetch(upstream: string, path: string, init?: FetchInit): Promise<UpstreamAnswer>
  /**
   * Opens `WEBSOCKET /<upstream><path>` through the gate. Rejects as `fetch` does what the time has not come for, and
   * whatever else is no WebSocket, with the gate's code. It ends with the attempt in which it was opened.
   */
  socket(path: string, init?: SocketInit): Promise<UpstreamSocket>
}

export interface TaskFacts {
  readonly id: string
  readonly type: string
  readonly attempt: string
  /** 1 for the first attempt that counts. */
  readonly number: number
  /** Wall ms, null = none. */
  readonly deadline: number | null
  /** Stable over all attempts of the task: use it for idempotency outside. */
  readonly key: string
}

/** A payment to be made; the sitter pays, the agent never holds a credential. */
export type Payment = Omit<Settle, 'agent' | 'attempt'>

/** Another task; the same key and payload are the same task, however often it is added. */
export type NewTask = Omit<TaskAdd, 'agent' | 'attempt'>

export interface SharedState {
  /** `version` 0 and value null when there is none. */
  get(name: string): Promise<StateValue>
  /**
   * Writes where `version` is still the newest (0 = there was none). Rejects `version-conflict`, which is transient:
   * read again, or let the task be tried again.
   */
  put(name: string, value: unknown, version: number): Promise<StateValue>
}

export interface Lock extends LockHeld {
  /** A new lease from now on. Rejects `stale` when the old one is over: stop what you do, somebody else may have it. */
  renew(leaseMs?: number): Promise<void>
  /** Gives it back; false when it was this attempt's no more. */
  free(): Promise<boolean>
}

export interface FailOptions {
  /** `transient` is tried again, `permanent` never; without it the sitter decides. */
  readonly kind?: 'transient' | 'permanent' | 'refused' | 'unknown'
  readonly code?: string
  readonly status?: number
  readonly retryAfterMs?: number
  /** Of a refusal of the gate, handed on: the task is tried again as soon as that is open. */
  readonly waitsFor?: string
  /**
   * Part of the work is done: every later try, and a redrive, gets `rest` as its payload, and so does nothing twice.
   * `done` is for people (JSON, kept up to 16 KiB). What dependants wait for is the whole.
   */
  readonly partial?: { readonly done?: unknown; readonly rest: unknown }
  readonly cause?: unknown
}

export interface Context extends AgentContext {
  readonly task: TaskFacts
  /**
   * Pays once per reference, however often it is asked; resolves when the settlement has ended. When its outcome is
   * unknown and a person has to find out, this throws and the attempt parks with reason `approval`, whether or not
   * the task catches it.
   */
  settle(payment: Payment): Promise<SettleAnswer>
  /**
   * Submits another task; resolves when it is durable. Rejects `unknown-task-type`, and `task-exists-with-different`
   * when the key is taken by another payload.
   */
  addTask(task: NewTask): Promise<TaskAdded>
  /** Values with versions that all agents share, kept in the record; a value has at most 256 KiB. */
  readonly state: SharedState
  /** Takes a lease on a name, for `leaseMs` (100 ms to a day). Rejects `lock-held` with `retryAfterMs`. */
  lock(name: string, leaseMs: number): Promise<Lock>
  /** Says how far the work is; evidence that it progresses. */
  progress(text: string): void
  /**
   * Ends the attempt: the task waits for `reason`, until `untilMs` (wall) when given. Catching what it throws changes
   * nothing.
   */
  park(reason: WaitReason, untilMs?: number): never
  /** Ends the attempt as failed. */
  fail(message: string, options?: FailOptions): never
}
