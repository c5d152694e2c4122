/**
 * A user of its own for a program without walls, where the sitter is root: what the kernel keeps from strangers it
 * keeps from this program too. Such a user owns nothing and is in no group: it reaches what all may, so what its
 * command line names is looked at before the start, and its sockets lie where it may go.
 */
import { chmodSync, chownSync, lstatSync, readdirSync, realpathSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { failure } from '../../std/std.ts'
import { wayFiles } from './bridged.ts'

/** Words that become this user for good, without powers; a life bound to its parent's has to be bound anew by it. */
export const becomeWords = (setpriv: string, uid: number): readonly string[] => {
  const user = ['--reuid', String(uid), '--regid', String(uid), '--clear-groups']
  const powers = ['--inh-caps=-all', '--bounding-set=-all', '--no-new-privs']
  return [setpriv, ...user, ...powers, '--pdeathsig', 'KILL', '--']
}

const ancestorsOf = (path: string): readonly string[] => {
  const above = dirname(path)
  return above === path ? [] : [...ancestorsOf(above), above]
}

/** The first part of the way to a path that is closed to whoever owns nothing; null = it may be read. */
export const closedAt = (path: string): string | null => {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return null
  for (const way of new Set([path, realpathSync(path)])) {
    const closed = ancestorsOf(way).find((above) => (statSync(above).mode & 0o001) === 0)
    if (closed !== undefined) return closed
  }
  const needed = found.isDirectory() ? 0o005 : 0o004
  return (found.mode & needed) === needed ? null : path
}

interface Started {
  readonly words: readonly string[]
  readonly directory: string
  /** Words before those of the program, which become it. */
  readonly through?: readonly string[]
}

/** @throws Failure `cell-start` that names what its own user could not read, and both ways out. */
export const assertReachable = (program: string, { words, directory, through = [] }: Started): void => {
  const named = words.slice(1).map((word) => resolve(directory, word))
  for (const path of [program, ...named, ...(through.length === 0 ? [] : wayFiles())]) {
    const closed = closedAt(path)
    if (closed === null) continue
    const mode = (statSync(closed).mode & 0o777).toString(8)
    throw failure(
      'cell-start',
      `${path} cannot be read by a user of its own: ${closed} is its owner's alone (mode ${mode}): ` +
        `chmod o+rX ${closed}, or cell: { kind: 'process', user: 'swarm' } to share the sitter's`,
    )
  }
}

const modeOfDoors = 0o711

/** Why cells' sockets cannot lie in there, or null: the place is a name that anybody might have taken. */
export const strangeDoors = (doors: string): string | null => {
  const found = lstatSync(doors, { throwIfNoEntry: false })
  if (found === undefined || (found.isDirectory() && found.uid === process.getuid?.())) return null
  return `${doors} is not this swarm's`
}

/** Gives the folder of a cell's sockets to its user, and lets everybody pass by what lies above. */
export const giveDoors = (sockets: string, uid: number): void => {
  const doors = dirname(sockets)
  const why = strangeDoors(doors)
  if (why !== null) throw failure('cell-start', `the sockets of a cell cannot lie in there: ${why}`)
  chmodSync(doors, modeOfDoors)
  chownSync(sockets, uid, uid)
}

/** What cells of an older sitter left there; only before the first cell is started. */
export const sweepDoors = (doors: string): void => {
  if (strangeDoors(doors) !== null || lstatSync(doors, { throwIfNoEntry: false }) === undefined) return
  for (const name of readdirSync(doors))
    if (name.startsWith('cel_')) rmSync(join(doors, name), { recursive: true, force: true })
}

export const removeDoors = (doors: string): void => {
  try {
    rmdirSync(doors)
  } catch {
    // There are none, or a cell has resisted: the next sitter looks again.
  }
}
