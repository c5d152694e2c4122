/**
 * A user of its own for each cell, where the sitter may change users: so that the kernel itself keeps cells apart, and
 * apart from the sitter.
 */
import { userNumbersOf } from '../../model/users.ts'
import { assert } from '../../std/std.ts'

export interface Uids {
  /** Of all hosts of a swarm together: they share compiled code. */
  readonly hosts: number
  take(): number
  release(uid: number): void
}

export const openUids = (swarm: string): Uids => {
  const { hosts, firstCell, cells } = userNumbersOf(swarm)
  const taken = new Set<number>()
  let next = 0
  return {
    hosts,
    take: () => {
      assert(taken.size < cells, 'a swarm has fewer cells than numbers for them')
      // The longest unused first: what a cell leaves somewhere is not soon another's.
      for (; taken.has(firstCell + next); next = (next + 1) % cells);
      const uid = firstCell + next
      next = (next + 1) % cells
      taken.add(uid)
      return uid
    },
    release: (uid) => taken.delete(uid),
  }
}
