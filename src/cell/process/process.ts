/**
 * Cells of programs: one agent, in any language. A `command` is one program for the agent's life, with a socket to its
 * sitter; an `exec` is one program a task. What bounds them are their walls: in kind `process` limits and a process
 * group, under the sitter's own user (files and network are not contained); in kind `sandbox` bubblewrap as well.
 */
import { chmod } from 'node:fs/promises'
import { failure, type Clock, type Disk, type Net, type Proc } from '../../std/std.ts'
import type { Cell, CellEvents, CellKind, CellPlan } from '../port.ts'
import { wayOf } from './bridged.ts'
import { ProcessCell } from './cell.ts'
import { ExecCell } from './exec.ts'
import { makeHome, removeHome } from '../home.ts'
import { resourceLimits } from '../limits/resources.ts'
import { plainWalls, type OpenWalls, type Walls } from '../walls.ts'
import { findProgram, startProgram, type ProgramPorts, type Surroundings } from './program.ts'
import { openReaper } from './reaper.ts'

export interface ProcessPorts {
  readonly clock: Clock
  readonly proc: Proc
  readonly net: Net
  readonly disk: Disk
  /** PATH, HOME, LANG and TZ are passed on to programs; the sitter's own by default. */
  readonly surroundings?: Surroundings
  /** The time from process to hello, for plans that give none. */
  readonly startWithinMs?: number
  /** What stands around the programs; absent = limits of each process alone. */
  readonly walls?: OpenWalls
}

const defaultStartMs = 10_000
const longestSocketPath = 100

const assertPaths = ({ sitterSocket, gateSocket }: CellPlan): void => {
  for (const path of [sitterSocket, gateSocket]) {
    const bytes = Buffer.byteLength(path)
    if (bytes > longestSocketPath)
      throw failure(
        'cell-start',
        `the socket path ${path} has ${bytes} bytes, a Unix socket takes ${longestSocketPath}`,
      )
  }
}

/** The socket's folder is 0700 and belongs to whoever may connect: a sandbox's program has a user of its own. */
const openToFolder = (path: string): Promise<void> => chmod(path, 0o666)

/**
 * @throws Failure `cell-start` from `start` when the program is not there or cannot be started; later ends come as
 *   `gone`.
 */
export const processCells = (ports: ProcessPorts): CellKind => {
  const { clock, proc, net, disk } = ports
  const programs: ProgramPorts = { proc, reaper: openReaper(proc), surroundings: ports.surroundings ?? process.env }
  const find = (name: string): string => findProgram(name, programs.surroundings)
  const openWalls = ports.walls ?? plainWalls(resourceLimits('none was asked for'), find)

  const startCommand = async (plan: CellPlan, walls: Walls, events: CellEvents): Promise<Cell> => {
    const cell = new ProcessCell(plan, { clock, disk, walls }, events)
    const listening = await net.listen(plan.sitterSocket, (link) => cell.accept(link))
    try {
      await openToFolder(plan.sitterSocket)
      const child = await startProgram(programs, {
        walled: walls.wrap({ words: plan.run.command!, directory: plan.run.directory!, through: wayOf(plan) }),
        walls,
        env: {
          ...plan.env,
          ...plan.proxy?.placeholders,
          SITTER_SOCKET: walls.sitterSocket,
          SITTER_GATE: walls.gateSocket,
        },
        onLine: (stream, text) => cell.line(stream, text),
      })
      const withinMs = plan.startWithinMs ?? ports.startWithinMs ?? defaultStartMs
      const { seesItself } = plan
      cell.begin(child, listening, { withinMs, effort: (pid) => proc.effort(pid), seesItself })
    } catch (error) {
      await listening.close()
      throw error
    }
    return cell
  }

  return {
    start: async (plan, events) => {
      assertPaths(plan)
      const words = plan.run.command ?? plan.run.exec
      if (words === undefined) throw failure('bug', 'a process cell runs a command or an exec')
      // Before anything is made: a program that is not there is the same tomorrow.
      find(words[0]!)
      await makeHome(disk, plan)
      let walls: Walls | undefined
      try {
        walls = await openWalls(plan)
        if (plan.run.command !== undefined) return await startCommand(plan, walls, events)
        // What is wrong with the program is told now, not with its first task.
        walls.wrap({ words, directory: plan.run.directory!, through: wayOf(plan) })
      } catch (error) {
        await walls?.close()
        await removeHome(disk, plan)
        throw failure('cell-start', `cell ${plan.id}: ${(error as Error).message}`, { cause: error })
      }
      const cell = new ExecCell(plan, { ...programs, clock, disk, walls }, events)
      queueMicrotask(() => events.ready())
      return cell
    },
  }
}
