/**
 * Does a program speak the agent protocol? Starts it in a scratch cell without a swarm and plays its sitter, word for
 * word as docs/protocol.md says it. Each check says what was expected and what came; what could not be tried is not
 * passed but `not tested`, with the reason.
 */
import { isAbsolute, join, resolve } from 'node:path'
import { asFailure, failure, type Clock, type Disk, type Proc } from '../../std/std.ts'
import { realNet } from '../../std/real/real.ts'
import { Conformance, type Check, type CheckWork } from './conformance.ts'
import { startPeer, type Peer } from './peer.ts'
import { openReaper } from './reaper.ts'
import { agent, Talk } from './talk.ts'

export type { Check } from './conformance.ts'

export interface CheckAsk extends CheckWork {
  readonly command: readonly string[]
  /** Absolute; where the program is started. */
  readonly directory: string
  /** Absolute; a new directory is made in it, and removed. */
  readonly scratchIn: string
  readonly onCheck: (check: Check) => void
  readonly onLine: (stream: 'stdout' | 'stderr', line: string) => void
}
export interface CheckPorts {
  readonly clock: Clock
  readonly proc: Proc
  readonly disk: Disk
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Runs every check in order; where nothing more can be said it stops, and says so. */
export const checkAgent = async (ports: CheckPorts, ask: CheckAsk): Promise<readonly Check[]> => {
  const [program, ...words] = ask.command
  if (program === undefined) throw failure('usage', 'there is no command to check')
  if (!isAbsolute(ask.scratchIn)) throw failure('bug', 'the scratch directory must be absolute')
  let peer: Peer | undefined
  const peerPorts = { ...ports, net: realNet(), reaper: openReaper(ports.proc), surroundings: ports.env }
  // Epochs that no program guesses: 1 would pass for one that never reads hello's answer.
  let epoch = 6
  const start = async (): Promise<Talk> => {
    epoch += 1
    await peer?.stop()
    peer = await startPeer(peerPorts, {
      words: [program.includes('/') ? resolve(ask.directory, program) : program, ...words],
      directory: ask.directory,
      scratch: join(ask.scratchIn, `sitter-check-${process.pid}-${epoch}`),
      agent,
      onLine: ask.onLine,
    })
    return new Talk(peer.box, ports.clock, epoch)
  }
  const checks: Check[] = []
  const tell = (check: Check): void => {
    checks.push(check)
    ask.onCheck(check)
  }
  try {
    await new Conformance(start, ask, tell).all()
  } catch (error) {
    const { code, facts, message } = asFailure(error)
    if (code !== 'cell-start') throw error
    const found = typeof facts['brief'] === 'string' ? facts['brief'] : message
    tell({ name: 'start', expected: 'a program that can be started', outcome: 'failed', found })
  } finally {
    await peer?.stop()
  }
  return checks
}
