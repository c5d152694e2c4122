/**
 * Cells of kind `process`: one agent, in any language. A `command` is one program for the agent's life, with a socket
 * to its sitter; an `exec` is one program a task. The boundary is a process group under the sitter's own user: files
 * and network are not contained, and memory is not limited.
 */
import { failure, type Clock, type Disk, type Net, type Proc } from '../../std/std.ts'
import type { Cell, CellEvents, CellKind, CellPlan } from '../port.ts'
import { ProcessCell } from './cell.ts'
import { ExecCell } from './exec.ts'
import { findProgram, startProgram, type ProgramPorts, type Surroundings } from './program.ts'
import { openReaper } from './reaper.ts'

/** What people are told about the boundary, wherever it is shown. */
export const processBoundary = 'process: same uid, files and network not contained'

export interface ProcessPorts {
  readonly clock: Clock
  readonly proc: Proc
  readonly net: Net
  readonly disk: Disk
  /** PATH, HOME, LANG and TZ are passed on to programs; the sitter's own by default. */
  readonly surroundings?: Surroundings
  /** The time from process to hello, for plans that give none. */
  readonly startWithinMs?: number
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

/**
 * @throws Failure `cell-start` from `start` when the program is not there or cannot be started; later ends come as
 *   `gone`.
 */
export const processCells = (ports: ProcessPorts): CellKind => {
  const { clock, proc, net, disk } = ports
  const programs: ProgramPorts = { proc, reaper: openReaper(proc), surroundings: ports.surroundings ?? process.env }

  const startCommand = async (plan: CellPlan, words: readonly string[], events: CellEvents): Promise<Cell> => {
    const cell = new ProcessCell(plan, clock, disk, events)
    const listening = await net.listen(plan.sitterSocket, (link) => cell.accept(link))
    try {
      const child = await startProgram(programs, {
        words,
        directory: plan.run.directory!,
        env: { ...plan.env, SITTER_SOCKET: plan.sitterSocket, SITTER_GATE: plan.gateSocket },
        onLine: (stream, text) => cell.line(stream, text),
      })
      cell.begin(child, listening, plan.startWithinMs ?? ports.startWithinMs ?? defaultStartMs)
    } catch (error) {
      await listening.close()
      throw failure('cell-start', `cell ${plan.id}: ${(error as Error).message}`, { cause: error })
    }
    return cell
  }

  return {
    start: async (plan, events) => {
      assertPaths(plan)
      const words = plan.run.command ?? plan.run.exec
      if (words === undefined) throw failure('bug', 'a process cell runs a command or an exec')
      // Before anything is made: a program that is not there is the same tomorrow.
      findProgram(words[0]!, programs.surroundings)
      await disk.makeDirectory(plan.directory, 0o700)
      if (plan.run.command !== undefined) return startCommand(plan, words, events)
      const cell = new ExecCell(plan, { ...programs, clock, disk }, events)
      queueMicrotask(() => events.ready())
      return cell
    },
  }
}
