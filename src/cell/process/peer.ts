/**
 * The other end of a program's socket, for the conformance check: takes what it says, whole or broken, and lets one
 * ask for the next frame of a kind. No swarm, no fleet, no patience beyond the time asked for.
 */
import { failure, type Child, type Clock, type Disk, type Link, type Listening, type Net } from '../../std/std.ts'
import { bounds, lineReader, toLine } from '../../wire/wire.ts'
import { findProgram, startProgram, type ProgramPorts } from './program.ts'

export type Said = Readonly<Record<string, unknown>>

/** A program that says more than this without being asked is not going to pass. */
const mostHeld = 10_000

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
  readonly onLine: (stream: 'stdout' | 'stderr', line: string) => void
}

/** What the program said, and who waits for more of it. */
class Mailbox {
  readonly broken: string[] = []
  readonly #clock: Clock
  readonly #frames: Said[] = []
  readonly #looks = new Set<() => void>()
  /** How the program ended; null while it runs. */
  end: string | null = null
  /** The number of connections that it made. */
  connections = 0
  link: Link | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  accept(link: Link): void {
    this.link = link
    this.connections += 1
    link.onData(
      lineReader(bounds, {
        object: (frame) => {
          if (this.#frames.length < mostHeld) this.#frames.push(frame)
          else this.#broke(`more than ${mostHeld} frames that nobody asked for`)
          this.news()
        },
        refused: (code, detail) => {
          this.#broke(`${code}: ${detail}`)
          this.news()
        },
      }),
    )
    link.onClose(() => {
      if (this.link === link) this.link = undefined
      this.news()
    })
    this.news()
  }

  #broke(why: string): void {
    if (this.broken.length < mostHeld) this.broken.push(why)
  }

  news(): void {
    for (const look of this.#looks) look()
  }

  until(look: () => boolean, withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const over = (came: boolean): void => {
        this.#looks.delete(check)
        cancel()
        resolve(came)
      }
      const check = (): void => {
        if (look()) over(true)
        else if (this.end !== null) over(false)
      }
      const cancel = this.#clock.timer(withinMs, () => over(false))
      this.#looks.add(check)
      check()
    })
  }

  async next(fits: (frame: Said) => boolean, withinMs: number): Promise<Said | undefined> {
    let found = -1
    const look = (): boolean => {
      found = this.#frames.findIndex(fits)
      return found >= 0
    }
    await this.until(look, withinMs)
    return found < 0 ? undefined : this.#frames.splice(found, 1)[0]
  }
}

export interface Peer {
  /** What the program sent that was no frame, in words. */
  readonly broken: readonly string[]
  /** How it ended; null while it runs. */
  readonly end: () => string | null
  /** The number of connections that it made. */
  readonly connections: () => number
  send(frame: object): void
  /** Bytes as they are. */
  write(text: string): void
  /** The next frame that fits and was not taken yet; undefined when none comes in time, or the program ended. */
  next(fits: (frame: Said) => boolean, withinMs: number): Promise<Said | undefined>
  /** Waits for anything: looks again at each news. False when it does not come in time. */
  until(look: () => boolean, withinMs: number): Promise<boolean>
  hangUp(): void
  stop(): Promise<void>
}

/** @throws Failure `cell-start` when the program cannot be started. */
export const startPeer = async (ports: PeerPorts, ask: PeerAsk): Promise<Peer> => {
  const { clock, net, disk } = ports
  const [sitterSocket, gateSocket] = [`${ask.scratch}/sitter.sock`, `${ask.scratch}/gate.sock`]
  const box = new Mailbox(clock)
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
    throw failure('cell-start', (error as Error).message, { cause: error })
  }
  void child.ended.then(({ code, signal }) => {
    box.end = signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`
    box.news()
  })
  return {
    broken: box.broken,
    end: () => box.end,
    connections: () => box.connections,
    send: (frame) => box.link?.write(toLine({ jsonrpc: '2.0', ...frame })),
    write: (text) => box.link?.write(text),
    next: (fits, withinMs) => box.next(fits, withinMs),
    until: (look, withinMs) => box.until(look, withinMs),
    hangUp: () => box.link?.close(),
    stop: async () => {
      child.killGroup('SIGKILL')
      await child.ended
      await clear()
    },
  }
}
