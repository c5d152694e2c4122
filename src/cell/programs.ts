/** The two kinds of cells for programs, with the walls that this machine can build for each. */
import type { CellKind } from './port.ts'
import { failure } from '../std/std.ts'
import type { Machine } from './machine.ts'
import { findProgram } from './process/program.ts'
import { processCells, type ProcessPorts } from './process/process.ts'
import type { Hidden } from './sandbox/arguments.ts'
import { openUids } from './sandbox/uids.ts'
import { sandboxWalls } from './sandbox/walls.ts'
import { plainWalls } from './walls.ts'

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
    walls: sandboxWalls({ machine, uids, hidden, path: surroundings['PATH'] ?? '' }),
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
