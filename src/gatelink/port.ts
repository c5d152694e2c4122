/**
 * The sitter's end of the link to the gate: grants and cells out, calls in. It reconnects by itself and sends what
 * was not acknowledged again.
 */
import type {
  AgentPriority,
  BackupAnswer,
  Call,
  CallsHeard,
  CallsSeen,
  CellOpen,
  CostsQuestion,
  CostsTold,
  CostTold,
  Grant,
  GateStatus,
  AgentLimits,
  LimitsView,
  RekeyAnswer,
  ShadowedCall,
  Standing,
  ToldMode,
  Use,
  VaultNote,
  VaultRenew,
  VaultView,
} from '../wire/wire.ts'

export interface GateLinkEvents {
  /**
   * The link is up; `gateId` may be another one than before (then the journal is lost). Cells have been announced
   * again already.
   */
  linked(gateId: string): void
  lost(): void
  /**
   * The outcome of a grant. Acknowledged to the gate when the promise resolves, so it must resolve after the commit.
   */
  call(call: Call): Promise<void>
  /** Uses of secrets, in order. Acknowledged when the promise resolves: then they stand in the audit log. */
  uses(gateId: string, uses: readonly Use[]): Promise<void>
  /** What came of agents' own calls lately. */
  heard?(agents: readonly CallsHeard[]): void
  /** Whose calls were answered lately, and who waits for one. */
  seen?(seen: CallsSeen): void
}

export interface GateLink {
  /** Identity of the gate's journal, null while the link is down. */
  readonly gateId: string | null
  /** Sends grants; false when the link is down: nothing was sent, the caller tries again after `linked`. */
  grant(grants: readonly Grant[]): boolean
  openCell(cell: Omit<CellOpen, 'frame'>): void
  closeCell(cell: string): void
  /** How urgent the work is that agents are given now; told before they get it. Only changes are sent. */
  priorities(of: readonly AgentPriority[]): void
  /** Rejects with Failure `gate-lost` when the link is down. */
  vaultSet(
    credential: string,
    sealed: string,
    actor: string,
  ): Promise<{ readonly name: string; readonly version: number; readonly fingerprint: string }>
  vaultList(): Promise<VaultView>
  /** A person's word about one credential. Rejects `not-found`, `conflict`, `gate-lost`. */
  vaultRenew(deed: VaultRenew['deed'], credential: string, version: number | null, actor: string): Promise<void>
  /** What happened to credentials after a note; the gate forgets those up to it. */
  vaultNotes(after: number): Promise<readonly VaultNote[]>
  /** Another key for the vault: `file`, `passphrase` or `age`. */
  vaultRekey(kind: string, actor: string): Promise<RekeyAnswer>
  /** What is in use, sealed to an age recipient. */
  vaultBackup(recipient: string, actor: string): Promise<BackupAnswer>
  status(): Promise<GateStatus>
  /** Limits over upstreams, as they stand for one agent. */
  limitsOf(agent: string): Promise<AgentLimits>
  /** One upstream's limits closely. Rejects `not-found`. */
  limits(upstream: string): Promise<LimitsView>
  /** For how many calls each of these that tasks wait for is open now, in the same order. Rejects `gate-lost`. */
  vacancies(of: readonly string[]): Promise<readonly number[]>
  /** Tells the gate the word of a person; resolves with whether it is frozen now, for the file may still say so. */
  freeze(frozen: boolean, actor: string): Promise<{ readonly frozen: boolean }>
  /** The applied configuration may be another: resolves when the gate has read it and taken it over. */
  config(): Promise<void>
  /**
   * The modes that hold from now on, told now and before anything else at each new link. Resolves when the gate has
   * written them; rejects `gate-lost` when they could only be put down for the next link.
   */
  modes(modes: readonly ToldMode[]): Promise<void>
  /** What calls have cost, by agent, type or upstream. */
  costs(ask: Omit<CostsQuestion, 'frame' | 'id'>): Promise<CostsTold>
  /** What an agent's calls have cost that began in this time. */
  costOf(agent: string, fromMs: number, untilMs: number): Promise<readonly CostTold[]>
  /** Who has spent so much that somebody should do something about it. */
  standing(): Promise<Standing>
  /** Calls of agents that the gate recorded instead of sending. */
  shadowed(after: number, limit: number): Promise<readonly ShadowedCall[]>
  stop(): Promise<void>
}
