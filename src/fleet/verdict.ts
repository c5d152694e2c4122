/**
 * From evidence to verdict, without acting: is a cell alive, is an attempt stuck, who is to blame for a cell's death.
 * Liveness never looks at what an agent depends on: a provider's outage must not restart a swarm.
 */

/**
 * Beats without a word from the cell. The beat that asks is the first of them, so three are three whole intervals of
 * silence.
 */
export const suspectAtBeats = 2
const deadAtBeats = 3

export type Liveness = 'alive' | 'suspect' | 'dead'

export const liveness = (silentBeats: number): Liveness => {
  if (silentBeats >= deadAtBeats) return 'dead'
  return silentBeats >= suspectAtBeats ? 'suspect' : 'alive'
}

/**
 * Whether a beat may count against the cell: when the beat itself comes late, or came at its time after a stop, it was
 * the sitter that stood still (a paused machine, a blocked loop), and answers may wait unread in its sockets.
 */
export const beatCounts = (lateMs: number, intervalMs: number): boolean => lateMs <= intervalMs / 2

export interface AttemptEvidence {
  /**
   * Since it was asked to give up, else since its last progress (given, said by `beat`, a settlement answered); without
   * the time in which the sitter stood still.
   */
  readonly awakeMs: number
  readonly stuckAfterMs: number
  /** It was asked to give up. */
  readonly cancelled: boolean
  readonly graceMs: number
  readonly waitsOutside: boolean
}
export type AttemptVerdict = 'works' | 'waits' | 'stuck' | 'ignores-cancel'

/**
 * An attempt that waits for something outside is not stuck, however long; one that was asked to give up gets its grace,
 * no more.
 */
export const attemptVerdict = (evidence: AttemptEvidence): AttemptVerdict => {
  if (evidence.cancelled) return evidence.awakeMs >= evidence.graceMs ? 'ignores-cancel' : 'works'
  if (evidence.waitsOutside) return 'waits'
  return evidence.awakeMs >= evidence.stuckAfterMs ? 'stuck' : 'works'
}

export interface Blame {
  /** The agent at which the host's own evidence about its end points, null = at none. */
  readonly witnessed: string | null
  /** Agents that the cell, or our own reason for killing it, named. */
  readonly named: readonly string[]
  /** Agents with an attempt in hand that was not yet answered. */
  readonly inHand: readonly string[]
}

/**
 * Who is charged with a cell's death: whom the host's evidence points at (one that holds the loop makes others look
 * stuck), else those named, else the only one that was at work. With several at work nobody is charged: collateral
 * damage costs no agent its good name and no task an attempt; the cell's own counter moves instead.
 */
export const charged = ({ witnessed, named, inHand }: Blame): readonly string[] => {
  if (witnessed !== null) return [witnessed]
  if (named.length > 0) return named
  return inHand.length === 1 ? inHand : []
}
