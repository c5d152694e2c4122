/**
 * What an older sitter left behind: its cells' processes are killed, exactly those (pid and start time), and their
 * directories removed. A stranger that got a recycled pid is never touched.
 */
import { basename, isAbsolute, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Disk, Proc, ProcessIdentity } from '../std/std.ts'

export interface LeftCell {
  readonly id: string
  readonly identity: ProcessIdentity
  readonly directory: string
}

export interface Swept {
  readonly id: string
  /**
   * `gone`: nothing was left. `killed`: it lived and is gone now. `stranger`: the pid belongs to another process now,
   * left alone.
   * `still-there`: it was sent SIGKILL and lives (a process in an uninterruptible wait does): its agents may still act.
   */
  readonly process: 'gone' | 'killed' | 'stranger' | 'still-there'
  /** `kept`: the path is not one that a cell of this id could have, or removing failed; `why` says which. */
  readonly directory: 'removed' | 'absent' | 'kept'
  readonly why: string | null
}

/** SIGKILL takes a few ms; what is there after this long is stuck in the kernel. */
const goneWithinMs = 2_000
const lookEveryMs = 10

const endProcess = async (proc: Proc, identity: ProcessIdentity): Promise<Swept['process']> => {
  const now = proc.startTime(identity.pid)
  if (now === undefined) return 'gone'
  if (now !== identity.startTime) return 'stranger'
  proc.killExactly(identity, 'SIGKILL')
  for (let waitedMs = 0; waitedMs < goneWithinMs; waitedMs += lookEveryMs) {
    if (proc.startTime(identity.pid) !== identity.startTime) return 'killed'
    await wait(lookEveryMs)
  }
  return 'still-there'
}

const removeDirectory = async (disk: Disk, cell: LeftCell): Promise<Pick<Swept, 'directory' | 'why'>> => {
  // Rows are data: a wrong one must not be able to name a directory that no cell had.
  if (!isAbsolute(cell.directory) || basename(cell.directory) !== cell.id)
    return { directory: 'kept', why: `${cell.directory} is not the directory of ${cell.id}` }
  try {
    if (!(await disk.exists(cell.directory))) return { directory: 'absent', why: null }
    await disk.remove(cell.directory)
    return { directory: 'removed', why: null }
  } catch (error) {
    return { directory: 'kept', why: (error as Error).message }
  }
}

/** Ends and removes what is left of these cells; one that resists spoils no other. */
export const sweepCells = (
  ports: { readonly proc: Proc; readonly disk: Disk },
  cells: readonly LeftCell[],
  /** Where sockets lie whose path would be too long elsewhere. */
  sockets?: string,
): Promise<readonly Swept[]> =>
  Promise.all(
    cells.map(async (cell) => {
      const process = await endProcess(ports.proc, cell.identity)
      if (sockets !== undefined && process !== 'still-there' && basename(cell.id) === cell.id && cell.id !== '..')
        await ports.disk.remove(join(sockets, cell.id))
      const { directory, why } =
        process === 'still-there'
          ? { directory: 'kept' as const, why: `process ${cell.identity.pid} does not end` }
          : await removeDirectory(ports.disk, cell)
      return { id: cell.id, process, directory, why }
    }),
  )

/**
 * Directories of cells that are in no record: killed before they were, or seats in which no process lived. Only before
 * the first cell is started.
 */
export const sweepDirectories = async (
  disk: Disk,
  places: readonly string[],
  kept: ReadonlySet<string>,
): Promise<void> => {
  for (const place of places) {
    const found = (await disk.exists(place)) ? await disk.list(place) : []
    for (const name of found) if (name.startsWith('cel_') && !kept.has(name)) await disk.remove(join(place, name))
  }
}
