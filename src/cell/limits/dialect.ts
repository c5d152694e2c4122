/** What the files of control groups are called, what is written to them and what stands in them. Pure. */
import type { CellLimits, LimitCounts } from './port.ts'

export type Controller = 'memory' | 'pids' | 'cpu'
export const controllers: readonly Controller[] = ['memory', 'pids', 'cpu']

export interface Setting {
  readonly controller: Controller
  readonly file: string
  readonly value: string
  /** A kernel without swap accounting has no such file; without swap there is nothing to bound. */
  readonly optional?: true
}

/** Microseconds: the time over which a share of CPU is counted. */
const periodUs = 100_000
const quotaUs = (cpus: number): number => Math.max(1_000, Math.round(cpus * periodUs))

export const settingsOf = (version: 1 | 2, { memoryBytes, processes, cpus }: CellLimits): readonly Setting[] => {
  const memory = String(Math.round(memoryBytes))
  const pids: Setting = { controller: 'pids', file: 'pids.max', value: String(processes) }
  if (version === 2)
    return [
      { controller: 'memory', file: 'memory.max', value: memory },
      { controller: 'memory', file: 'memory.swap.max', value: '0', optional: true },
      // A cell that lost one of its processes is not a cell any more: it ends whole, and is started again.
      { controller: 'memory', file: 'memory.oom.group', value: '1' },
      pids,
      ...(cpus === null
        ? []
        : [{ controller: 'cpu', file: 'cpu.max', value: `${quotaUs(cpus)} ${periodUs}` } as const]),
    ]
  return [
    { controller: 'memory', file: 'memory.limit_in_bytes', value: memory },
    { controller: 'memory', file: 'memory.memsw.limit_in_bytes', value: memory, optional: true },
    pids,
    ...(cpus === null
      ? []
      : ([
          { controller: 'cpu', file: 'cpu.cfs_period_us', value: String(periodUs) },
          { controller: 'cpu', file: 'cpu.cfs_quota_us', value: String(quotaUs(cpus)) },
        ] as const)),
  ]
}

/** The files that tell what a limit had to do. */
export const counterFiles = {
  1: { memory: 'memory.oom_control', pids: 'pids.events', cpu: 'cpu.stat' },
  2: { memory: 'memory.events', pids: 'pids.events', cpu: 'cpu.stat' },
} as const

const numberAt = (text: string | undefined, name: string): number | null => {
  const found = text
    ?.split('\n')
    .map((line) => line.split(' '))
    .find(([word]) => word === name)?.[1]
  return found === undefined || !/^\d+$/.test(found) ? null : Number(found)
}

/** What is in memory for the group alone, of its `memory.stat`: no files that others share. */
export const ownMemoryOf = (version: 1 | 2, stat: string | undefined): number | null => {
  const own = numberAt(stat, version === 2 ? 'anon' : 'total_rss')
  const shared = numberAt(stat, version === 2 ? 'shmem' : 'total_shmem')
  return own === null ? null : own + (shared ?? 0)
}

export const countsOf = (
  version: 1 | 2,
  texts: Readonly<Partial<Record<Controller, string | undefined>>>,
): LimitCounts => {
  const throttled = numberAt(texts.cpu, version === 2 ? 'throttled_usec' : 'throttled_time')
  return {
    oomKills: numberAt(texts.memory, 'oom_kill'),
    forksRefused: numberAt(texts.pids, 'max'),
    throttledMs: throttled === null ? null : Math.round(throttled / (version === 2 ? 1e3 : 1e6)),
  }
}

/** Where the hierarchies are mounted and where in them this process is, from /proc/self/mountinfo and cgroup. */
export const ownGroups = (
  mountinfo: string,
  cgroup: string,
): { readonly 1: Readonly<Partial<Record<Controller, string>>>; readonly 2: string | undefined } => {
  const first: Partial<Record<Controller, string>> = {}
  let second: string | undefined
  const pathOf = (named: (names: readonly string[]) => boolean): string | undefined => {
    const line = cgroup.split('\n').find((one) => named((one.split(':')[1] ?? '').split(',')))
    return line?.split(':').slice(2).join(':')
  }
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ')
    const [, , , root = '', mount = ''] = before.split(' ')
    const [type, , options = ''] = after.split(' ')
    // What is mounted may be a part of the hierarchy: then our path begins with that part.
    const inMount = (path: string | undefined): string | undefined =>
      path === undefined
        ? undefined
        : `${mount}${root !== '/' && path.startsWith(root) ? path.slice(root.length) : path}`
    const plain = (path: string | undefined): string | undefined => path?.replace(/\/+$/, '')
    if (type === 'cgroup2') second ??= plain(inMount(pathOf((names) => names.length === 1 && names[0] === '')))
    if (type !== 'cgroup') continue
    for (const one of controllers)
      if (options.split(',').includes(one)) first[one] ??= plain(inMount(pathOf((names) => names.includes(one))))!
  }
  return { 1: first, 2: second }
}
