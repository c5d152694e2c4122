/**
 * Control groups as files. One directory a cell in each hierarchy; a process enters by a line of shell that is always
 * the same: what varies are its arguments, which no shell reads as code.
 */
import { readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { failure } from '../../std/std.ts'
import { counterFiles, countsOf, ownMemoryOf, settingsOf, type Controller } from './dialect.ts'
import { noCounts, type CellLimits, type LimitDriver, type LimitGroup } from './port.ts'

/** Which directory of ours holds the cells, by controller; version 2 has the same one for all. */
export interface Hierarchies {
  readonly version: 1 | 2
  readonly parents: Readonly<Partial<Record<Controller, string>>>
}

/**
 * Exits 126 when it cannot enter: never a program outside its limits. In version 1 the shell moves itself as a thread,
 * which it alone is: 0.1 ms, where moving a process waits for every CPU (10 ms and more each, Linux 6.18).
 */
const enter = (version: 1 | 2): string => {
  const list = version === 1 ? 'tasks' : 'cgroup.procs'
  const own = 'ulimit -c 0 && ulimit -n "$1" || exit 126; shift'
  return `${own}; while [ "$1" != -- ]; do echo 0 > "$1/${list}" || exit 126; shift; done; shift; exec "$@"`
}

const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'
const textOf = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return undefined // the group is gone, or the kernel has no such file: it tells nothing
  }
}

/** A killed process takes some ms to leave; one in an uninterruptible wait stays. */
const emptyWithinMs = 2_000
const lookEveryMs = 2

const killListed = async (directory: string): Promise<boolean> => {
  const listed = (await textOf(join(directory, 'cgroup.procs'))) ?? ''
  const pids = listed.split('\n').filter((one) => one !== '')
  for (const pid of pids.map(Number)) {
    // 0 is somebody whom our process namespace does not show; to kill it would be to kill ourselves.
    if (!(pid > 1)) continue
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // Gone meanwhile.
    }
  }
  return pids.length === 0
}

/** True when nothing lives in these directories any more. */
const emptyAll = async (directories: readonly string[], pids: string | undefined): Promise<boolean> => {
  // Nothing new is born while the rest is killed, one by one, where the kernel cannot kill them all at once.
  if (pids !== undefined) await writeFile(join(pids, 'pids.max'), '0').catch(() => {})
  for (const directory of directories) await writeFile(join(directory, 'cgroup.kill'), '1').catch(() => {})
  for (let waitedMs = 0; ; waitedMs += lookEveryMs) {
    const empty = await Promise.all(directories.map(killListed))
    if (empty.every(Boolean)) return true
    if (waitedMs >= emptyWithinMs) return false
    await wait(lookEveryMs)
  }
}

/** Removes what is empty; false when something is in there still, or again: the kernel counts out a little late. */
const removeAll = async (directories: readonly string[]): Promise<boolean> => {
  for (const directory of directories) {
    try {
      await rmdir(directory)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EBUSY') return false
      if (!isAbsent(error)) throw error
    }
  }
  return true
}

const write = async (directory: string, limits: CellLimits, controller: Controller, version: 1 | 2): Promise<void> => {
  for (const { file, value, optional } of settingsOf(version, limits).filter((one) => one.controller === controller)) {
    try {
      await writeFile(join(directory, file), value)
    } catch (error) {
      if (!optional)
        throw failure('cell-start', `${file} of ${directory}: ${(error as Error).message}`, { cause: error })
    }
  }
}

/** Those that are empty; what is still used stays. */
const removeParents = async (parents: readonly string[]): Promise<void> => {
  for (const parent of parents) await rmdir(parent).catch(() => {})
}

/** Control groups below directories that are there and ours. */
export const controlGroups = ({ version, parents }: Hierarchies): LimitDriver => {
  const held = Object.entries(parents) as [Controller, string][]
  const places = [...new Set(held.map(([, parent]) => parent))]
  const within = (id: string): readonly string[] => places.map((parent) => join(parent, id))
  const pidsOf = (id: string): string | undefined => parents.pids && join(parents.pids, id)
  const end = async (id: string): Promise<void> => {
    for (let waitedMs = 0; waitedMs < emptyWithinMs; waitedMs += lookEveryMs) {
      if (!(await emptyAll(within(id), pidsOf(id)))) break
      if (await removeAll(within(id))) return
      await wait(lookEveryMs)
    }
    throw failure('cell-lost', `something in control group ${id} cannot be killed`)
  }
  const groupOf = (id: string, limits: CellLimits): LimitGroup => ({
    before: ['/bin/sh', '-c', enter(version), 'sitter-enter', String(limits.files), ...within(id), '--'],
    within: [],
    directory: pidsOf(id) ?? within(id)[0] ?? null,
    counts: async () => {
      const files = counterFiles[version]
      const texts = await Promise.all(held.map(([one, parent]) => textOf(join(parent, id, files[one]))))
      return { ...noCounts, ...countsOf(version, Object.fromEntries(held.map(([one], index) => [one, texts[index]]))) }
    },
    memoryBytes: () => {
      try {
        return parents.memory === undefined
          ? null
          : ownMemoryOf(version, readFileSync(join(parents.memory, id, 'memory.stat'), 'utf8'))
      } catch {
        return null // the group is gone
      }
    },
    empty: async () => {
      const done = await emptyAll(within(id), pidsOf(id))
      // Of an exec agent's group: the next task is born here.
      if (parents.pids !== undefined) await write(join(parents.pids, id), limits, 'pids', version).catch(() => {})
      return done
    },
    remove: () => end(id),
  })
  const bound = (one: Controller): 'enforced' | 'absent' => (parents[one] === undefined ? 'absent' : 'enforced')
  return {
    kind: version === 2 ? 'cgroup2' : 'cgroup1',
    bounds: { memory: bound('memory'), cpu: bound('cpu'), processes: bound('pids') },
    why: null,
    open: async (id, limits) => {
      for (const directory of within(id)) await mkdir(directory, { recursive: true, mode: 0o755 })
      for (const [controller, parent] of held) await write(join(parent, id), limits, controller, version)
      return groupOf(id, limits)
    },
    sweep: async () => {
      const ids = new Set<string>()
      for (const parent of places) {
        const found = await readdir(parent, { withFileTypes: true })
        for (const one of found) if (one.isDirectory()) ids.add(one.name)
      }
      for (const id of ids) await end(id)
      return [...ids]
    },
    close: () => removeParents(places),
  }
}

/** Makes the parents; says why when they cannot be made. */
export const makeParents = async ({ parents }: Hierarchies): Promise<string | null> => {
  for (const parent of new Set(Object.values(parents))) {
    try {
      await mkdir(parent, { recursive: true, mode: 0o755 })
    } catch (error) {
      return `${dirname(parent)} is not ours to write (${(error as NodeJS.ErrnoException).code})`
    }
  }
  return null
}
