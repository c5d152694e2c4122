/** All breakers of this gate, by upstream, credential and endpoint class; saved, so that a new gate goes on probing. */
import type { BreakerRule } from '../../model/model.ts'
import { remainingMs, type Clock, type Random, type Stamp } from '../../std/std.ts'
import type { LimitRow } from '../../store/store.ts'
import type { Gauge } from '../gauge.ts'
import { afterOutcome, closedBreaker, mayPass, nameOfState, probeGivenUp, type BreakerState } from './decide.ts'

const prefix = 'breaker\n'
/** Beyond this many, closed ones are forgotten: a closed breaker is as good as none. */
const mostBreakers = 10_000

export interface BreakerView {
  readonly upstream: string
  readonly credential: string | null
  /** Pattern of the allow-list. */
  readonly endpoint: string
  readonly state: 'closed' | 'open' | 'half-open'
  /** Monotonic ms; null while closed. */
  readonly sinceMs: number | null
  readonly nextProbeMs: number | null
  readonly failedProbes: number
}
export interface Breakers {
  gauge(scope: string, rule: BreakerRule): Gauge
  list(): readonly BreakerView[]
  changed(stamp: Stamp): readonly LimitRow[]
}
export interface BreakerEvents {
  moved(view: BreakerView): void
}

const viewOf = (scope: string, state: BreakerState): BreakerView => {
  const [upstream, credential, endpoint] = scope.split('\n')
  return {
    upstream: upstream!,
    credential: credential === '' ? null : credential!,
    endpoint: endpoint ?? '',
    state: nameOfState(state),
    sinceMs: state.open?.sinceMs ?? null,
    nextProbeMs: state.open?.nextMs ?? null,
    failedProbes: state.open?.failures ?? 0,
  }
}

/** Breakers of an earlier gate that were open; of a closed one there is nothing to go on with. */
const resumed = (saved: readonly LimitRow[], start: Stamp): Map<string, BreakerState> => {
  const states = new Map<string, BreakerState>()
  for (const row of saved) {
    if (!row.name.startsWith(prefix) || row.strikes === 0) continue
    const nextMs = start.monoMs + remainingMs(start, row, row.pauseMs)
    const open = { sinceMs: start.monoMs - row.aheadMs, nextMs, failures: row.strikes - 1, probeMs: null }
    states.set(row.name.slice(prefix.length), { ...closedBreaker, open })
  }
  return states
}

const rowOf = (scope: string, { open }: BreakerState, stamp: Stamp): LimitRow => ({
  name: prefix + scope,
  aheadMs: open === null ? 0 : stamp.monoMs - open.sinceMs,
  pauseMs: open === null ? 0 : Math.max(0, open.nextMs - stamp.monoMs),
  strikes: open === null ? 0 : open.failures + 1,
  ...stamp,
})

interface Kept {
  readonly random: Random
  of(scope: string): BreakerState
  put(scope: string, next: BreakerState): void
}

/** One call's view of its breaker: whether it may pass, whether it is the probe, what came of it. */
const gaugeOf = ({ random, of, put }: Kept, scope: string, rule: BreakerRule): Gauge => {
  let isProbe = false
  return {
    // Calls to other endpoints wait in the same line, and may pass.
    shared: false,
    readyAt: (nowMs) => {
      const admission = mayPass(of(scope), nowMs)
      return admission.pass ? nowMs : admission.nextMs
    },
    barredMs: (nowMs) => {
      const admission = mayPass(of(scope), nowMs)
      if (admission.pass) return undefined
      // How a probe under way ends is known before it counts as lost; if it fails, the next one is further off.
      return nameOfState(of(scope)) === 'half-open' ? nowMs + rule.probeMs : admission.nextMs
    },
    admit: (nowMs) => {
      const admission = mayPass(of(scope), nowMs)
      if (!admission.pass || !admission.probe) return
      isProbe = true
      put(scope, admission.state)
    },
    sent: () => {},
    giveUp: () => {
      if (isProbe) put(scope, probeGivenUp(of(scope)))
      isProbe = false
    },
    ended: (failed, nowMs) => {
      if (failed !== null) put(scope, afterOutcome(rule, of(scope), { failed, probe: isProbe, nowMs }, random))
      else if (isProbe) put(scope, probeGivenUp(of(scope)))
      isProbe = false
    },
  }
}

export const openBreakers = (options: {
  readonly clock: Clock
  readonly random: Random
  readonly saved: readonly LimitRow[]
  readonly events: BreakerEvents
}): Breakers => {
  const { clock, random, saved, events } = options
  const states = resumed(saved, clock.stamp())
  const dirty = new Set<string>()
  const of = (scope: string): BreakerState => states.get(scope) ?? closedBreaker
  const put = (scope: string, next: BreakerState): void => {
    const before = of(scope)
    states.set(scope, next)
    if (next.open === null && before.open === null) {
      if (states.size > mostBreakers) for (const [name, { open }] of states) if (open === null) states.delete(name)
      return
    }
    dirty.add(scope)
    if (nameOfState(before) !== nameOfState(next)) events.moved(viewOf(scope, next))
  }
  return {
    gauge: (scope, rule) => gaugeOf({ random, of, put }, scope, rule),
    list: () => [...states].filter(([, { open }]) => open !== null).map(([scope, state]) => viewOf(scope, state)),
    changed: (stamp) => {
      const rows = [...dirty].map((scope) => rowOf(scope, of(scope), stamp))
      dirty.clear()
      return rows
    },
  }
}
