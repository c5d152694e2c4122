/**
 * What the kernel holds a cell to, behind one port: control groups of version 2 or 1 where they are ours to write, else
 * what prlimit can do. A group outlives nobody: what is left in it is killed before it is removed.
 */
export interface CellLimits {
  readonly memoryBytes: number
  /** Cores, in parts: 0.5 is half of one. Null = as much as there is. */
  readonly cpus: number | null
  /** Processes and threads at once. */
  readonly processes: number
  /** Open files of one process. */
  readonly files: number
}

/** What a group's limits have had to do since it was made; null = this machine does not count it. */
export interface LimitCounts {
  readonly oomKills: number | null
  readonly forksRefused: number | null
  readonly throttledMs: number | null
}

export const noCounts: LimitCounts = { oomKills: null, forksRefused: null, throttledMs: null }

export interface LimitGroup {
  /** Words before a program's own: whatever they start, and all that comes of it, is inside before its first step. */
  readonly before: readonly string[]
  /** Words for inside a sandbox, whose user nobody else is: there a bound on a user's processes is the cell's own. */
  readonly within: readonly string[]
  /** Its directory, for whoever must end what is in it without us; null = it has none. */
  readonly directory: string | null
  counts(): Promise<LimitCounts>
  /** What its processes have in memory, all together; null = nobody counts it. */
  memoryBytes(): number | null
  /** Kills whatever lives in it; false when something resists, or when there is no way to know. */
  empty(): Promise<boolean>
  /** Empties it and removes it. */
  remove(): Promise<void>
}

export interface LimitDriver {
  readonly kind: 'cgroup2' | 'cgroup1' | 'rlimits'
  /** What the kernel enforces for a whole cell. `weaker` is per process, or coarse. */
  readonly bounds: Readonly<Record<'memory' | 'cpu' | 'processes', 'enforced' | 'weaker' | 'absent'>>
  /** Why nothing better: null for control groups. */
  readonly why: string | null
  open(id: string, limits: CellLimits): Promise<LimitGroup>
  /** Only before the first `open`: empties and removes every group that is there, and gives their ids. */
  sweep(): Promise<readonly string[]>
  /** Removes what is ours and empty. */
  close(): Promise<void>
}
