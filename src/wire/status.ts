/** What the gate says about itself and its upstreams; for people. */
export interface LimitUsage {
  /** Calls, or what they weigh, that count now. */
  readonly used: number
  /** Most that may: the rate less its guard, or calls at once. */
  readonly of: number
  /** Wall ms from which one more may go; null = when one that is under way is answered or ends. */
  readonly freeAtMs: number | null
}
/** Value of `limits`: one upstream's limits closely, the most used first; a hundred of each at most. */
export interface LimitsView {
  /** `owner`: a credential, a type or an agent; empty where the limit has none. `over`: as in `GateStatus`. */
  readonly domains: readonly (LimitUsage & {
    readonly per: string
    readonly owner: string
    readonly over?: string
  })[]
  readonly waiting: readonly { readonly agent: string; readonly waiting: number }[]
}

/** Value of `limits.of`: the limits over upstreams that count an agent's calls. */
export type AgentLimits = readonly (LimitUsage & {
  readonly name: string
  /** Whose calls it counts together: this agent's, its type's (`owner`) or the swarm's. */
  readonly per: string
  readonly owner: string
  readonly rate: string
  /** To which calls count; empty = all. */
  readonly upstreams: readonly string[]
})[]

/** Value of `status`. */
export interface GateStatus {
  readonly gateId: string
  readonly pid: number
  readonly user: {
    /** Null where there are no users. */
    readonly uid: number | null
    /** Nobody else runs as it. */
    readonly own: boolean
    /** Only root may read its memory; null = not known. */
    readonly hidden: boolean | null
    /** Why it has no user of its own; null when it has. */
    readonly why: string | null
  }
  readonly frozen: boolean
  /** Its journal cannot be written, so nothing is sent: its disk is full, for one. */
  readonly journalRefuses: boolean
  readonly queued: number
  readonly inFlight: number
  readonly cells: number
  /** Credentials that wait for a person. */
  readonly credentialsWaiting: number
  readonly upstreams: readonly {
    readonly name: string
    readonly calls: number
    readonly byStatus: Readonly<Record<string, number>>
    readonly limits: readonly {
      readonly per: string
      /** Name of a limit that counts calls to other upstreams as well; absent = it is this one's. */
      readonly over?: string
      readonly rate: string
      readonly pausedUntilMs: number | null
      readonly waiting: number
      /** With our credential of now; null where each agent or type has its own. */
      readonly usage: LimitUsage | null
    }[]
    readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number } | null
    /** Of calls that were let through, for their limits. */
    readonly waitMs: { readonly p50: number; readonly p95: number; readonly p99: number } | null
    /** What the provider itself said is left of its limits, with our credential of now; wall ms. */
    readonly learned: readonly { readonly name: string; readonly left: number | null; readonly untilMs: number }[]
    /** Whose calls are held back by the provider's word, whatever limits are configured; the longest first. */
    readonly paused: readonly {
      /** `address`: all who come from here, by any upstream and credential. */
      readonly whose: 'credential' | 'address'
      readonly credential: string | null
      readonly why: 'asked' | 'banned'
      /** Wall ms; of a ban in the past: one call is still to try its end. */
      readonly untilMs: number
    }[]
    /** Found where the provider refuses and tells no limit. */
    readonly paces: readonly { readonly credential: string | null; readonly perSecond: number }[]
    /** Calls need a credential, and none that is configured can be used now. */
    readonly unsigned: boolean
    /** Those that are not closed. */
    readonly breakers: readonly {
      readonly endpoint: string
      readonly credential: string | null
      readonly state: 'open' | 'half-open'
      readonly sinceMs: number
      readonly nextProbeMs: number
      readonly failedProbes: number
    }[]
  }[]
}
