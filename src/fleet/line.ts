/** What the fleet gives to the log. */

/**
 * A line for the log: what an agent or a host printed, or what the fleet has to say about itself. Message at most 16
 * KiB.
 */
export interface FleetLine {
  readonly wallMs: number
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly source: 'agent' | 'stdout' | 'stderr' | 'fleet'
  readonly agent: string | null
  readonly cell: string | null
  readonly message: string
  readonly fields?: Readonly<Record<string, unknown>>
}
