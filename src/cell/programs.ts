/** Cells with the walls that this machine can build for each: the two kinds of programs, and the hosts of pools. */
import { dirname, join } from 'node:path'
import type { CellKind } from './port.ts'
import { failure } from '../std/std.ts'
import type { Machine } from './machine.ts'
import { findProgram } from './process/program.ts'
import { processCells, type ProcessPorts } from './process/process.ts'
import type { Hidden } from './sandbox/arguments.ts'
import { openUids } from './sandbox/uids.ts'
import { hostView, packageOf, programView } from './sandbox/view.ts'
import { sandboxWalls } from './sandbox/walls.ts'
import { plainWalls, type OpenWalls } from './walls.ts'

export interface ProgramCellsPorts extends ProcessPorts {
  readonly machine: Machine
  /** Tells swarms on one machine apart. */
  readonly swarm: string
  /** What no agent may see though it lies beside its program. */
  readonly hidden: readonly Hidden[]
}

export const programCells = (ports: ProgramCellsPorts): Readonly<Record<'process' | 'sandbox', CellKind>> => {
  const { machine, hidden, swarm } = ports
  const surroundings = ports.surroundings ?? process.env
  const plain = plainWalls(machine.limits, (name) => findProgram(name, surroundings))
  const uids = openUids(swarm)
  const sandbox = processCells({
    ...ports,
    walls: sandboxWalls({ machine, uids, hidden, view: programView(surroundings['PATH'] ?? '') }),
  })
  return {
    process: processCells({ ...ports, walls: plain }),
    sandbox: {
      start: (plan, events) =>
        machine.bwrap === null
          ? Promise.reject(failure('cell-refused', machine.abilities.namespaces.says))
          : sandbox.start(plan, events),
    },
  }
}

/** The folder of `src` or `dist`: our own code, with its modules beside it. */
const ourPackage = join(import.meta.dirname, '..', '..')

export interface HostWallsAsk {
  readonly machine: Machine
  readonly hidden: readonly Hidden[]
  /** Absolute paths of the agents' modules. */
  readonly modules: readonly string[]
  readonly codeCache: string
}

/**
 * The walls of pool hosts: every host sees the code of all modules (which is no secret), read-only, and no data of
 * anybody. Its user stays the sitter's: hosts share compiled code, and what one user writes another could not read.
 */
export const hostWalls = ({ machine, hidden, modules, codeCache }: HostWallsAsk): OpenWalls => {
  if (machine.bwrap === null) return plainWalls(machine.limits, (name) => name)
  const packages = [ourPackage, ...new Set(modules.flatMap((module) => [packageOf(module), dirname(module)]))]
  return sandboxWalls({ machine, hidden, view: hostView(packages, codeCache) })
}
