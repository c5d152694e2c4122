/** One call on its way through the gate, and the room that its stages work in. */
import type { Readable } from 'node:stream'
import type { Buckets, Gauge, Lines, Scope } from '../limit/limit.ts'
import type { AnswerClass, Mode, SwarmLimit, UpstreamLimit } from '../model/model.ts'
import type { Clock, Code } from '../std/std.ts'
import type { CredentialVersion, Keeper } from '../vault/vault.ts'
import type { Grant } from '../wire/wire.ts'
import type { Budgets, Reservation } from './cost/budgets.ts'
import type { OpenPrice } from './cost/price.ts'
import type { Usage, UsageReader } from './cost/usage.ts'
import type { HeaderPairs } from './headers.ts'
import type { CallsCounted } from './heard.ts'
import type { KeptKeys } from './kept-keys.ts'
import type { Meter } from './meter.ts'
import type { Modes } from './modes.ts'
import type { Outbound } from './outbound.ts'
import type { PlainTarget, Route } from './path.ts'
import type { Signed } from './signers/signers.ts'
import type { ShownSecrets } from './shown-secrets.ts'
import type { Skew } from './skew.ts'
import type { Priorities } from './priorities.ts'
import type { Repeats } from './repeats.ts'
import type { Retries } from './retries.ts'
import type { CallsSeen } from './seen.ts'
import type { Shares } from './shares.ts'
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
  /** What has to open before another try is of use (vacancies.ts). */
  readonly waitsFor?: string
  readonly silent?: true
  /** The mode that forbade it. */
  readonly mode?: Mode
}

export interface OpenUpstream {
  readonly rule: UpstreamRule
  readonly credential: CredentialRule | null
  readonly allow: readonly Route[]
  readonly money: readonly Route[]
  /** Calls that change nothing although their method may. */
  readonly safe: readonly Route[]
  readonly outbound: Outbound
  /** `host:port` that it stands for. */
  readonly host: string
  /** Where bans and limits per host are kept: its domain, or else `host`. */
  readonly place: string
  /** Limits over upstreams that count calls to this one. */
  readonly over: readonly SwarmLimit[]
  /** What a call weighs by one of its limits, 0 when that is not for it. */
  readonly weigh: (rule: UpstreamLimit, method: string, segments: readonly string[]) => number
  /** What a call counts by limits of its provider that count some calls alone; absent = it has none. */
  readonly counts?: ((method: string, segments: readonly string[]) => Readonly<Record<string, number>>) | undefined
  /** Calls whose answers list its limits. */
  readonly listing?: readonly Route[] | undefined
  readonly price: OpenPrice | null
}

/** The cell whose socket a call came in by. */
export interface CellSeat {
  readonly cell: string
  readonly agents: ReadonlySet<string>
  readonly upstreams: ReadonlySet<string>
  /** Incarnation of each of its agents. */
  readonly epochs: ReadonlyMap<string, number>
  /** Attempts that are over although their agents stay. */
  readonly ended: ReadonlySet<string>
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
  headers: HeaderPairs
  /** Its program knows of no gate: what it says as its credential is a placeholder. */
  readonly unaware?: boolean
  /** It opens a WebSocket: a handshake by GET, allowed and limited as what it opens. */
  readonly isSocket?: boolean
  body: string | Readable | null
  /** Length of a streamed body where the agent told it. */
  bodyBytes: number | null
  /** Longest wait for limits; null = as long as its upstream's agents wait. */
  readonly waitMs: number | null
  readonly epoch: number
  /** Called with the way out of the queue while the call waits there. */
  readonly onWaiting: (leave: () => void) => void

  // What the stages find out.
  upstream: OpenUpstream | null
  plain: PlainTarget | null
  credential: CredentialVersion | null
  /** Of the credential that it goes by: its upstream's own, or the fallback of that. */
  credentialRule: CredentialRule | null
  scope: Scope | null
  /** Pattern of the allow-list that let it through. */
  endpoint: string
  limits: readonly Gauge[]
  /** Charged to the limits and neither sent nor given up yet. */
  charged: boolean
  waitedMs: number
  begunMs: number | null
  journal: number | null
  /** Whether it may use its secret; null until that is decided, or when it uses none. */
  decision: 'allowed' | 'refused' | null
  /** How it goes out; lives from `sign` to the end of the call. */
  signed: Signed | null
  /** The version in use is let go. */
  release: (() => void) | null
  sentWallMs: number | null
  sentMonoMs: number | null
  /** Beginning of an answer that lists limits; null = it is none. */
  listText: string | null
  /** Beginning of an answer that is no success, for the codes of its provider. */
  answerText: string
  /** What it may still spend; null = it reserved nothing, or has ended. */
  reservation: Reservation | null
  /** Reads what its answer says of the tokens used, while it streams. */
  reading: UsageReader | null
  /** Null: its answer told none, or has not ended. */
  usage: Usage | null
  /** It was told to wait, or nothing is left of a limit. */
  toldToWait: boolean
  /** What its answer means; null before its end. */
  outcomeClass: AnswerClass | null
}

export interface Room {
  readonly clock: Clock
  readonly upstreams: ReadonlyMap<string, OpenUpstream>
  readonly vault: Pick<Keeper, 'way' | 'look' | 'pin' | 'secretFor' | 'answered'>
  readonly buckets: Buckets
  readonly lines: Lines
  readonly journal: CallJournal
  readonly keptKeys: Pick<KeptKeys, 'forgottenUntilMs'>
  readonly uses: Uses
  readonly meter: Meter
  readonly calls: Pick<CallsCounted, 'count'>
  readonly seen: Pick<CallsSeen, 'begin' | 'answered'>
  readonly skew: Skew
  readonly shown: ShownSecrets
  readonly log: Log
  readonly modes: Pick<Modes, 'of'>
  readonly priorities: Pick<Priorities, 'of'>
  readonly shares: Pick<Shares, 'of'>
  readonly retries: Retries
  readonly repeats: Pick<Repeats, 'asked' | 'paceMs'>
  readonly budgets: Pick<Budgets, 'look' | 'reserve' | 'release' | 'settle' | 'hasLeft'>
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
  | 'unaware'
  | 'isSocket'
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
  credentialRule: null,
  scope: null,
  endpoint: '',
  limits: [],
  charged: false,
  waitedMs: 0,
  begunMs: null,
  journal: null,
  decision: null,
  signed: null,
  release: null,
  sentWallMs: null,
  sentMonoMs: null,
  listText: null,
  answerText: '',
  reservation: null,
  reading: null,
  usage: null,
  toldToWait: false,
  outcomeClass: null,
})
