/**
 * What the host is short of, as the kernel tells it: pressure stall information (the share of the last ten seconds in
 * which work waited for memory, processor or disk) and the memory that is left, of the machine or of our own control
 * group, whichever is nearer to its end. Read from files that are given; what a file does not tell is null.
 */
export interface PressureReading {
  /** Null where it is not known. */
  readonly memory: {
    readonly freeBytes: number
    readonly totalBytes: number
    /** Whose memory it is. */
    readonly of: 'host' | 'group'
  } | null
  /** Shares in [0, 1]: of memory and io, nothing at all went on; of cpu, something waited. */
  readonly stalled: { readonly memory: number | null; readonly cpu: number | null; readonly io: number | null }
}

export interface Pressure {
  read(): PressureReading
}

export type ReadText = (path: string) => string | undefined

const share = (text: string | undefined, kind: 'some' | 'full'): number | null => {
  const found = new RegExp(`^${kind} avg10=([0-9.]+) `, 'm').exec(text ?? '')?.[1]
  return found === undefined ? null : Math.min(1, Math.round(Number(found) * 100) / 10_000)
}

type Left = { readonly freeBytes: number; readonly totalBytes: number }

const hostMemory = (text: string | undefined): Left | null => {
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}: +([0-9]+) kB$`, 'm').exec(text ?? '')?.[1] ?? Number.NaN) * 1_024
  const [freeBytes, totalBytes] = [bytes('MemAvailable'), bytes('MemTotal')]
  return Number.isFinite(freeBytes) && totalBytes > 0 ? { freeBytes, totalBytes } : null
}

/** Where the kernel says "no limit" in version 1 it says a number beyond any memory. */
const mostBytes = 2 ** 60

const files = {
  2: { limit: 'memory.max', used: 'memory.current', cached: 'inactive_file' },
  1: { limit: 'memory.limit_in_bytes', used: 'memory.usage_in_bytes', cached: 'total_inactive_file' },
} as const

const leftIn = (read: ReadText, directory: string, version: 1 | 2): Left | null => {
  const { limit, used, cached } = files[version]
  const [totalBytes, usedBytes] = [limit, used].map((name) => Number(read(`${directory}/${name}`) ?? Number.NaN))
  if (!(totalBytes! > 0 && totalBytes! < mostBytes) || !Number.isFinite(usedBytes)) return null
  const stat = read(`${directory}/memory.stat`) ?? ''
  // Files that nobody reads at the moment are given back before anybody has to wait.
  const backBytes = Number(new RegExp(`^${cached} ([0-9]+)$`, 'm').exec(stat)?.[1] ?? 0)
  return { freeBytes: Math.max(0, totalBytes! - usedBytes! + backBytes), totalBytes: totalBytes! }
}

/** Our own group and those above it: the limit that counts may lie on any of them. */
const groupsOf = (read: ReadText): { readonly directory: string; readonly version: 1 | 2 }[] => {
  const lines = (read('/proc/self/cgroup') ?? '').split('\n')
  const [one, two] = [/^[0-9]+:(?:[^:]*,)?memory(?:,[^:]*)?:(\/.*)$/, /^0::(\/.*)$/].map((shape) =>
    lines.map((line) => shape.exec(line)?.[1]).find((path) => path !== undefined),
  )
  const version = one === undefined ? 2 : 1
  const root = version === 1 ? '/sys/fs/cgroup/memory' : '/sys/fs/cgroup'
  const parts = (one ?? two)?.split('/').filter((part) => part !== '')
  if (parts === undefined) return []
  return Array.from({ length: parts.length + 1 }, (_, index) => ({
    directory: [root, ...parts.slice(0, parts.length - index)].join('/'),
    version,
  }))
}

const nearest = (all: readonly (PressureReading['memory'] & object)[]): PressureReading['memory'] =>
  all.toSorted((a, b) => a.freeBytes / a.totalBytes - b.freeBytes / b.totalBytes)[0] ?? null

export const readPressure = (read: ReadText): PressureReading => {
  const host = hostMemory(read('/proc/meminfo'))
  const groups = groupsOf(read).flatMap(({ directory, version }) => leftIn(read, directory, version) ?? [])
  return {
    memory: nearest([
      ...(host === null ? [] : [{ ...host, of: 'host' } as const]),
      ...groups.map((left) => ({ ...left, of: 'group' }) as const),
    ]),
    stalled: {
      memory: share(read('/proc/pressure/memory'), 'full'),
      cpu: share(read('/proc/pressure/cpu'), 'some'),
      io: share(read('/proc/pressure/io'), 'full'),
    },
  }
}
