/** One call on its way through the gate, and the room that its stages work in. */
import type { Readable } from 'node:stream'
import type { Applied, Buckets, Lines, Scope } from '../limit/limit.ts'
import type { Clock, Code } from '../std/std.ts'
import type { CredentialVersion, Vault } from '../vault/vault.ts'
import type { Grant } from '../wire/wire.ts'
import type { HeaderPairs } from './headers.ts'
import type { Meter } from './meter.ts'
import type { Outbound } from './outbound.ts'
import type { PlainTarget, Route } from './path.ts'
import type { CallJournal, CredentialRule, Log, UpstreamRule } from './ports.ts'
import type { Uses } from './uses.ts'

/**
 * Why a call was not sent. `silent`: it left the queue because its sitter or this gate went away; nobody is told,
 * nothing was written.
 */
export interface Refusal {
  readonly code: Code
  readonly message: string
  readonly retryAfterMs?: number
  readonly silent?: true
}

export interface OpenUpstream {
  readonly rule: UpstreamRule
  readonly credential: CredentialRule | null
  readonly allow: readonly Route[]
  readonly money: readonly Route[]
  readonly outbound: Outbound
}

/** The cell whose socket a call came in by. */
export interface CellSeat {
  readonly cell: string
  readonly agents: ReadonlySet<string>
  readonly upstreams: ReadonlySet<string>
}

export interface CallInHand {
  /** The granted request, null for an agent's own call. */
  readonly grant: Grant | null
  readonly seat: CellSeat | null
  readonly subject: string | null
  agent: string | null
  readonly upstreamName: string
  readonly method: string
  /** Path and query as asked for. */
  readonly target: string
  readonly headers: HeaderPairs
  readonly body: string | Readable | null
  /** Length of a streamed body where the agent told it. */
  readonly bodyBytes: number | null
  readonly waitMs: number
  readonly epoch: number
  /** Called with the way out of the queue while the call waits there. */
  readonly onWaiting: (leave: () => void) => void

  // What the stages find out.
  upstream: OpenUpstream | null
  plain: PlainTarget | null
  credential: CredentialVersion | null
  scope: Scope | null
  limits: readonly Applied[]
  /** Charged to the limits and neither sent nor given up yet. */
  charged: boolean
  waitedMs: number
  begunMs: number | null
  journal: number | null
  /** Whether it may use its secret; null until that is decided, or when it uses none. */
  decision: 'allowed' | 'refused' | null
  /** Lives from `sign` to the end of the call. */
  secret: string | null
  sentWallMs: number | null
  sentMonoMs: number | null
}

export interface Room {
  readonly clock: Clock
  readonly upstreams: ReadonlyMap<string, OpenUpstream>
  readonly vault: Vault
  readonly buckets: Buckets
  readonly lines: Lines
  readonly journal: CallJournal
  readonly uses: Uses
  readonly meter: Meter
  readonly log: Log
  frozen(): boolean
  /** This gate takes on nothing new. */
  ending(): boolean
}

/** Undefined = go on. */
export type Stage = (call: CallInHand, room: Room) => Refusal | undefined | Promise<Refusal | undefined>

type Asked = Pick<
  CallInHand,
  | 'grant'
  | 'seat'
  | 'subject'
  | 'agent'
  | 'upstreamName'
  | 'method'
  | 'target'
  | 'headers'
  | 'body'
  | 'bodyBytes'
  | 'waitMs'
  | 'epoch'
  | 'onWaiting'
>

export const callOf = (asked: Asked): CallInHand => ({
  ...asked,
  upstream: null,
  plain: null,
  credential: null,
  scope: null,
  limits: [],
  charged: false,
  waitedMs: 0,
  begunMs: null,
  journal: null,
  decision: null,
  secret: null,
  sentWallMs: null,
  sentMonoMs: null,
})
