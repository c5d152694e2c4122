/**
 * Where agents live: the port that every cell kind fills. A cell is one OS process with one socket; agents are its
 * seats. The seat of an exec agent is the exception: nothing runs in it but one process a task.
 */
import type { AgentRun } from '../model/model.ts'
import type { ProcessEnd, ProcessIdentity } from '../std/std.ts'
import type { Frame, Seat } from '../wire/wire.ts'

export interface PlanLimits {
  /** Cores, in parts; null = as many as there are. */
  readonly cpus: number | null
  /** Processes and threads at once. */
  readonly processes: number
  /** Open files of one process. */
  readonly files: number
  /** What a sandbox may write. */
  readonly diskBytes: number
}

/** How much of what it may have a cell uses. */
export interface Share {
  readonly usedBytes: number
  readonly mostBytes: number
}

/** What is seen from outside of the program that a cell runs. */
export interface Usage {
  /** Its program: behind walls the process that we started is the wall. Null = not seen, or gone. */
  readonly pid: number | null
  /** Of all its processes together, its private disk among it; null = nobody counts it. */
  readonly memory: Share | null
  /** Its private disk; null = it has none, or it cannot be seen. */
  readonly disk: Share | null
}

/** A limit that had something to do, counted by the kernel. */
export interface LimitHit {
  readonly limit: 'memory' | 'cpu' | 'processes' | 'disk'
  readonly says: string
}

/** The end of a process that had limits. */
export interface WalledEnd extends ProcessEnd {
  /** What its limits had to do, where they are counted; `memory` among them is the kernel's kill for want of memory. */
  readonly hits?: readonly LimitHit[]
  /** Why something of its walls is still there. */
  readonly left?: string
}

export interface CellPlan {
  readonly id: string
  readonly kind: 'pool' | 'vm' | 'process' | 'sandbox'
  readonly agentType: string
  /** What is run: the agents' module in a pool, a command or one process a task in a process cell. */
  readonly run: AgentRun
  /**
   * The cell's private directory (made 0700); it holds `sitter.sock` and `gate.sock`, unless the path would be longer
   * than 100 bytes.
   */
  readonly directory: string
  readonly gateSocket: string
  readonly sitterSocket: string
  readonly seats: readonly Seat[]
  /** Extra environment of the agents; never a secret. */
  readonly env: Readonly<Record<string, string>>
  /** Heap cap of a pool host in MB; of a program all memory of its cell, where the machine can bound it. */
  readonly memoryMb: number
  /** What else a cell may use; the kind's own when absent. */
  readonly limits?: PlanLimits
  /** False = a pool host without walls, because its agents need files or network of their own. */
  readonly walls?: boolean
  /** A program without walls becomes a user of its own; its sockets lie where that one may go. */
  readonly ownUser?: true
  /** Beside its own program, what a sandbox may read: absolute paths. */
  readonly readable?: readonly string[]
  /** Its program knows no gate: it is given a proxy, and these values where it looks for its credentials. */
  readonly proxy?: { readonly placeholders: Readonly<Record<string, string>> }
  /** The time from the start of the process to its hello; the kind's own when absent. */
  readonly startWithinMs?: number
  /** Whether the sitter sees its own beats: else no start is too late for it. */
  readonly seesItself?: () => boolean
  /** The bounds of each machine in a `vm` cell, and how many there may be. */
  readonly vm?: { readonly memoryBytes: number; readonly sliceMs: number; readonly agents: number }
  /** Grows when the module may have become another; the first host of each compiles it for all. 0 when absent. */
  readonly code?: number
  /** Its host is watched by a thread of its own, which costs 7 MB: its group has lost a cell not long ago. */
  readonly watched?: boolean
}

/** What a host itself has left behind about its end. As far to be trusted as the cell: all its agents share it. */
export interface Witness {
  /** `blocked`: the loop was held; `memory`: who ran while the memory grew. */
  readonly kind: 'blocked' | 'memory'
  /** `watch`: a thread of the host asked the loop whom it runs; `stack`: the engine printed it when it was ended. */
  readonly source: 'watch' | 'stack'
  /** The agent that it points at; null when it points at nobody. */
  readonly agent: string | null
  /** How long the loop had been held, or over what time the memory grew; null when not known. */
  readonly forMs: number | null
  /** Innermost frame first, at most 24; empty when there is none. */
  readonly stack: readonly string[]
  /** Who ran at how many of the looks, while memory grew: what `agent` was decided from. */
  readonly looks?: Readonly<Record<string, number>>
}

/** A host that stands by: of its agents nothing is known yet but their type. */
export type StandbyPlan = Omit<CellPlan, 'run' | 'seats' | 'code' | 'watched'>

/** An agent that is a snapshot and lives nowhere. */
export interface Sleeper {
  readonly agent: string
  readonly snapshot: Uint8Array
  /** The engine's build: no other can wake it. */
  readonly build: string
  /** Until its next timer, when it wants to be woken; null = none. */
  readonly dueInMs: number | null
}

/** Why a cell is gone, told once. `suspects` = agents that had an attempt in hand, as evidence. */
export interface CellEnd {
  readonly cause: 'exit' | 'killed-by-us' | 'killed' | 'start-failed' | 'link-lost'
  readonly detail: string
  readonly end: WalledEnd | null
  /**
   * Its socket and directory are removed after its end was told: what replaces it need not wait for that. Resolves with
   * why they stay, or null. Absent when nothing was left to be done.
   */
  readonly cleared?: Promise<string | null>
  /** Absent when the host left nothing about it. */
  readonly witness?: Witness
}

export type EndStep = 'stack' | 'term' | 'kill'
export interface CellEvents {
  /**
   * The process connected, said hello and was welcomed with its seats; told again each time it has connected anew:
   * what it holds by then only a challenge can tell.
   */
  ready(): void
  /**
   * A request or notification from the cell that is no hello; already within the wire's bounds. `answer` replies to a
   * request.
   */
  frame(
    method: string,
    params: unknown,
    answer: (reply: { readonly result: unknown } | { readonly error: unknown }) => void,
  ): void
  /**
   * A frame that was refused (garbage, too large, too deep, flood): the sender has been answered; after too many the
   * link is cut.
   */
  refused(code: string, detail: string): void
  /**
   * A step of its end was done: `stack` = it was asked where its loop is, and had its time to say (`lines` of it came),
   * `term` and `kill` = the signal was sent. Each at most once.
   */
  did?(step: EndStep, facts: { readonly lines?: number }): void
  /** A line that the host printed. */
  line(stream: 'stdout' | 'stderr', text: string): void
  gone(end: CellEnd): void
}

export interface Cell {
  readonly id: string
  /** Null where no process stands for the cell: exec agents have one a task, see `processOf`. */
  readonly identity: ProcessIdentity | null
  /** The process that works for an agent now, where a cell has none of its own; null while nothing runs. */
  readonly processOf?: (agent: string) => ProcessIdentity | null
  /** Sends notifications or answers; frames of one turn leave in one write. */
  send(frames: readonly Frame[]): void
  /**
   * Sends a request and resolves with its result; rejects with Failure `timed-out`, `cell-lost`, or what the cell
   * answered.
   */
  ask(method: string, params: unknown, withinMs: number): Promise<unknown>
  /**
   * Ends the cell: SIGKILL to the process (and its group); `gone` follows. With `ask` a host is first made to say where
   * its loop is, for 300 ms at most.
   */
  kill(why: string, ask?: 'ask'): void
  /**
   * In a cell of kind `vm`: takes an agent out as a snapshot, with all that waits in it. From then on it lives nowhere.
   * Rejects `conflict` while it has work in hand, waits for an answer or has a timer that is due within `leastMs`: then
   * it stays. Rejects `timed-out`, `cell-lost`, `frame-invalid`, or `unknown-method` where agents cannot sleep.
   */
  sleep?(agent: string, ask: { readonly withinMs: number; readonly leastMs: number }): Promise<Sleeper>
  /** Seats an agent that goes on from its snapshot; where that does not fit it begins anew, which is told. */
  wake?(seat: Seat, snapshot: Uint8Array): void
  /** What all its processes have in memory, null = unknown; absent where its one process can be asked. */
  readonly memoryBytes?: (() => number | null) | undefined
  /** What its program uses; absent where the process of its identity is all that there is. */
  readonly usage?: (() => Usage) | undefined
  /** Bytes that the cell has not yet taken from its socket. */
  readonly pendingBytes: number
}

/** A cell that is a process. */
export interface HousedCell extends Cell {
  readonly identity: ProcessIdentity
}

/**
 * A cell that was started ahead of its agents: its process runs, has loaded what every host loads and answers
 * challenges (with no agents). No agent's code runs in it before `load`.
 */
export interface Standby extends HousedCell {
  /**
   * Has it load the agents' module; resolves when it has said that it does, and from then on everything is told to
   * `events`, as of any cell that starts. Rejects `timed-out` or `cell-lost` when it does not answer in time: then no
   * agent's code runs in it, and its end is told to the events that it was started with.
   */
  load(what: Pick<CellPlan, 'run' | 'watched'>, events: CellEvents, withinMs: number): Promise<void>
  /** The seats with which it is welcomed, once it has said hello. */
  welcome(seats: readonly Seat[]): void
}

export interface CellKind<Started extends Cell = Cell> {
  start(plan: CellPlan, events: CellEvents): Promise<Started>
  /** Starts a host without agents; `ready` tells that it stands by. Absent where nothing can be started ahead. */
  standBy?(plan: StandbyPlan, events: CellEvents): Promise<Standby>
}
