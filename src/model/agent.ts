/**
 * An agent and its states.
 *
 *            start            hello           claim
 *   stopped ───────▶ starting ──────▶ idle ◀────────▶ busy ──┐ silence
 *      ▲                │ lost         │ finish / release    ▼
 *      │ stopped        ▼              │                 suspect ──▶ (evidence again) idle / busy
 *   stopping ◀── stop ── (any)      backoff ◀── lost ── (any living)
 *                                   │  ▲ probe due
 *                            due    ▼  │
 *                               starting   quarantined ◀── too many restarts
 *
 *   idle (or stopped) ── sleep ──▶ hibernating ── start: work for it ──▶ starting
 */
import { Failure } from '../std/std.ts'

export interface AgentRef {
  readonly type: string
  readonly number: number
}

/** `settler/0042`: the number is compared as integer and printed with at least four digits. */
export const formatAgent = (agent: AgentRef): string => `${agent.type}/${String(agent.number).padStart(4, '0')}`

/** Reads `settler/0042` or `settler/42`; undefined when it is no agent id. */
export const parseAgent = (text: string): AgentRef | undefined => {
  const match = /^([a-z][a-z0-9-]{0,62})\/([0-9]{1,7})$/.exec(text)
  return match ? { type: match[1]!, number: Number(match[2]) } : undefined
}

export const agentStates = [
  'starting',
  'idle',
  'busy',
  'suspect',
  'backoff',
  'hibernating',
  'paused',
  'quarantined',
  'stopping',
  'stopped',
  'unknown',
] as const
export type AgentStateName = (typeof agentStates)[number]

export const modes = ['active', 'throttled', 'shadow', 'readonly', 'parked'] as const
export type Mode = (typeof modes)[number]

/** Every state that is no end names its exit: a next time, an owner, or an approval it waits for. */
export interface Exit {
  readonly kind: 'time' | 'owner' | 'approval' | 'event'
  readonly at?: number
  readonly who?: string
  readonly what?: string
}

export type AgentEvent =
  | 'start'
  | 'ready'
  | 'claim'
  | 'finish'
  | 'silent'
  | 'heard'
  | 'heard-busy'
  | 'lost'
  | 'due'
  | 'quarantine'
  | 'release'
  | 'stop'
  | 'ended'
  | 'pause'
  | 'resume'
  | 'sleep'

/**
 * Per event: from which states it is legal, and where it leads. A suspect that is heard again goes back to what it was
 * doing: `heard` when it has nothing in hand, `heard-busy` when it still holds an attempt.
 */
const legal: Record<AgentEvent, Partial<Record<AgentStateName, AgentStateName>>> = {
  start: { stopped: 'starting', unknown: 'starting', hibernating: 'starting' },
  ready: { starting: 'idle' },
  claim: { idle: 'busy' },
  finish: { busy: 'idle', suspect: 'suspect', stopping: 'stopping', paused: 'paused' },
  silent: { idle: 'suspect', busy: 'suspect', starting: 'suspect' },
  heard: { suspect: 'idle' },
  'heard-busy': { suspect: 'busy' },
  lost: {
    starting: 'backoff',
    idle: 'backoff',
    busy: 'backoff',
    suspect: 'backoff',
    unknown: 'backoff',
    stopping: 'stopped',
    paused: 'paused',
  },
  due: { backoff: 'starting', quarantined: 'starting' },
  quarantine: {
    starting: 'quarantined',
    idle: 'quarantined',
    busy: 'quarantined',
    suspect: 'quarantined',
    backoff: 'quarantined',
    hibernating: 'quarantined',
    unknown: 'quarantined',
  },
  release: { quarantined: 'starting', backoff: 'starting' },
  stop: {
    starting: 'stopping',
    idle: 'stopping',
    busy: 'stopping',
    suspect: 'stopping',
    backoff: 'stopped',
    quarantined: 'stopped',
    hibernating: 'stopped',
    paused: 'stopping',
    unknown: 'stopping',
  },
  ended: { stopping: 'stopped' },
  pause: { idle: 'paused', busy: 'paused', hibernating: 'paused' },
  resume: { paused: 'idle' },
  sleep: { idle: 'hibernating', stopped: 'hibernating' },
}

/** The state after an event, or undefined when the event is illegal there. */
export const nextAgentState = (state: AgentStateName, event: AgentEvent): AgentStateName | undefined =>
  legal[event][state]

/** As nextAgentState, for callers to whom an illegal event is a bug. */
export const agentAfter = (state: AgentStateName, event: AgentEvent): AgentStateName => {
  const next = nextAgentState(state, event)
  if (next === undefined) throw new Failure('bug', `an agent that is ${state} cannot take ${event}`)
  return next
}
