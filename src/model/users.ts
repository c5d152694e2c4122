/**
 * Numbers of users that belong to nobody, for what a swarm starts where it may change users: so that the kernel itself
 * keeps its parts apart. They lie above what systemd and containers give away (systemd's UIDS-GIDS), and each swarm
 * takes its own 65,536 of them.
 */
import { createHash } from 'node:crypto'

const first = 0x70000000
const perSwarm = 65_536
const swarms = 4_096

export interface UserNumbers {
  /** Of all hosts of a swarm together: they share compiled code. */
  readonly hosts: number
  /** Of its cells, one after the other: this one and so many after it. */
  readonly firstCell: number
  readonly cells: number
  readonly gate: number
}

export const userNumbersOf = (swarm: string): UserNumbers => {
  const base = first + (createHash('sha256').update(swarm).digest().readUInt16BE(0) % swarms) * perSwarm
  return { hosts: base, firstCell: base + 1, cells: perSwarm - 2, gate: base + perSwarm - 1 }
}
