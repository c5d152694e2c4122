/** Whether what the page shows is still so. Old figures are never shown as fresh. */

export type Connection =
  | { readonly state: 'asking' }
  | { readonly state: 'live'; readonly ageMs: number }
  | { readonly state: 'stale'; readonly ageMs: number; readonly why: string }
  | { readonly state: 'away'; readonly why: string }
  | { readonly state: 'signed-out' }

/** Answers come every second; three missed ones are a finding. */
export const staleAfterMs = 3_500

export interface Heard {
  /** Monotonic time of the last good answer, null before the first. */
  readonly atMs: number | null
  /** Why the last question failed; null when it did not. */
  readonly fault: string | null
  readonly signedOut: boolean
}

export const connectionOf = (heard: Heard, nowMs: number): Connection => {
  if (heard.signedOut) return { state: 'signed-out' }
  if (heard.atMs === null) return heard.fault === null ? { state: 'asking' } : { state: 'away', why: heard.fault }
  const ageMs = Math.max(0, nowMs - heard.atMs)
  return ageMs < staleAfterMs
    ? { state: 'live', ageMs }
    : { state: 'stale', ageMs, why: heard.fault ?? 'no answer yet' }
}
