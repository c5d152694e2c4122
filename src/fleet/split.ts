/**
 * When agents that share a cell are parted, as pure functions of what is known. A cell that dies by its own doing once
 * is started again as it was. The second time within the window
 *
 *   somebody is named ─▶ that agent moves into a cell of its own, everybody else stays together (the time before counts
 *                        when it was this agent's doing, or nobody could be named)
 *   nobody is named ───▶ its agents are parted over ten smaller cells (100 → 10 → 1); one of them dies again, and only
 *                        that one is parted further
 *
 * A home whose parts have come home not long ago is parted at its first death, when nobody is named.
 *
 * so that what kills ends alone, where its own policy quarantines it, after at most three deaths that cost its
 * cell-mates a restart. Ten parts, not two: by halves it would take seven. What has lived twice as long as the cell
 * that was parted goes home, one at a time; work that is finished proves nothing, for the cell-mates do that too.
 * Bounds: so many parts in the swarm, beyond which a cell goes by its own policy as before; proofs double each time the
 * same home is parted again.
 */

/** Each costs a host without its agents, 13 MB, and 7 MB for its watch: 0.8 GB at most, and only while it lasts. */
export const mostParts = 40
const partsAtOnce = 10
/** Of a home; a part is parted further at its first death, and so is a home whose parts came home not long ago. */
const deathsBefore = 2
/** Lived this many times as long as the cell that was parted. */
const proofFactor = 2
const longestProofMs = 21_600_000
/** Not parted again for this many proofs: then it begins anew. */
const calmFactor = 10
/**
 * And for so long its parts came home "not long ago", however little they had to prove: who killed within a second and
 * lives for twenty of them next was found calm, and its home died twice more before it was parted again.
 */
const leastCalmMs = 60_000

export interface Death {
  /** Those that lived in the cell, or were about to. */
  readonly agents: readonly string[]
  /** It had been ready, and nobody outside ended it. */
  readonly ownDoing: boolean
  /** It is a part already. */
  readonly parted: boolean
  /** A home that was parted not long ago: whoever did it has come home before it did it again. */
  readonly again: boolean
  /** Deaths within the window for which nobody was named, with this one when it is such a one. */
  readonly unnamed: number
  /** Whom it is charged to. */
  readonly blamed: readonly string[]
  /** Deaths that the one who is blamed has caused not long ago, with this one. */
  readonly kills: number
  /** Parts that may still be made. */
  readonly left: number
}

/** Agents that get a cell of their own, list by list; who is in none stays. Empty: all stay together. */
export const partsAfter = (death: Death): readonly (readonly string[])[] => {
  const { agents, blamed, left } = death
  const needed = death.parted ? 1 : deathsBefore
  if (!death.ownDoing || agents.length < 2 || left < 1) return []
  if (blamed.length === 1) return death.kills + death.unnamed >= needed ? [blamed] : []
  if (blamed.length > 1 || death.unnamed < (death.again ? 1 : needed)) return []
  // A part that is parted gives its own place back.
  const count = Math.min(partsAtOnce, agents.length, left + (death.parted ? 1 : 0))
  if (count < 2) return []
  return Array.from({ length: count }, (_, index) =>
    agents.slice(Math.floor((index * agents.length) / count), Math.floor(((index + 1) * agents.length) / count)),
  )
}

/** How often a home was parted, when last (monotonic ms), and what its parts had to prove. */
export interface Partings {
  readonly count: number
  readonly atMs: number
  readonly proofMs: number
}
export const noPartings: Partings = { count: 0, atMs: 0, proofMs: 0 }

/** So long after a parting whoever was named for it moves alone at once when it ends its cell again. */
export const calmMs = ({ proofMs }: Partings): number => calmFactor * proofMs

export interface Parting {
  readonly nowMs: number
  /** How long the cell had lived. */
  readonly lifeMs: number
  /** Least proof, from the restart policy. */
  readonly leastMs: number
  /** What the part that is parted had to prove; 0 for a home. */
  readonly beforeMs: number
}

/** After a home was parted (again). */
export const partingsAfter = (before: Partings, { nowMs, lifeMs, leastMs, beforeMs }: Parting): Partings => {
  const calm = nowMs - before.atMs > calmMs(before)
  // A part of it that is parted further belongs to the same time.
  const count = beforeMs > 0 ? Math.max(1, before.count) : calm ? 1 : before.count + 1
  const plainMs = Math.max(leastMs, proofFactor * lifeMs) * 2 ** Math.min(20, count - 1)
  return { count, atMs: nowMs, proofMs: Math.min(longestProofMs, Math.round(Math.max(beforeMs, plainMs))) }
}

export interface Settled {
  readonly nowMs: number
  /** Since when it answers in the cell where it is; null = it does not. */
  readonly readyMs: number | null
  readonly proofMs: number
}

/** Its parts have come home not long ago. */
export const isPartedAgain = (partings: Partings, nowMs: number): boolean =>
  partings.count > 0 && nowMs - partings.atMs <= Math.max(leastCalmMs, calmMs(partings))

/** An agent of a part has proven that it does not kill its cell: it may go home. */
export const mayGoHome = ({ nowMs, readyMs, proofMs }: Settled): boolean =>
  readyMs !== null && nowMs - readyMs >= proofMs
