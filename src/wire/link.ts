/**
 * The words between sitter and gate: NDJSON over `run/gate.sock` (0600). The gate listens, the sitter connects and says
 * `open`.
 *
 * sitter → gate   open · cell · cell.gone · grant · ack · uses.ack · vault.set · vault.list · vault.renew ·
 *                 vault.notes · vault.rekey · vault.backup · status · limits · freeze · config · mode ·
 *                 priority · standing · costs · cost.of · vacancies
 * gate → sitter   opened · call · uses · heard · parked · answer
 *
 * `grant` is the right to send one exact request, and the order to send it. The gate journals it (fsync) before the
 * first byte goes out, spends it once, and tells the outcome with `call` until it is acknowledged. A grant sent again
 * gets the journalled outcome.
 */
import type { Mode } from '../model/model.ts'
import type { CostOfQuestion, CostsQuestion } from './costs.ts'
import type { StandingAsk } from './standing.ts'

/** sitter → gate, first frame. A lower epoch than one seen before is refused: a deposed sitter sends nothing. */
export interface Open {
  readonly frame: 'open'
  readonly swarm: string
  readonly owner: string
  readonly epoch: number
}
/**
 * gate → sitter. `gateId` is born with gate.db: another id means that the journal is lost and every open intent is
 * unknown.
 */
export interface Opened {
  readonly frame: 'opened'
  readonly gateId: string
  readonly version: string
}

/**
 * Serve agents of one cell on its own socket; identity comes from the socket. `agents` is sorted; sending it again
 * replaces it.
 */
export interface CellOpen {
  readonly frame: 'cell'
  readonly cell: string
  readonly socketPath: string
  readonly type: string
  readonly agents: readonly string[]
  readonly upstreams: readonly string[]
  /** Incarnations of `agents`, in their order: a call that names an older one is refused. */
  readonly epochs?: readonly number[]
  /** Attempts that were ended although their agents stay: a call that names one of them is refused. */
  readonly ended?: readonly string[]
}
export interface CellGone {
  readonly frame: 'cell.gone'
  readonly cell: string
}

/**
 * The exact request. `body` is text as sent; `hash` = SHA-256 hex of canonical JSON of {method, path, headers, body}.
 */
export interface GrantedRequest {
  readonly upstream: string
  readonly method: string
  /** Path and query as sent to the upstream, beginning with `/`. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}
export interface Grant {
  readonly frame: 'grant'
  /** `grn_…`, the idempotency of the link. */
  readonly grant: string
  /** What it is for: a settlement id; charged to `agent`. */
  readonly subject: string
  readonly agent: string | null
  /** The channel that pays, whose mode holds for it. */
  readonly channel: string | null
  readonly request: GrantedRequest
  readonly hash: string
  /** Not sent after this many ms of waiting (limits, breaker): outcome `not-sent`. */
  readonly waitMs: number
}

export type CallOutcome =
  /** The upstream answered. `body` is at most 64 KiB of text; `truncated` says if there was more. */
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly body: string
      readonly truncated: boolean
    }
  /** Proven: no byte of the request left this gate, or nobody accepted the connection. */
  | { readonly kind: 'not-sent'; readonly code: string; readonly message: string; readonly retryAfterMs?: number }
  /**
   * Bytes may have left, no answer came: outcome at the provider unknown. `closedMs` = wall time at which the
   * connection closed.
   */
  | { readonly kind: 'lost'; readonly code: string; readonly message: string; readonly closedMs: number }

/** gate → sitter, at least once, in journal order per grant, repeated after a reconnect until acknowledged. */
export interface Call {
  readonly frame: 'call'
  readonly journal: number
  readonly grant: string
  readonly subject: string
  readonly outcome: CallOutcome
  readonly sentMs: number | null
  readonly tookMs: number | null
  readonly waitedMs: number
  /** Cost of the call as money text, when the upstream has a price. */
  readonly cost: string | null
  readonly credential: string | null
}
export interface Ack {
  readonly frame: 'ack'
  readonly journals: readonly number[]
}

/** A use of a secret, or one that was refused. It stands in the gate's journal before the secret is opened. */
export interface Use {
  readonly journal: number
  readonly atMs: number
  readonly decision: 'allowed' | 'refused'
  readonly credential: string
  readonly version: number
  readonly agent: string | null
  /** What a grant was for: a settlement. */
  readonly subject: string | null
  readonly cell: string | null
  readonly upstream: string
  readonly host: string
  readonly method: string
}
/** gate → sitter, in order of their numbers, the next ones only after these are acknowledged; at least once. */
export interface Uses {
  readonly frame: 'uses'
  readonly uses: readonly Use[]
}
/** These stand in the audit log. */
export interface UsesAck {
  readonly frame: 'uses.ack'
  readonly upTo: number
}

/**
 * gate → sitter: what came of agents' own calls since the last telling, as evidence for rules that count calls. A
 * hint: once, at most each second, and not kept while no sitter listens.
 */
export interface Heard {
  readonly frame: 'heard'
  readonly agents: readonly CallsHeard[]
}
/**
 * gate → sitter: of whom calls were answered since the last telling, and who has one in hand for longer than a moment,
 * told again each few seconds while it lasts. A hint like `heard`: evidence that they get on, or wait for others.
 */
export interface CallsSeen {
  readonly frame: 'seen'
  readonly answered: readonly string[]
  readonly inHand: readonly string[]
}
/** Calls that went well, and calls that failed as far as that says something about who made them. */
export type CallsHeard = readonly [agent: string, good: number, bad: number]

/** Requests with an `id` get one `answer` with the same id. */
export interface VaultSet {
  readonly frame: 'vault.set'
  readonly id: string
  readonly credential: string
  readonly sealed: string
  readonly actor: string
}
export interface VaultList {
  readonly frame: 'vault.list'
  readonly id: string
}
/** A person's word: rotate it now, it is in wrong hands, this version was revoked at its provider. */
export interface VaultRenew {
  readonly frame: 'vault.renew'
  readonly id: string
  readonly deed: 'rotate' | 'compromised' | 'revoke'
  readonly credential: string
  readonly version: number | null
  readonly actor: string
}
/** What happened to credentials after the note `after`; the gate forgets those up to it. */
export interface VaultNotes {
  readonly frame: 'vault.notes'
  readonly id: string
  readonly after: number
}
/** Another key, or one of another kind: `file`, `passphrase`, `age`. Answered with a `RekeyAnswer`. */
export interface VaultRekey {
  readonly frame: 'vault.rekey'
  readonly id: string
  readonly kind: string
  readonly actor: string
}
export interface RekeyAnswer {
  readonly kind: string
  readonly secrets: number
  /** Where the former key file was kept. */
  readonly former: string | null
}
/** What is in use, sealed to an age recipient. Answered with a `BackupAnswer`. */
export interface VaultBackup {
  readonly frame: 'vault.backup'
  readonly id: string
  readonly recipient: string
  readonly actor: string
}
export interface BackupAnswer {
  /** Base64 of an age file. */
  readonly file: string
  readonly credentials: readonly { readonly name: string; readonly version: number }[]
}
export interface StatusAsk {
  readonly frame: 'status'
  readonly id: string
}
/** Answered with a `LimitsView`; refused `not-found`. */
export interface LimitsAsk {
  readonly frame: 'limits'
  readonly id: string
  readonly upstream: string
}
/** Answered with an `AgentLimits`: limits over upstreams, as they stand for one agent. */
export interface AgentLimitsAsk {
  readonly frame: 'limits.of'
  readonly id: string
  readonly agent: string
}
/**
 * What tasks wait for to open, in the words of the gate's own refusals. Answered with the number of calls that each is
 * open for now, in the same order; 0 = for none.
 */
export interface VacanciesAsk {
  readonly frame: 'vacancies'
  readonly id: string
  readonly of: readonly string[]
}
export interface Freeze {
  readonly frame: 'freeze'
  readonly id: string
  readonly frozen: boolean
  readonly actor: string
}
/** The applied configuration may be another one: read it and take it over. Answered when it holds. */
export interface ConfigChanged {
  readonly frame: 'config'
  readonly id: string
}
export interface ToldMode {
  /** `swarm`, `type:settler`, `agent:settler/0042`, `channel:northbank` */
  readonly target: string
  readonly mode: Mode
  readonly reason: string
}
/**
 * The modes that hold: all of them, those not named are active. In pieces, because a swarm has many agents; what is
 * stricter than before holds from the piece on, what is milder when the last piece has been written down. The first
 * frame of a link, before the cells.
 */
export interface ModesTold {
  readonly frame: 'mode'
  readonly id: string
  readonly first: boolean
  readonly last: boolean
  readonly modes: readonly ToldMode[]
}
export type AgentPriority = readonly [agent: string, priority: number]
/**
 * How urgent the work is that these agents have in hand from now on, 0 to 9; 5 for whom nothing is told. Sent before
 * the work is given out, and all of it after each `opened`. Not answered.
 */
export interface PrioritiesTold {
  readonly frame: 'priority'
  readonly agents: readonly AgentPriority[]
}
/** Calls that were recorded instead of sent, oldest first. */
export interface ShadowedAsk {
  readonly frame: 'shadowed'
  readonly id: string
  readonly after: number
  readonly limit: number
}
export interface Answer {
  readonly frame: 'answer'
  readonly id: string
  readonly ok: boolean
  readonly value?: unknown
  readonly error?: { readonly code: string; readonly message: string }
}

/** A call that a mode of shadow kept from being sent; its body was not looked at. */
export interface ShadowedCall {
  readonly number: number
  readonly atMs: number
  readonly agent: string | null
  readonly upstream: string
  readonly method: string
  /** Without the query, which may hold what is nobody's business. */
  readonly path: string
  /** As told by its sender; null = not told. */
  readonly bodyBytes: number | null
  /** Whose mode it was. */
  readonly target: string
}
export type ToGate =
  | Open
  | CellOpen
  | CellGone
  | Grant
  | Ack
  | UsesAck
  | VaultSet
  | VaultList
  | VaultRenew
  | VaultNotes
  | VaultRekey
  | VaultBackup
  | StatusAsk
  | LimitsAsk
  | AgentLimitsAsk
  | Freeze
  | ConfigChanged
  | ModesTold
  | PrioritiesTold
  | ShadowedAsk
  | StandingAsk
  | CostsQuestion
  | CostOfQuestion
  | VacanciesAsk
export type FromGate = Opened | Call | Uses | Heard | Answer
