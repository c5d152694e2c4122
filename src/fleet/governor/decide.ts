/**
 * Many deaths of one cause: a pure function of (what is known of the cause, fact, now). Restarting everybody into the
 * same wall makes an outage worse, and hides it behind thousands of losses; so one goes first.
 *
 *   deaths ─ too many of one cause ─▶ held ─ next try ─▶ one is tried ─ it holds ─▶ waves of 2, 4, 8 … ─▶ all are back
 *                                      ▲                   │ it dies of it          │ one of them dies of it
 *                                      └── twice as long ──┴────────────────────────┘
 *
 * Times are monotonic ms.
 */

/** Deaths of one cause within this time are counted together. */
export const windowMs = 60_000
/** So many deaths of so many different ones are no accident of one of them. */
export const mostDeaths = 10
export const leastDifferent = 5
/** The first try after this time, the next after twice as long each time, up to the longest. */
export const firstTryMs = 1_000
export const longestTryMs = 300_000
/** A hold that comes back within this time after the last one goes on with its patience. */
export const relapseMs = 600_000
/** Deaths that are remembered of one cause: more than any decision asks for. */
const remembered = 2 * mostDeaths

export interface Held {
  readonly sinceMs: number
  /** Tries that failed. */
  readonly failures: number
  /** When the next is tried; while some are being tried it plays no part. */
  readonly nextMs: number
  /** How many go next. */
  readonly wave: number
  /** Started, and neither proven nor lost. */
  readonly trying: readonly string[]
  /** How many of this wave have proven themselves. */
  readonly good: number
}
export interface CauseState {
  /** Oldest first. */
  readonly deaths: readonly { readonly atMs: number; readonly who: string }[]
  readonly held: Held | null
  /** The last hold that ended: what comes back soon is tried again with its patience, not from the beginning. */
  readonly last: { readonly failures: number; readonly atMs: number } | null
}
export const freshCause: CauseState = { deaths: [], held: null, last: null }

const waitMs = (failures: number): number => Math.min(longestTryMs, firstTryMs * 2 ** Math.min(20, failures))

export const afterDeath = (state: CauseState, who: string, nowMs: number): CauseState => {
  const recent = state.deaths.filter(({ atMs }) => nowMs - atMs <= windowMs)
  const deaths = [...recent, { atMs: nowMs, who }].slice(-remembered)
  const { held } = state
  if (held === null) {
    const different = new Set(deaths.map((death) => death.who)).size
    if (deaths.length < mostDeaths || different < leastDifferent) return { ...state, deaths }
    const failures = state.last !== null && nowMs - state.last.atMs <= relapseMs ? state.last.failures + 1 : 0
    return {
      ...state,
      deaths,
      held: { sinceMs: nowMs, failures, nextMs: nowMs + waitMs(failures), wave: 1, trying: [], good: 0 },
    }
  }
  // One that was under way when it began says nothing about a try.
  if (!held.trying.includes(who)) return { ...state, deaths }
  const failures = held.failures + 1
  return {
    ...state,
    deaths,
    held: { ...held, failures, nextMs: nowMs + waitMs(failures), wave: 1, trying: [], good: 0 },
  }
}

/** One of them is to blame for these deaths, and out of the way. What is held already is let go by proof only. */
export const afterExplanation = (state: CauseState, who: readonly string[]): CauseState =>
  state.held !== null ? state : { ...state, deaths: state.deaths.filter((death) => !who.includes(death.who)) }

/** Who is tried now, of those that wait, longest first. */
export const nextTries = (
  held: Held,
  waiting: readonly string[],
  nowMs: number,
): { readonly held: Held; readonly start: readonly string[] } => {
  if (held.trying.length > 0 || nowMs < held.nextMs || waiting.length === 0) return { held, start: [] }
  const start = waiting.slice(0, held.wave)
  return { held: { ...held, trying: start }, start }
}

/**
 * These have proven themselves; those are gone without having shown anything. When nobody of the wave is left to be
 * looked at, and one at least has proven itself, the next is twice as large.
 */
export const afterProof = (
  held: Held,
  { proven, gone }: { readonly proven: readonly string[]; readonly gone: readonly string[] },
  nowMs: number,
): Held => {
  const good = held.good + held.trying.filter((who) => proven.includes(who)).length
  const trying = held.trying.filter((who) => !proven.includes(who) && !gone.includes(who))
  if (trying.length > 0 || held.trying.length === 0) return { ...held, trying, good }
  // A wave of which nothing was seen says nothing: the next is as large, and has to wait like this one.
  if (good === 0) return { ...held, trying, good, nextMs: nowMs + waitMs(held.failures) }
  return { ...held, trying, good: 0, wave: held.wave * 2, nextMs: nowMs }
}

/** Nobody waits and nobody is tried any more: the hold is over, its deaths are explained. */
export const released = (held: Held, nowMs: number): CauseState => ({
  deaths: [],
  held: null,
  last: { failures: held.failures, atMs: nowMs },
})

/**
 * What the deaths of one cause have in common: its words without what names one agent, cell, process or moment. With
 * which exit code or signal a program ended says what ended it, and stays.
 */
export const fingerprintOf = (cause: string): string =>
  cause
    .replaceAll(/\b(?:cel|att|tsk|set|grn)_[\w-]+/g, '#')
    .replaceAll(/\b[a-z][a-z0-9-]*\/\d+\b/g, '#')
    .replaceAll(/(?<!\bexit code \d*)(?:0x[0-9a-f]+|\d+)/gi, '#')
    .replaceAll(/\s+/g, ' ')
    .slice(0, 300)
