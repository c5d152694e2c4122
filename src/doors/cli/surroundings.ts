/**
 * The world as the CLI sees it; main.ts fills it with the machine, tests with a fake. Nothing in doors/cli reaches the
 * machine otherwise.
 */
import type { Cancel, Clock, Disk, Folder, Proc, Random } from '../../std/std.ts'
import type { Inspection } from './inspection.ts'

export interface Output {
  write(text: string): void
  /** Resolves when everything written has left the process; a reader that went away counts as left. */
  drained(): Promise<void>
  /** True when the reader went away: nothing more needs to be written. */
  readonly closed: boolean
  readonly isTerminal: boolean
  /** Width in columns; 80 when it is no terminal. */
  columns(): number
  /** Height in lines; 24 when it is no terminal. */
  rows(): number
}

export interface Input {
  readonly isTerminal: boolean
  /** Everything until the end, at most `bound` bytes. Rejects Failure `too-large`. */
  readAll(bound: number): Promise<string>
  /** One line from the terminal, without its end; `hidden` does not echo. Rejects Interrupted on Ctrl-C. */
  readLine(options: { readonly hidden: boolean }): Promise<string>
  /** Each key as it is pressed, Ctrl-C too, without echo, until it is cancelled; the terminal is then as it was. */
  keys(take: (key: string) => void): Cancel
}

/** A started swarm: what the assembly `watch` gives back. */
export interface Watching {
  readonly apiUrl: string
  /** Address of the dashboard with a one-time login. */
  readonly loginUrl: string
  readonly token: string
  onEvent(listener: (line: { readonly at: number; readonly level: string; readonly message: string }) => void): void
  /** Reads the configuration's file again and applies it; what is wrong with it is told in events. */
  reload?(): void
  /** Stops gate, sitter and cells in order within `withinMs`; 0 = at once. */
  stop(withinMs: number): Promise<void>
  /** Resolves when the swarm cannot be kept up any longer. */
  readonly failed: Promise<Error>
  /** Resolves when the swarm was stopped from elsewhere (`sitter down`). */
  readonly stopped?: Promise<void>
}
export interface WatchAsk {
  readonly configFile: string
  readonly dataDirectory: string
  readonly fresh: boolean
}

export interface Detached {
  readonly pid: number
  /** Its exit code (1 when a signal ended it); null while it lives. */
  exit(): number | null
  /** The last of what it said on stderr. */
  said(): string
  /** From now on nobody listens to it, and it keeps no one waiting. */
  leave(): void
}

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Absolute path of the working directory. */
  readonly directory: string
  readonly version: string
  /** Where `npm install` finds this package: `file:…` in a checkout, absent = its registry, by version. */
  readonly packageFrom?: string
  /** How this program is called here: `sitter`, or `npx sitter` in a checkout. */
  readonly program: string
  readonly stdin: Input
  readonly stdout: Output
  readonly stderr: Output
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly proc: Proc
  readonly fetch: typeof globalThis.fetch
  /** Calls the listener at each signal of that name, instead of the default (which ends the process). */
  onSignal(name: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void): Cancel
  /** The terminal that there was at the start is not there any more. */
  terminalGone(): boolean
  startWatch(ask: WatchAsk): Promise<Watching>
  /** This program again with these arguments, in a session of its own: it lives on when this process ends. */
  startDetached(argv: readonly string[]): Promise<Detached>
  /** Files that only grow, of a folder on this machine. */
  folder(directory: string): Folder
  /** What `doctor` looks at. */
  inspect(): Promise<Inspection>
}

/** Thrown when a person pressed Ctrl-C at a prompt. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}
