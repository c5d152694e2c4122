/** What the gate says about itself and its upstreams; for people. */
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
      readonly rate: string
      readonly pausedUntilMs: number | null
      readonly waiting: number
    }[]
    readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number } | null
    /** What the provider itself said is left of its limits, with our credential of now; wall ms. */
    readonly learned: readonly { readonly name: string; readonly left: number | null; readonly untilMs: number }[]
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
