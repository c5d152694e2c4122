/** What the gateway is given at assembly: rules of the configuration, the journal, and its own small words. */
import type {
  BreakerRule,
  Budget,
  Price,
  Profile,
  RepeatRule,
  RetryRule,
  SwarmLimit,
  UpstreamLimit,
} from '../model/model.ts'
import type { CredentialRule } from '../vault/vault.ts'
import type { ShadowedCall } from '../wire/wire.ts'

export type { CredentialRule } from '../vault/vault.ts'

/** One upstream as configured. */
export interface UpstreamRule {
  readonly name: string
  readonly url: string
  readonly domain?: string
  readonly grant: readonly string[]
  readonly ca?: string | null
  readonly credential: string | null
  readonly allow: readonly string[]
  readonly money: readonly string[]
  readonly limits: readonly UpstreamLimit[]
  readonly timeoutMs: number
  /** Longest wait of an agent's own call for a limit. */
  readonly parkAfterMs: number
  readonly learn: boolean
  readonly breaker: BreakerRule | null
  readonly retries: RetryRule | null
  readonly profile: Profile | null
  readonly price: Price | null
}
export interface Rules {
  readonly name: string
  readonly upstreams: Readonly<Record<string, UpstreamRule>>
  readonly credentials: Readonly<Record<string, CredentialRule>>
  /** Rules of the sitter; of those that count calls it is told what came of agents' own. None when absent. */
  readonly degrade?: Readonly<Record<'types' | 'agents', { readonly calls: boolean } | null>> & {
    readonly repeats: RepeatRule | null
  }
  readonly budgets: Readonly<Record<string, Budget>>
  readonly agents?: Readonly<Record<string, { readonly weight?: number }>>
  /** Limits over upstreams; none when absent. */
  readonly limits?: Readonly<Record<string, SwarmLimit>>
}

/** What a call has spent, in trillionths; null = not known. */
export interface JournalSpent {
  readonly agent: string | null
  readonly upstream: string
  readonly currency: string
  readonly atMs: number
  readonly endedMs: number
  readonly known: bigint | null
  readonly counted: bigint
  readonly places: readonly {
    readonly budget: string
    readonly owner: string
    readonly windowMs: number
    readonly endsMs: number
    readonly warnAt: bigint
    readonly most: bigint
  }[]
}
export interface JournalCall {
  readonly grant: string | null
  readonly subject: string | null
  readonly agent: string | null
  readonly cell: string | null
  readonly upstream: string
  readonly method: string
  readonly path: string
  readonly hash: string | null
  readonly credential: string | null
  readonly version: number | null
  readonly epoch: number
  readonly begunMs: number
  readonly waitedMs: number
  readonly host: string | null
  readonly decision: 'allowed' | 'refused' | null
  readonly reserved: string | null
  readonly key?: string | null
  /** The account at the provider that its key is to stay with. */
  readonly account?: string | null
  /** Secrets that are of this account. */
  readonly members?: readonly string[]
}
export interface JournalEnd {
  readonly ended: 'answered' | 'not-sent' | 'lost'
  readonly status: number | null
  readonly outcome: string | null
  readonly sentMs: number | null
  readonly tookMs: number | null
  readonly cost: string | null
  /** Counted in the same commit. */
  readonly spent?: JournalSpent | null
}
export interface JournalRow extends JournalCall {
  readonly journal: number
  readonly end: JournalEnd | null
  readonly acked: boolean
}
type NotBegun = 'spent' | 'elsewhere'
/** The part of gate.db that the gateway writes and reads; gate.ts gives it. */
export interface CallJournal {
  /** `elsewhere`: its key is bound to another account. Nothing was written then. */
  begin(call: JournalCall): Promise<number | NotBegun>
  /** What is not urgent is durable a moment later than it could be. */
  end(journal: number, end: JournalEnd, isUrgent?: boolean): Promise<void>
  refuse(call: JournalCall, end: JournalEnd): Promise<number | NotBegun>
  ack(journals: readonly number[]): Promise<void>
  findGrant(grant: string): JournalRow | undefined
  findCall(journal: number): JournalRow | undefined
  untold(after: number, limit: number): readonly number[]
  endOpen(endOf: (call: JournalRow) => JournalEnd): Promise<number>
  counts(): readonly {
    readonly upstream: string
    readonly ended: string
    readonly status: number | null
    readonly count: number
  }[]
  /** A call that is recorded instead of sent; durable when it resolves. */
  shadow(call: Omit<ShadowedCall, 'number'>): Promise<void>
  shadowed(after: number, limit: number): readonly ShadowedCall[]
  meta(name: string): string | undefined
  setMeta(values: Readonly<Record<string, string>>): Promise<void>
  /** It cannot be written; who asks lets it be tried again. */
  refuses(): boolean
}

/** Sums in trillionths. */
export interface CostSums {
  readonly currency: string
  readonly known: bigint
  readonly counted: bigint
  readonly calls: number
  readonly unknown: number
}
/** What gate.db knows of what was spent. */
export interface SpendingBook {
  /** Resolves when the ends of calls that were told so far are counted. */
  settled(): Promise<void>
  /** Of budgets; asked once the calls that were left open are counted. */
  spentSums(): readonly {
    readonly budget: string
    readonly owner: string
    readonly windowMs: number
    readonly spent: bigint
  }[]
  costs(ask: {
    readonly by: 'agent' | 'type' | 'upstream'
    readonly sinceMs: number
    readonly nowMs: number
    readonly limit: number
    readonly offset: number
  }): {
    readonly fromMs: number
    readonly totals: readonly CostSums[]
    readonly items: readonly (CostSums & { readonly owner: string })[]
    readonly more: boolean
  }
  costOf(agent: string, fromMs: number, untilMs: number): readonly CostSums[]
}

/** Uses of secrets in the journal, by number, until they are in the audit log. */
export interface UseBook {
  /** Rows that use a secret or were refused one, in order, after `after`. */
  uses(after: number, limit: number): readonly JournalRow[]
  /** How many there are after `after`. */
  useCount(after: number): number
  meta(name: string): string | undefined
  setMeta(values: Readonly<Record<string, string>>): Promise<void>
}

/** One line of the gate's log; fields are plain and never hold a secret. */
export type Log = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields?: Readonly<Record<string, string | number | boolean | null>>,
) => void
