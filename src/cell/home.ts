/**
 * Where a cell lives on disk: its private directory, and beside it, where that one's path is too long for sockets, a
 * short one. Both bear its id, so that nothing else is ever removed in their place.
 */
import { basename, dirname } from 'node:path'
import type { Disk } from '../std/std.ts'
import type { CellPlan } from './port.ts'

type Home = Pick<CellPlan, 'id' | 'directory' | 'sitterSocket'>

const placesOf = ({ id, directory, sitterSocket }: Home): ReadonlySet<string> => {
  const sockets = dirname(sitterSocket)
  return new Set([directory, ...(basename(sockets) === id ? [sockets] : [])])
}

export const makeHome = async (disk: Disk, home: Home): Promise<void> => {
  for (const place of placesOf(home)) await disk.makeDirectory(place, 0o700)
}

export const removeHome = async (disk: Disk, home: Home): Promise<void> => {
  for (const place of placesOf(home)) await disk.remove(place)
}
