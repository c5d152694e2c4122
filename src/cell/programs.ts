/** Cells with the walls that this machine can build for each: the two kinds of programs, and the hosts of pools. */
import { lchownSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CellKind, CellPlan } from './port.ts'
import { failure } from '../std/std.ts'
import type { Machine } from './machine.ts'
import { findProgram, type Surroundings } from './process/program.ts'
import { processCells, type ProcessPorts } from './process/process.ts'
import { closedAt } from './process/user.ts'
import type { Hidden } from './sandbox/arguments.ts'
import { openUids } from './sandbox/uids.ts'
import { canRead, findInside, hostView, installedAbove, packageOf, programView } from './sandbox/view.ts'
import { sandboxWalls } from './sandbox/walls.ts'
import { plainWalls, type OpenWalls } from './walls.ts'

export interface ProgramCellsPorts extends ProcessPorts {
  readonly machine: Machine
  /** Tells swarms on one machine apart. */
  readonly swarm: string
  /** What no agent may see though it lies beside its program; asked at each start. */
  readonly hidden: () => readonly Hidden[]
}

export const programCells = (ports: ProgramCellsPorts): Readonly<Record<'process' | 'sandbox', CellKind>> => {
  const { machine, hidden, swarm } = ports
  const surroundings = ports.surroundings ?? process.env
  const uids = openUids(swarm)
  // A program is passed over whose folder is closed to the cell's user: one in root's own home, say.
  const find = (name: string, uid: number | null): string =>
    findProgram(name, surroundings, (path) => uid === null || closedAt(path) === null)
  const own = machine.plainUser ? { ...uids, setpriv: machine.setpriv! } : undefined
  const plain = plainWalls(machine.limits, find, own)
  const sandbox = processCells({
    ...ports,
    walls: sandboxWalls({ machine, users: uids, hidden, view: programView(surroundings['PATH'] ?? '') }),
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

/**
 * The program that a cell of this kind runs by this name.
 * @throws Failure `cell-start` when there is none.
 */
export const programPath = (
  name: string,
  kind: CellPlan['kind'],
  { surroundings, ownUser }: { readonly surroundings: Surroundings; readonly ownUser: boolean },
): string =>
  kind === 'sandbox'
    ? findInside(name, surroundings['PATH'] ?? '')
    : findProgram(name, surroundings, (path) => !ownUser || closedAt(path) === null)

/** The folder of `src` or `dist`: our own code, with its modules beside it. */
const ourPackage = join(import.meta.dirname, '..', '..')
/** Where the engine of `vm` cells lies: inside of that, or beside it where we are a package ourselves. */
const engine = dirname(fileURLToPath(import.meta.resolve('quickjs-wasi/quickjs.wasm')))

export interface HostWallsAsk {
  readonly machine: Machine
  readonly hidden: () => readonly Hidden[]
  /** Absolute paths of the agents' modules; looked at for each start, there may be more by then. */
  readonly modules: Iterable<string>
  readonly codeCache: string
  readonly swarm: string
}

/** Compiled code of an earlier sitter may be another user's. Links are not followed. */
const giveAway = (path: string, uid: number): void => {
  lchownSync(path, uid, uid)
  for (const one of readdirSync(path, { withFileTypes: true })) {
    if (one.isDirectory()) giveAway(join(path, one.name), uid)
    else lchownSync(join(path, one.name), uid, uid)
  }
}

/**
 * The walls of pool hosts: every host sees the code of all modules (which is no secret), read-only, and nobody's data.
 * All hosts of a swarm have one user, for they share compiled code: the first of a module writes it. Where that user
 * could not read the code, the sitter's own must do.
 */
export const hostWalls = ({ machine, hidden, modules, codeCache, swarm }: HostWallsAsk): OpenWalls => {
  const plain = plainWalls(machine.limits, (name) => name)
  if (machine.bwrap === null) return plain
  const known = new Map<string, readonly string[]>()
  const packages = (): readonly string[] => {
    for (const module of modules)
      if (!known.has(module)) known.set(module, [packageOf(module), dirname(module), ...installedAbove(module)])
    return [ourPackage, engine, ...new Set([...known.values()].flat())]
  }
  const { hosts } = openUids(swarm)
  const isOwn = (): boolean => machine.ownUser && canRead(hosts, packages())
  mkdirSync(codeCache, { recursive: true, mode: 0o700 })
  if (isOwn()) giveAway(codeCache, hosts)
  const users = { take: () => (isOwn() ? hosts : null), release: () => {} }
  const walled = sandboxWalls({ machine, hidden, users, view: hostView(packages, codeCache) })
  // Who wants no walls has limits all the same, and a group by which whatever it started is found.
  return (plan) => (plan.walls === false ? plain : walled)(plan)
}
