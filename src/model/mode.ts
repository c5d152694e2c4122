/**
 * What calls and work may do at the moment: a ladder, each rung stricter than the one before. Every agent stands under
 * three settings (the swarm's, its type's, its own), a payment under its channel's too; the strictest holds.
 *
 *   active → throttled (a share of the usual rate) → shadow (what changes state is recorded, not sent)
 *          → readonly (GET and HEAD alone) → parked (nothing starts)
 */
import type { Mode } from './agent.ts'

export const modeRank: Readonly<Record<Mode, number>> = { active: 0, throttled: 1, shadow: 2, readonly: 3, parked: 4 }

export const stricter = (one: Mode, other: Mode): Mode => (modeRank[one] >= modeRank[other] ? one : other)

/**
 * What a mode is set for, as one text: `swarm`, `type:settler`, `agent:settler/0042`, `channel:northbank`. Kinds have
 * their prefix because a type and a channel may have one name.
 */
export type ModeTarget = string

export const swarmTarget: ModeTarget = 'swarm'
export const typeTarget = (type: string): ModeTarget => `type:${type}`
export const agentTarget = (agent: string): ModeTarget => `agent:${agent}`
export const channelTarget = (channel: string): ModeTarget => `channel:${channel}`

/** Whom a call or a payment is for; null = nobody's, or no payment's. */
export interface ModeScope {
  /** `settler/0042` */
  readonly agent: string | null
  readonly channel: string | null
}

/** The settings that a scope stands under, the widest first. */
export const targetsOf = ({ agent, channel }: ModeScope): readonly ModeTarget[] => [
  swarmTarget,
  ...(agent === null ? [] : [typeTarget(agent.slice(0, agent.lastIndexOf('/'))), agentTarget(agent)]),
  ...(channel === null ? [] : [channelTarget(channel)]),
]

const harmless: ReadonlySet<string> = new Set(['GET', 'HEAD'])

/** Whether a request may leave in this mode. A method that is not known to be harmless changes something. */
export const modeLets = (mode: Mode, method: string): boolean =>
  mode === 'active' || mode === 'throttled' || (mode !== 'parked' && harmless.has(method))

/** Whether a payment may be sent: a request that changes something. */
export const modePays = (mode: Mode): boolean => modeLets(mode, 'POST')

/** Throttled: this share of the usual rate, of calls within limits and of work. */
export const throttledShare = 0.25
