/**
 * What probes say of a program, one outcome after the other. Three questions that are kept apart: has it started, does
 * it live, may it get work. Only the first two can end it; not being ready keeps work away and nothing else. Pure.
 *
 *   starting ─ startup passes (or there is none) ─▶ up: ready ⇄ not ready (readiness)
 *       └─ not within its time ─▶ ended                └─ liveness fails n times in a row ─▶ ended
 */
export type ProbeName = 'startup' | 'liveness' | 'readiness'

export interface ProbeState {
  readonly started: boolean
  readonly ready: boolean
  /** Fails in a row, of each. */
  readonly fails: Readonly<Record<ProbeName, number>>
  /** What failed last, null = nothing does. */
  readonly why: string | null
}

/** Until its readiness was asked for once it is not ready: unknown is no yes. */
export const beginState = (has: Readonly<Record<ProbeName, boolean>>): ProbeState => ({
  started: !has.startup,
  ready: !has.readiness,
  fails: { startup: 0, liveness: 0, readiness: 0 },
  why: null,
})

export interface ProbeOutcome {
  readonly probe: ProbeName
  /** Why it did not pass; null = it passed. */
  readonly failed: string | null
  /** So many fails in a row count. */
  readonly most: number
}

export interface Judged {
  readonly state: ProbeState
  /** It does not live. */
  readonly isDead: boolean
}

export const afterProbe = (state: ProbeState, { probe, failed, most }: ProbeOutcome): Judged => {
  const count = failed === null ? 0 : state.fails[probe] + 1
  const fails = { ...state.fails, [probe]: count }
  const counts = count >= most
  return {
    state: {
      started: state.started || (probe === 'startup' && failed === null),
      ready: probe !== 'readiness' ? state.ready : failed === null || (state.ready && !counts),
      fails,
      why: failed === null ? null : `${probe}: ${failed}`,
    },
    isDead: probe === 'liveness' && counts,
  }
}

export const mayWork = (state: ProbeState | null): boolean => state === null || (state.started && state.ready)
