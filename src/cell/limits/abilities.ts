/** What becomes of each limit of a cell on this machine, told one by one. Pure. */
import { absent, enforced, weaker, type Ability } from '../ability.ts'
import type { LimitDriver } from './port.ts'

export type LimitName = 'limits' | 'memory' | 'cpu' | 'processes' | 'disk' | 'files' | 'group-kill'

export interface LimitsSeen {
  readonly driver: LimitDriver
  /** False where groups were only looked at: version 2 hands its controllers down when a sitter starts. */
  readonly isTried: boolean
  /** A sandbox whose disk was full when it should be; null = no sandbox. */
  readonly hasDisk: boolean | null
  /** Open files by prlimit, where there are no groups. */
  readonly files: Ability
}

const delegate =
  'run it as a service with Delegate=yes (systemd), or `systemd-run --user -p Delegate=yes`; ' +
  'in Docker ≥ 28 --security-opt writable-cgroups=true'

const diskOf = (hasDisk: boolean | null): Ability => {
  if (hasDisk === null)
    return absent("a cell has no disk of its own, and may fill the machine's", 'bubblewrap, as for the sandbox')
  return hasDisk
    ? enforced('sandboxes and pool hosts write to a /tmp of a bounded size alone (tried); cells without walls anywhere')
    : absent('a sandbox took more than its disk has (tried)', 'a bubblewrap of 0.8 or later, which can size a tmpfs')
}

export const limitAbilities = ({
  driver,
  isTried,
  hasDisk,
  files,
}: LimitsSeen): Readonly<Record<LimitName, Ability>> => {
  const { kind, why, bounds } = driver
  const disk = diskOf(hasDisk)
  if (kind !== 'rlimits') {
    const by = `by cgroup ${kind === 'cgroup2' ? 'v2' : 'v1'} (${isTried ? 'tried' : 'tried when a sitter starts'})`
    return {
      limits: enforced(`memory, CPU and processes of each cell ${by}`),
      memory: enforced(`memory of each cell, and of its /tmp, ${by}; what exceeds it is killed`),
      cpu: enforced(`CPU of each cell ${by}; what exceeds it is held back`),
      processes: enforced(`processes and threads of each cell ${by}; more are refused`),
      disk,
      files: enforced(`open files of each process, and no core dumps (ulimit${isTried ? ', tried' : ''})`),
      'group-kill': enforced('whatever a cell started is found in its control group and ends with it'),
    }
  }
  const coarse = bounds.memory === 'weaker'
  return {
    limits: coarse
      ? weaker(`only coarse bounds of each process, none on CPU, on processes in sandboxes alone: ${why}`, delegate)
      : absent(`no bound on memory, CPU and processes: ${why}`, delegate),
    memory: coarse
      ? weaker(`of each process alone, and 1 GiB at least, for Node does not start with less: ${why}`, delegate)
      : absent(`no bound on memory but the heap of a pool host: ${why}`, delegate),
    cpu: absent(`no bound on CPU: ${why}`, delegate),
    processes: coarse
      ? weaker(`in sandboxes alone, counted by their user (prlimit): ${why}`, delegate)
      : absent(`no bound on processes: ${why}`, delegate),
    disk,
    files,
    'group-kill': weaker(
      'what leaves its process group can outlive its cell, unless the cell is a sandbox',
      'as for limits: control groups',
    ),
  }
}
