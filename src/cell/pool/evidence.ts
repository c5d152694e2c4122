/**
 * What a host leaves behind about its end, in its own words: written by its watchdog, read by the sitter. As data only,
 * because the host must not load what the sitter needs, and the other way round.
 */
export const mostFrames = 24
/** In the cell's directory. */
export const evidenceFile = 'witness.json'

/** What the watchdog is started with. */
export interface Watch {
  /** The loop counts here. */
  readonly beats: Int32Array
  /** Whose machine runs, in a `vm` cell: a name, then zeros. */
  readonly running: Uint8Array
  readonly file: string
  readonly memoryBytes: number
}

export interface Evidence {
  /** Absent while the loop runs. */
  readonly blocked?: {
    readonly agent: string | null
    readonly stack: readonly string[]
    readonly forMs: number
    readonly wallMs: number
  }
  readonly memory?: {
    /** Whom the loop ran at each of the last looks, oldest first; null = nobody, or not known. */
    readonly looks: readonly (string | null)[]
    readonly stack: readonly string[]
    readonly forMs: number
    readonly wallMs: number
  }
}
