/**
 * A user of its own for each cell, where the sitter may change users: so that the kernel itself keeps cells apart, and
 * apart from the sitter. The numbers belong to nobody: they lie above what systemd and containers give away
 * (systemd's UIDS-GIDS), and each swarm takes its own 65,536 of them.
 */
import { createHash } from 'node:crypto'
import { assert } from '../../std/std.ts'

const first = 0x70000000
const perSwarm = 65_536
const swarms = 4_096

export interface Uids {
  /** Of all hosts of a swarm together: they share compiled code. */
  readonly hosts: number
  take(): number
  release(uid: number): void
}

export const openUids = (swarm: string): Uids => {
  const base = first + (createHash('sha256').update(swarm).digest().readUInt16BE(0) % swarms) * perSwarm
  const taken = new Set<number>()
  let last = 0
  return {
    hosts: base,
    take: () => {
      assert(taken.size < perSwarm - 1, 'a swarm has fewer than 65,535 cells')
      // The longest unused first: what a cell leaves somewhere is not soon another's.
      do last = 1 + (last % (perSwarm - 1))
      while (taken.has(base + last))
      taken.add(base + last)
      return base + last
    },
    release: (uid) => taken.delete(uid),
  }
}
