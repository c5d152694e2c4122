/**
 * The walls of one cell: how a program is started inside of them, what its limits had to do, and how whatever is left
 * in there ends. Each cell kind of programs brings its own; this is the port, and the plain kind: limits, no walls.
 */
import { dirname } from 'node:path'
import type { Child, ProcessEnd } from '../std/std.ts'
import type { CellLimits, LimitCounts, LimitDriver, LimitGroup } from './limits/port.ts'
import type { LimitHit, StandbyPlan, Usage, WalledEnd } from './port.ts'
import { assertReachable, becomeWords, giveDoors } from './process/user.ts'

/** A program as the configuration names it. */
export interface Inhabitant {
  /** The program and its arguments. */
  readonly words: readonly string[]
  readonly directory: string
  /** Words before those of the program, which become it (process/bridge.ts). */
  readonly through?: readonly string[]
  /** A folder that it may write, beside what is its own. */
  readonly writable?: string
}

/** A program as it is started. */
export interface Walled {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  /** Over what the program's environment says otherwise. */
  readonly env: Readonly<Record<string, string>>
  /** Bytes that it finds on descriptors 4, 5, … */
  readonly give?: readonly Uint8Array[]
  /** The walls' own word on descriptor 3. */
  readonly onPrivateLine?: (line: string) => void
}

export interface Walls {
  /** The cell's sockets, as the program sees them. */
  readonly sitterSocket: string
  readonly gateSocket: string
  /** The control group in which it all lives; null = none. */
  readonly group: string | null
  /** @throws Failure `cell-start` when there is no such program, or when it could not be read inside. */
  wrap(program: Inhabitant): Walled
  /** Asks the program itself to end; false where the signal goes to its group as to any. */
  terminate(): boolean
  /**
   * Kills all that is inside of this wall, once: then the wall ends by itself, and has buried its dead. False where
   * only the wall can be killed: who was inside becomes an orphan, for the machine's first process to bury, which does
   * not do so everywhere.
   */
  kill?(wall: number): boolean
  /** How the program ended, told by the end of what was started; and what its limits did since the last one's. */
  endOf(end: ProcessEnd): Promise<WalledEnd>
  /** What all its processes have in memory; null = unknown. Absent where its one process can be asked. */
  readonly memoryBytes?: () => number | null
  /** What can be seen of the program in there; absent where what was started is the program. */
  readonly usage?: () => Usage
  /** Its private disk, as a path of ours: also when its processes are gone, until `endOf`. Null = not seen. */
  readonly home?: () => string | null
  /** Kills what is left of it. */
  empty(): Promise<void>
  /** Empties it and leaves nothing of it. */
  close(): Promise<void>
}

/** A process behind walls. */
export type WalledChild = Omit<Child, 'ended'> & {
  /** Tells of its limits too. */
  readonly ended: Promise<WalledEnd>
  readonly memoryBytes?: () => number | null
  readonly usage?: () => Usage
  /** Once it has ended: what it has left in its private place about that; absent where it has none. */
  readonly evidence?: () => string | undefined
}

/** How it ended, and why, in words. */
export const howOf = ({ code, signal, hits = [], left }: WalledEnd): string => {
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`
  return [how, ...hits.map(({ says }) => says), ...(left === undefined ? [] : [left])].join('; ')
}

/** The end of a cell's only process: nothing of its walls is left when it is told. */
export const lastEndOf = async (walls: Walls, end: ProcessEnd): Promise<WalledEnd> => {
  const told = await walls.endOf(end)
  try {
    await walls.close()
    return told
  } catch (error) {
    return { ...told, left: (error as Error).message }
  }
}

/** What is run inside is not known yet where a host stands by. */
export type OpenWalls = (plan: StandbyPlan) => Promise<Walls>

/**
 * What is read of a program's output a second, a line as 64 bytes more; what it prints beyond is taken later, so that
 * a flood costs the sitter at most 3 % of a core, and no turn of its loop is long.
 */
export const readPerSecond = 1_048_576

/** What a program may use where its plan says nothing. */
export const usualLimits = { cpus: 1, processes: 64, files: 256, diskBytes: 64_000_000 } as const

/** A host's heap is not all of its memory: buffers, code and the like have as much again as half of it, and 128 MB. */
const hostBytes = (heapMb: number): number => (heapMb * 1.5 + 128) * 1_000_000

/** A machine of the engine holds what is free inside of it too, and grows by doubling what is largest. */
const machineBytes = (memoryBytes: number): number => memoryBytes * 1.5 + 2_000_000

const memoryBytesOf = ({ kind, memoryMb, vm }: StandbyPlan): number => {
  if (kind === 'vm' && vm !== undefined) return hostBytes(memoryMb) + vm.agents * machineBytes(vm.memoryBytes)
  return kind === 'pool' ? hostBytes(memoryMb) : memoryMb * 1_000_000
}

export const limitsOf = ({ limits, ...plan }: StandbyPlan): CellLimits => ({
  memoryBytes: memoryBytesOf(plan),
  ...(limits ?? usualLimits),
})

const megabytes = (bytes: number): string => `${Math.round(bytes / 1_000_000)} MB`

/** What a difference of counts means, in words. Pure. */
export const hitsBetween = (before: LimitCounts, now: LimitCounts, limits: CellLimits): readonly LimitHit[] => {
  const grown = (name: keyof LimitCounts): number => (now[name] ?? 0) - (before[name] ?? 0)
  const hits: LimitHit[] = []
  // How many it killed is not told: where it kills a group whole, it counts the first one twice (Linux 6.1).
  if (grown('oomKills') > 0)
    hits.push({
      limit: 'memory',
      says: `out of memory: the kernel killed it or a process of it at ${megabytes(limits.memoryBytes)}`,
    })
  const refused = grown('forksRefused')
  if (refused > 0)
    hits.push({ limit: 'processes', says: `${refused} new processes were refused at its limit of ${limits.processes}` })
  const throttled = grown('throttledMs')
  if (throttled > 0)
    hits.push({ limit: 'cpu', says: `it was held back for ${throttled} ms by its limit of ${limits.cpus} CPU` })
  return hits
}

/** The limits of one cell, and what they did since they were asked last. */
export const openLimitsOf = async (
  driver: LimitDriver,
  plan: StandbyPlan,
): Promise<{ readonly group: LimitGroup; readonly hits: () => Promise<readonly LimitHit[]> }> => {
  const limits = limitsOf(plan)
  const group = await driver.open(plan.id, limits)
  let last = await group.counts()
  return {
    group,
    hits: async () => {
      const before = last
      last = await group.counts()
      return hitsBetween(before, last, limits)
    },
  }
}

/** Users for programs without walls. */
export interface OwnUsers {
  readonly setpriv: string
  take(): number
  release(uid: number): void
}

/** Limits, and where `own` is given and the plan says so a user of its own: the kind `process`. */
export const plainWalls =
  (driver: LimitDriver, find: (name: string, uid: number | null) => string, own?: OwnUsers): OpenWalls =>
  async (plan) => {
    const { group, hits } = await openLimitsOf(driver, plan)
    const uid = own !== undefined && plan.ownUser === true ? own.take() : null
    const sockets = dirname(plan.sitterSocket)
    try {
      if (uid !== null) giveDoors(sockets, uid)
    } catch (error) {
      own?.release(uid!)
      await group.remove()
      throw error
    }
    // Of that user there is one program: a bound on a user's processes is its own.
    const become = uid === null ? [] : [...becomeWords(own!.setpriv, uid), ...group.within]
    return {
      sitterSocket: plan.sitterSocket,
      gateSocket: plan.gateSocket,
      group: group.directory,
      wrap: (inhabitant) => {
        const { words, directory, through = [] } = inhabitant
        const program = find(words[0] ?? '', uid)
        if (uid !== null) assertReachable(program, inhabitant)
        const [command = '', ...args] = [...group.before, ...become, ...through, program, ...words.slice(1)]
        return { command, args, cwd: directory, env: uid === null ? {} : { HOME: sockets, TMPDIR: sockets } }
      },
      terminate: () => false,
      endOf: async (end) => ({ ...end, hits: await hits() }),
      ...(driver.bounds.memory === 'enforced' && { memoryBytes: () => group.memoryBytes() }),
      empty: async () => {
        await group.empty()
      },
      close: async () => {
        await group.remove()
        if (uid !== null) own!.release(uid)
      },
    }
  }
