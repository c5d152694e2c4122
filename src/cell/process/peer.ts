/** A program and the other end of its socket, for the conformance check: no swarm, no fleet, a scratch directory. */
import { Failure, failure, type Child, type Clock, type Disk, type Listening, type Net } from '../../std/std.ts'
import { Mailbox } from './mailbox.ts'
import { findProgram, startProgram, type ProgramPorts } from './program.ts'

export interface PeerPorts extends ProgramPorts {
  readonly clock: Clock
  readonly net: Net
  readonly disk: Disk
}

export interface PeerAsk {
  readonly words: readonly string[]
  /** Where the program is started. */
  readonly directory: string
  /** A directory of its own for the sockets; made, and removed at the end. */
  readonly scratch: string
  /** Who it is told to be. */
  readonly agent: string
  readonly onLine: (stream: 'stdout' | 'stderr', line: string) => void
}

export interface Peer {
  readonly box: Mailbox
  stop(): Promise<void>
}

/** @throws Failure `cell-start` when the program cannot be started. */
export const startPeer = async (ports: PeerPorts, ask: PeerAsk): Promise<Peer> => {
  const { clock, net, disk } = ports
  const [sitterSocket, gateSocket] = [`${ask.scratch}/sitter.sock`, `${ask.scratch}/gate.sock`]
  const box = new Mailbox(clock, ask.agent)
  const listening: Listening[] = []
  const clear = async (): Promise<void> => {
    for (const one of listening) await one.close()
    await disk.remove(ask.scratch)
  }
  await disk.makeDirectory(ask.scratch, 0o700)
  let child: Child
  try {
    listening.push(await net.listen(sitterSocket, (link) => box.accept(link)))
    // There is no gate here: whoever calls it is told so by a closed connection.
    listening.push(await net.listen(gateSocket, (gate) => gate.close()))
    child = await startProgram(ports, {
      walled: {
        command: findProgram(ask.words[0]!, ports.surroundings),
        args: ask.words.slice(1),
        cwd: ask.directory,
        env: {},
      },
      env: { SITTER_SOCKET: sitterSocket, SITTER_GATE: gateSocket },
      onLine: ask.onLine,
    })
  } catch (error) {
    await clear()
    throw error instanceof Failure ? error : failure('cell-start', (error as Error).message, { cause: error })
  }
  void child.ended.then(({ code, signal }) => {
    box.end = signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`
    box.news()
  })
  return {
    box,
    stop: async () => {
      child.killGroup('SIGKILL')
      await child.ended
      await clear()
    },
  }
}
