/**
 * Operating-system processes as an argument. A pid alone is no identity: (pid, start time) is, so that pid reuse never
 * kills a stranger. `startTime` is field 22 of /proc/PID/stat, in clock ticks since boot.
 */
import type { Effort } from './effort.ts'

export interface ProcessIdentity {
  readonly pid: number
  readonly startTime: string
}

export interface ProcessEnd {
  readonly code: number | null
  readonly signal: string | null
}

export interface SpawnOptions {
  readonly command: string
  readonly args: readonly string[]
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** Own process group, so that the whole tree can be signalled. */
  readonly ownGroup: boolean
  /** SIGKILL when the thread that spawned it ends, where the machine can (setpriv of util-linux). */
  readonly dieWithParent: boolean
  /** Called with whole lines of stdout and stderr, each at most 16 KiB; without it both are ignored. */
  readonly onLine?: (stream: 'stdout' | 'stderr', line: string) => void
  /** Bytes of stdout as they come; stdout is not cut into lines then. */
  readonly onOutput?: (chunk: Uint8Array) => void
  /**
   * Bytes a second that are read of each stream, four times as many at once: a program that prints more is slowed down
   * to it, never stopped. A line counts as 64 bytes more. Without it everything is read as it comes.
   */
  readonly readPerSecond?: number
  /** Given to the child on its stdin, which ends with it; without it stdin is empty. */
  readonly input?: string
  /** Called with whole lines that the child writes to descriptor 3 (its private line to the parent). */
  readonly onPrivateLine?: (line: string) => void
  /** Bytes that the child finds on descriptors 4, 5, …; each ends after them. */
  readonly give?: readonly Uint8Array[]
}

export interface Child {
  readonly identity: ProcessIdentity
  /** Resolves once, when the process has ended. */
  readonly ended: Promise<ProcessEnd>
  /** Resolves once, when it has ended and all that it printed was read: nobody holds its streams open any more. */
  readonly closed: Promise<void>
  /** Writes a line to the child's descriptor 3; dropped when it has ended. */
  tell(line: string): void
  kill(signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void
  /** Signals every process of the child's own group (only with `ownGroup`). */
  killGroup(signal: 'SIGTERM' | 'SIGKILL'): void
}

export interface Proc {
  /** Rejects when the program cannot be started. */
  spawn(options: SpawnOptions): Promise<Child>
  /** The start time of a living process, undefined when there is none (a zombie counts as none). */
  startTime(pid: number): string | undefined
  /** Kills only the process that was meant; true when a signal was sent. */
  killExactly(identity: ProcessIdentity, signal: 'SIGTERM' | 'SIGKILL'): boolean
  /** Resident memory of a living process in bytes, undefined when it is gone. */
  residentBytes(pid: number): number | undefined
  /** What a process does: `R` runs, `S` waits, `D` waits for a disk, `T` was stopped; undefined when it is gone. */
  state(pid: number): string | undefined
  /** How its threads have spent their time since they began; undefined when it is gone or may not be looked at. */
  effort(pid: number): Effort | undefined
  /** Descriptors that a living process has open, and may have; undefined when it is gone, or may not be looked at. */
  openFiles(pid: number): { readonly open: number; readonly most: number } | undefined
  /**
   * Processes that the kernel has killed for want of memory since boot, on the whole machine; undefined where it does
   * not say.
   */
  oomKills(): number | undefined
}
