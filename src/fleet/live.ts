/**
 * What the fleet holds in memory: agents, the groups that share a cell, and the cells that live now. Groups follow
 * from the configuration; a cell is one incarnation of a group's process. Plain records, changed only by the files of
 * this room.
 */
import type { Cell, Standby } from '../cell/cell.ts'
import type { AgentEvent, AgentRef, AgentStateName, AgentType, MachineBounds, Mode } from '../model/model.ts'
import type { Cancel, PressureReading, Stamp } from '../std/std.ts'
import type { AdmissionState } from './admission/decide.ts'
import type { Boot } from './boot/state.ts'
import type { Agenda } from './agenda.ts'
import type { FreeQueue, Place } from './free.ts'
import type { Bed, DormitoryOf, SleepersOf } from './hibernate/dormitory.ts'
import type { Figures } from './figures.ts'
import type { Governor } from './governor/governor.ts'
import type { FleetOptions } from './options.ts'
import type { Order } from './order/state.ts'
import type { FleetRecord } from './record.ts'
import type { RestartCause } from './port.ts'
import type { ProbeState } from './probes/decide.ts'
import type { PolicyState } from './restart.ts'
import type { Rolling } from './rolling/state.ts'
import type { Excuse, Look } from './silence/decide.ts'
import type { Partings } from './split.ts'
import type { Stillness } from './stillness.ts'
import type { Turn } from './turn.ts'
import type { Useful } from './useful.ts'
import type { Waves } from './waves.ts'

export type { FleetOptions, LastLife } from './options.ts'

/** How an attempt was lost; `collateral`: not the fault of its agent, costs no attempt. */
export interface AttemptLoss {
  readonly cause: string
  readonly collateral: boolean
  /** Its cell died while it was the only attempt in hand there. */
  readonly alone?: boolean
}

/** An attempt that was given to an agent. */
export interface Attempt {
  readonly id: string
  /** Place in the order of frames to its cell: only a challenge sent later can speak about it. */
  readonly mark: number
  readonly givenMs: number
  /** Last progress, also by its agent's own word: what the window of `stuckAfter` goes by. */
  progressMs: number
  /** Last progress that we saw ourselves: what evidence goes by. */
  seenMs: number
  /** A call of its agent's is in hand in the gate, by the gate's last word, until then (monotonic). */
  outsideUntilMs: number
  cancelledMs: number | null
  /** Its cell was challenged since then, and has listed it since then. */
  askedMs: number | null
  heldMs: number | null
  /** What its process had done when it began to look stuck, or was asked to give up. */
  look: Look | null
  /** Requests about its end that wait for their commit. */
  answering: number
  /** The agent was lost while an answer was under way: told as lost only when that answer fails. */
  lostAs: AttemptLoss | null
  /** Told as lost, or answered: nothing more may be said about it. */
  over: boolean
}

/** Waits for a time, bounded by its original delay whatever the clocks do. */
export interface Due {
  readonly set: Stamp
  readonly delayMs: number
}

export interface Agent extends AgentRef {
  readonly id: string
  settings: AgentType
  /** The group that the configuration gave it. */
  home: Group
  /** Where it lives: at home, or in a part of it. */
  group: Group
  /** When its cell has died through it (monotonic), latest last. */
  kills: readonly number[]
  /** What it died of last, as the governor knows it; null = of nothing that it looks at, or it has come up again. */
  diedOf: string | null
  /** Why it was lost, until it is started again. */
  lostBy: RestartCause | null
  /** It is to go home as soon as it has nothing in hand. */
  called: boolean
  mode: Mode
  readonly place: Place<Agent>
  state: AgentStateName
  epoch: number
  sinceMs: number
  restarts: number
  reason: string | null
  policy: PolicyState
  /** Who decides when it is started next: its own policy, that of who shares its cell, or its configured group's. */
  hold: 'own' | 'cell' | 'band' | null
  /** What a person ordered it to be, until a person orders otherwise: no time and no loss ends that. */
  ordered: 'paused' | 'stopped' | 'quarantined' | null
  due: Due | null
  cancelDue: Cancel | null
  cell: LiveCell | null
  /** Place of its seat in the order of frames to its cell. */
  mark: number
  seatedMs: number
  readyMs: number | null
  progressed: boolean
  /** Wall time of the last finished work in this incarnation. */
  finishedMs: number | null
  /** What of its work we saw last, in this incarnation. */
  seen: { readonly wallMs: number; readonly what: string } | null
  /** Wall ms at which work of it was last taken or asked for: what a call through the gate alone does not prove. */
  workedMs: number | null
  /** Ends that were accepted, over its incarnations of this sitter. */
  useful: Useful
  taken: boolean
  /** Its host is asked for its machine: nobody can take it. */
  dozing: boolean
  /** Its machine, while no host has it. */
  bed: Bed | null
  /**
   * When it was last taken (monotonic): agents that come back together are free in the order in which they last worked.
   */
  takenMs: number
  /** Until when it rests (monotonic), for it is throttled. */
  restMs: number
  /** Since when it has nothing to do (monotonic), kept of types that may sleep; Infinity while it has. */
  idleMs: number
  attempt: Attempt | null
  lastAttempt: string | null
  /** Not in the configuration any more: it gets no new work, and goes when it has nothing in hand. */
  leaving: boolean
  /** Begins anew with other settings: it gets no new work until it has. */
  renewing: boolean
  /** Cells it lived in, newest first, at most four: where its time line is told. */
  lastCells: readonly string[]
}

/** What makes some agents of a home a part of it. */
export interface Part {
  readonly id: string
  /** Its agents go home when they have lived in it for so long. */
  readonly proofMs: number
  /** Its agent was named as the cause; else nobody was. */
  readonly named: boolean
  readonly sinceMs: number
}

/** Agents of one type that share a cell, whichever incarnation. */
export interface Group {
  readonly index: number
  /** What its cell is started with. */
  settings: AgentType
  /** Null for a home. */
  readonly part: Part | null
  /** Those whose home it is, wherever they live now, by number. The first one's row holds the home's state. */
  readonly members: Agent[]
  readonly agents: Agent[]
  policy: PolicyState
  /** When its cell died by its own doing and nobody was named (monotonic), latest last. */
  deaths: readonly number[]
  /** What its cell died of last, as the governor knows it; null once it has come up again. */
  diedOf: string | null
  /** A person wants it started now: until it has come up, or is lost, no hold concerns it. */
  goesFirst: boolean
  partings: Partings
  cell: LiveCell | null
  /** Monotonic time before which its cell is not started again. */
  notBeforeMs: number
  due: Due | null
  cancelDue: Cancel | null
  /** The rest of its agents wait until the probe has proven itself. */
  quarantined: boolean
  /** Why a person wants its host begun anew; null = nobody does. */
  anew: string | null
  cancelTrial: Cancel | null
  /** When the trial that runs is over (monotonic). */
  trialMs: number
  /** When its last cell was lost, until its agents are back: the recovery time in events. */
  lostMs: number | null
  recycledMs: number | null
}

export interface CellPlace {
  readonly id: string
  readonly directory: string
  readonly sitterSocket: string
  readonly gateSocket: string
}

export interface LiveCell extends CellPlace {
  readonly group: Group
  /** Its host was started ahead. */
  readonly stoodBy: boolean
  readonly launchedMs: number
  startedWallMs: number
  phase: 'starting' | 'ready' | 'ending'
  cell: Cell | null
  welcomed: boolean
  recorded: boolean
  gone: boolean
  /** Resolved when it is gone and its agents are elsewhere. */
  readonly ended: PromiseWithResolvers<void>
  readyMs: number | null
  progressed: boolean
  readonly agents: Set<Agent>
  /** Named as the cause by the host or by us, with the monotonic time. */
  readonly named: Map<string, number>
  killedFor: string | null
  /** It is ended for what it did or did not do: each step of that is told. */
  judged: boolean
  /** Its only agent was taken out of it: its end is no loss. */
  vacated: boolean
  /** The gate was told who lives in it now. */
  announced: boolean
  /** Attempts that its agents were told to give up, newest last. */
  endedAttempts: readonly string[]
  /** One of its agents after the other is being put to sleep. */
  bedding: boolean
  /** It ends because its agents sleep: nothing of it has to be remembered. */
  slept: boolean
  /** Somebody had stopped its process when we ended it. */
  wasStopped: boolean
  /** Where in the last tenth of its type's longest life it ends, in [0, 1). */
  readonly jitter: number
  /** Beats in a row at which it was near its limits. */
  fullBeats: number
  /** It gets no more work, and is ended when it has none: it is near its limits. */
  recycling: { readonly sinceMs: number; readonly why: string; over: boolean } | null
  /** Order of frames that matter for what a challenge can prove. */
  mark: number
  /** Grows when its beats begin anew: those of before are over. */
  pulse: number
  silentBeats: number
  suspect: boolean
  /** What its process had done when it became suspect. */
  suspected: Look | null
  /** Why its silence is not held against it; told once. */
  excuse: Excuse | null
  /** Steps of the ladder since its last word (silence/ladder.ts). */
  readonly steps: string[]
  /** What its probes say; null = it has none. */
  probes: ProbeState | null
  /** Its process when its liveness was well last. */
  probed: Look | null
  /** The last look at its process. */
  effort: Look | null
  heardMs: number
  answeredMs: number | null
  answeredWallMs: number | null
  answeredAgents: number | null
  askedAgain: Cancel | null
  readonly timers: Set<Cancel>
  exists: { readonly atMs: number; readonly wallMs: number; readonly yes: boolean } | null
  readonly lines: { windowMs: number; count: number; dropped: number }
  refusedFrames: number
  /** Refusals that an event has told. */
  refusedTold: number
}

/** A host that stands by, or is about to. */
export interface Post {
  readonly place: CellPlace
  readonly settings: AgentType
  readonly startedWallMs: number
  readonly ended: PromiseWithResolvers<void>
  state: 'starting' | 'ready' | 'taken' | 'gone'
  /** The configuration has changed: it is on its way out. */
  unwanted: boolean
  standby: Standby | null
  connected: boolean
  /** Its start was given to the record; `durable` once the record holds it. */
  recorded: boolean
  durable: boolean
  readyMs: number | null
  answeredWallMs: number | null
  cancelBeat: Cancel | null
}

/** What is kept of one type. */
export interface StandbyLine {
  readonly settings: AgentType
  readonly wanted: number
  /** Lost in a row; the next is put off longer each time. */
  failures: number
  notBeforeMs: number
}

/** How agents of a lost cell are parted. */
export interface PartAsk {
  /** Those that get a cell together. */
  readonly cohorts: readonly (readonly Agent[])[]
  readonly proofMs: number
  readonly named: boolean
  readonly delayMs: number
}

/** Those that live apart from their home. */
export interface Apart {
  readonly parts: Set<Group>
  /** On its way home: one of each home at a time. */
  readonly returning: Map<Group, Agent>
  cancelLook: Cancel | null
}

export interface Stock {
  lines: readonly StandbyLine[]
  readonly posts: Set<Post>
  cancelLook: Cancel | null
}

export type Sleepers = SleepersOf<Agent>
export type Dormitory = DormitoryOf<Agent>

/** Whether anything new may start on this host. */
export interface Admission extends AdmissionState {
  /** As last read; null where nobody reads it. */
  reading: PressureReading | null
  readAtMs: number | null
}

/**
 * What the parts of this room ask of each other; filled once at opening, so that no file imports the one that imports
 * it.
 */
export interface Deeds {
  /** Gets every agent of the group that wants a seat into a cell. */
  provide(group: Group): void
  /** These agents of a living cell are lost through their own fault. */
  agentsLost(agents: readonly Agent[], cause: string): void
  /** The group's cell has proven itself: whatever waited for that is released. */
  proven(group: Group): void
  /** These are lost, and by their own policies: whoever stands in a configured group with them may have to follow. */
  fell(agents: readonly Agent[], cause: string): void
  /** These, and whoever waits in quarantine with one of them as a group: a person wants them to be tried. */
  withMates(agents: readonly Agent[]): Agent[]
  /** With `ask` the host is first made to say where its loop is. */
  kill(live: LiveCell, why: string, ask?: 'ask'): void
  /** Parts agents of a lost cell from their group. */
  part(group: Group, ask: PartAsk): void
  /** Looks whether a cell is near its limits, and recycles it in time. */
  weigh(cell: LiveCell): void
  /** The agent was taken out of this cell: a host drops it and goes on, a program of its own ends. */
  vacate(live: LiveCell, agent: Agent, why: string): void
  /** An agent of a swarm in which some may sleep has another state. */
  moved(agent: Agent, before: AgentStateName, event: AgentEvent): void
  /** The group has no cell (any more). */
  vacant(group: Group): void
}

export interface Live {
  readonly options: FleetOptions
  readonly agents: Map<string, Agent>
  readonly groups: Group[]
  /** The settings that the configuration has now; a group may still be on its way to them. */
  readonly types: Map<string, AgentType>
  /** Types whose groups are being renewed, one part after the other. */
  readonly renewing: Set<string>
  /** How far they are, for people; by type. */
  readonly rolling: Map<string, Rolling>
  /** How often the hosts of a type were begun anew by a person: its code may have been another each time. */
  readonly codes: Map<string, number>
  readonly cells: Map<string, LiveCell>
  readonly free: Map<string, FreeQueue<Agent>>
  readonly agenda: Agenda
  readonly stillness: Stillness
  /** Looks for waits that nobody ends. */
  readonly parole: { readonly stop: Cancel }
  readonly record: FleetRecord
  readonly turn: Turn
  /** Probes that are asked now, and those that wait. */
  readonly probing: { open: number; readonly waiting: (() => void)[] }
  readonly waves: Waves<Group>
  readonly governor: Governor
  readonly stock: Stock
  readonly apart: Apart
  readonly order: Order
  readonly boot: Boot
  /** Directories of ended cells that are being removed; a stop waits for them. */
  readonly clearing: Set<Promise<void>>
  readonly deeds: Deeds
  readonly dormitory: Dormitory
  admission: Admission
  readonly bounds: MachineBounds
  /** The machine's count of out-of-memory kills when a cell was last lost; undefined where it does not say. */
  oomKills: number | undefined
  readonly figures: Figures
  readonly counts: { restarts: number; cellsLost: number; linesDropped: number; framesRefused: number }
  phase: 'open' | 'stopping' | 'deposed'
  /** Null once its agents are started. */
  begun: PromiseWithResolvers<void> | null
}
