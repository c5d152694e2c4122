/**
 * The words between a cell and its sitter: JSON-RPC 2.0, one JSON object a line, over the cell's Unix socket. The cell
 * connects. A pool host speaks for many agents over one socket, so every frame names its agent.
 */
import type { ErrorReport, FailedPolicy, Mode, WaitReason } from '../model/model.ts'

export const protocolVersion = 1

/** Bounds of the wire; at the bound the frame is refused with a code that names it. */
export const bounds = {
  frameBytes: 256 * 1024,
  jsonDepth: 64,
  stackBytes: 16 * 1024,
  /** `error.partial.done` of a `fail`, as JSON. */
  doneBytes: 16 * 1024,
  logLineBytes: 16 * 1024,
  framesPerSecond: 1_000,
  frameBurst: 5_000,
} as const

/**
 * Bounds of a frame from the sitter, as its agents read it: a payload may be as large and as deep as a frame of theirs,
 * and `run` puts ids, the key and two levels around it.
 */
export const sitterFrameBounds = { frameBytes: bounds.frameBytes + 4_096, jsonDepth: bounds.jsonDepth + 2 } as const

export interface Request {
  readonly jsonrpc: '2.0'
  readonly id: number | string
  readonly method: string
  readonly params: unknown
}
export interface Notification {
  readonly jsonrpc: '2.0'
  readonly method: string
  readonly params: unknown
}
/**
 * An error answer carries our stable code and kind in `data`; the number follows JSON-RPC (-32601 unknown method,
 * -32602 params, -32000 ours).
 */
export interface ErrorAnswer {
  readonly jsonrpc: '2.0'
  readonly id: number | string | null
  readonly error: {
    readonly code: number
    readonly message: string
    readonly data?: { readonly code: string; readonly kind: string; readonly retryAfterMs?: number }
  }
}
export interface ResultAnswer {
  readonly jsonrpc: '2.0'
  readonly id: number | string
  readonly result: unknown
}
export type Frame = Request | Notification | ResultAnswer | ErrorAnswer

// ── agent → sitter ──

/** First frame of a connection. `open` = attempts still in hand, with the epochs they were given under. */
export interface Hello {
  readonly protocol: number
  readonly agents: readonly string[]
  readonly tasks: readonly string[]
  readonly version: string
  readonly open: readonly { readonly attempt: string; readonly epoch: number }[]
}
/** Request; answered after the commit; idempotent by attempt. */
export interface Done {
  readonly agent: string
  readonly attempt: string
  readonly result?: unknown
}
export interface Fail {
  readonly agent: string
  readonly attempt: string
  readonly error: ErrorReport
}
/**
 * What `fail` may say as `error.kind`. `interrupted`: given up because it was cancelled; it counts as `transient`, like
 * every word that stands in no list.
 */
export const failKinds = ['transient', 'permanent', 'refused', 'unknown', 'interrupted', 'poison'] as const

export interface Park {
  readonly agent: string
  readonly attempt: string
  readonly reason: WaitReason
  readonly until?: number
}
/**
 * Request; answered when the settlement has ended, or waits for a person (`state: 'unknown'`). May be sent again: same
 * reference, same settlement.
 */
export interface Settle {
  readonly agent: string
  readonly attempt: string
  readonly reference: string
  readonly payee: string
  readonly amount: string
  readonly currency: string
  readonly channel?: string
  readonly memo?: string
}
/**
 * Request `settlement`: how a payment of this task stands, by its reference; answered at once, with `SettleAnswer`, or
 * null when neither this task nor this agent asked for one.
 */
export interface SettlementAsk {
  readonly agent: string
  readonly attempt: string
  readonly reference: string
  readonly channel?: string
}
export interface SettleAnswer {
  readonly settlement: string
  readonly state: string
  readonly reason?: string
  readonly providerReference?: string
}
/**
 * Request `task.add`: another task, within an attempt; answered after the commit. May be sent again: the same `key`
 * and payload are the same task.
 */
export interface TaskAdd {
  readonly agent: string
  readonly attempt: string
  readonly type: string
  readonly key: string
  readonly payload?: unknown
  /** 0 to 9, the type's own when absent. */
  readonly priority?: number
  readonly delayMs?: number
  /** It must end within this time after its first possible start; the type's own when absent. */
  readonly deadlineMs?: number
  /** Ids of at most 100 tasks that must have succeeded before. */
  readonly after?: readonly string[]
  /** What becomes of it when one of those ends without success; `cancel` when absent. */
  readonly onFailed?: FailedPolicy
}
export interface TaskAdded {
  readonly id: string
  readonly outcome: 'created' | 'exists'
}
/** Request `state.get`. Answered `{name, value, version}`; version 0 and value null when there is none. */
export interface StateGet {
  readonly agent: string
  readonly attempt: string
  readonly name: string
}
/** Answer of `state.get` and `state.put`. */
export interface StateValue {
  readonly name: string
  readonly value: unknown
  readonly version: number
}
/** Request `state.put`; refused `version-conflict` unless `version` is the newest. Answered as `state.get`. */
export interface StatePut extends StateGet {
  readonly value: unknown
  readonly version: number
}
/** Request `lock.take`; refused `lock-held` with `retryAfterMs`. Answered `{name, fence, leaseMs}`. */
export interface LockTake extends StateGet {
  readonly leaseMs: number
}
/** Answer of `lock.take` and `lock.renew`. A later holder of any lock has a higher fence. */
export interface LockHeld {
  readonly name: string
  readonly fence: number
  readonly leaseMs: number
}
/** Request `lock.renew`; refused `stale` when the lease is over. Answered as `lock.take`. */
export interface LockRenew extends LockTake {
  readonly fence: number
}
/** Request `lock.free`. Answered `{freed}`. */
export interface LockFree extends StateGet {
  readonly fence: number
}
/** Notification; may be dropped under pressure, and counted. */
export interface Beat {
  readonly agent: string
  readonly progress?: string
  readonly load?: number
}
export interface Log {
  readonly agent: string
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields?: Readonly<Record<string, unknown>>
}
/**
 * Notification `agent.broken`: the agent's code failed outside of any attempt's promise (a timer, a floating promise,
 * its `start`). Its attempt in hand has failed with the same error; it lives no more until it is seated again.
 */
export interface Broken {
  readonly agent: string
  readonly error: ErrorReport
}

// ── sitter → agent ──

export interface Seat {
  readonly agent: string
  readonly epoch: number
  readonly mode: Mode
  readonly config: Readonly<Record<string, unknown>>
  /**
   * In a `vm` cell: its snapshot was sent before, and it goes on from there instead of beginning anew. Its timers have
   * run for so many ms while it slept.
   */
  readonly asleep?: number
}
/** The result of `hello`: which agents live here. Later seats come and go with `seat` and `unseat` notifications. */
export interface Welcome {
  readonly protocol: number
  readonly sitter: string
  readonly seats: readonly Seat[]
}
/**
 * Notifications to a pool host: run this agent from now on; drop that one (its restart is seat with a higher epoch).
 */
export interface SeatChange {
  readonly seats: readonly Seat[]
}
export interface Unseat {
  readonly agents: readonly string[]
}
/** Notification: work for an agent. `key` is stable over all attempts of the task: use it for outside idempotency. */
export interface Run {
  readonly agent: string
  readonly attempt: string
  readonly task: string
  readonly type: string
  readonly payload: unknown
  /** 1 for the first attempt that counts. */
  readonly number: number
  readonly deadline: number | null
  readonly key: string
}
export interface CancelRun {
  readonly agent: string
  readonly attempt: string
  readonly reason: string
}
/** Request; answered by the agent's own loop, which is what it proves. */
export interface Ping {
  readonly nonce: string
}
export interface Pong {
  readonly nonce: string
  /** Every agent that lives in this cell now, sorted. */
  readonly agents: readonly string[]
  /** Attempts in hand. */
  readonly open: readonly { readonly agent: string; readonly attempt: string }[]
}
/**
 * Request `load` to a pool host that stands by: answered at once; then it loads this module and says hello. Before it,
 * such a host answers challenges and runs no agent's code.
 */
export interface Load {
  readonly module: string
  /** From now on a thread of its own watches the host. */
  readonly watched?: true
}
/**
 * Request `sleep` to a host of `vm` cells: the agent's machine, with all that waits in it, becomes a snapshot a tenth
 * of its size. It wakes by itself when something comes for it (a timer, an answer, work), or by request `wake`.
 *
 * With `give` the snapshot leaves the host in `asleep.part` notifications before the answer, and the agent lives there
 * no more; refused `conflict` while it has work in hand, waits for an answer, or has a timer that is due within
 * `leastMs`. It goes on where it is seated with `asleep` after the same parts have been sent to that host.
 */
export interface Rest {
  readonly agent: string
  readonly give?: true
  readonly leastMs?: number
}
/** Notification in both directions: a piece of an agent's snapshot, in order. */
export interface AsleepPart {
  readonly agent: string
  /** From 0. */
  readonly part: number
  readonly of: number
  /** Base64. */
  readonly text: string
}
/** Answer of `sleep`. */
export interface Asleep {
  readonly agent: string
  readonly bytes: number
  /** How many parts were sent; 0 when it sleeps in its host. */
  readonly parts: number
  /** The engine's build: no other can wake it. */
  readonly build: string
  /** Until its next timer; null = none. No wall time: a clock that is put right moves no timer. */
  readonly dueInMs: number | null
  /** Requests that it waits for: lost when its host ends before they are answered. */
  readonly waiting: number
}
/** Answer of `wake`; notification `agent.woken` of one that was seated with `asleep`. */
export interface Woken {
  readonly agent: string
  readonly tookMs: number
  /** Why its sleep was lost and it began anew; null = it goes on. */
  readonly anew: string | null
}
export interface Drain {
  readonly withinMs: number
}
