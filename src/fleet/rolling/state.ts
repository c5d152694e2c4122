/** A type whose processes begin anew one part after the other: how far it is, and on what it waits. Saved. */
export interface Rolling {
  readonly type: string
  why: string
  /** Agents that may be away at the same time; null = a quarter of the type. */
  surge: Surge | null
  /** Wall time. */
  readonly sinceMs: number
  /** Agents that are meant, those that have begun anew and work, and those that are under way. */
  total: number
  done: number
  underWay: number
  /** Why it does not go on; null = it does. */
  held: string | null
}
/** So many agents, or such a share of the type. */
export type Surge = { readonly agents: number } | { readonly share: number }

/** How many agents may be away, of so many. */
export const surgeOf = (surge: Surge | null, all: number): number => {
  if (surge === null) return Math.max(1, Math.ceil(all / 4))
  return 'agents' in surge ? surge.agents : Math.max(1, Math.floor(all * surge.share))
}

/** `3` or `25%`; undefined when it is neither. */
export const readSurge = (text: string): Surge | undefined => {
  const match = /^([0-9]{1,7})(%?)$/.exec(text)
  if (match === null) return undefined
  const value = Number(match[1])
  if (value < 1) return undefined
  if (match[2] === '') return { agents: value }
  return value <= 100 ? { share: value / 100 } : undefined
}
