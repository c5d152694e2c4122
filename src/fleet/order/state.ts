/**
 * What the order of starts remembers: the groups of the configuration at run time, and the types that still wait for
 * those they depend on. A configured group is a `Band` here, for a `Group` of this room is who shares a cell.
 */
import type { AgentGroup, AgentType } from '../../model/model.ts'
import type { Cancel, Stamp } from '../../std/std.ts'
import { freshPolicy, type PolicyState } from '../restart.ts'

export interface Band {
  readonly group: AgentGroup
  /** Of all its losses together; saved, as `group:<name>`. */
  policy: PolicyState
  quarantined: boolean
  /** When a quarantined one is tried again. */
  due: { readonly set: Stamp; readonly delayMs: number } | null
  cancelDue: Cancel | null
  /** Some of its agents are being stopped, the last place first: nobody of it is started meanwhile. */
  falling: boolean
  /** The place that may start, and all before it; null = to be looked at again. */
  front: number | null
}
export interface BandPlace {
  readonly band: Band
  readonly place: number
}

/** A type whose dependencies are not ready yet. */
export interface Shut {
  /** Monotonic and wall time since when it waits. */
  readonly sinceMs: number
  readonly sinceWallMs: number
  /** Monotonic time from which it is told as late. */
  readonly lateMs: number
  late: boolean
  /** In people's words. */
  why: string
}

export interface Order {
  readonly bands: readonly Band[]
  readonly byAgent: ReadonlyMap<string, BandPlace>
  readonly byType: ReadonlyMap<string, BandPlace>
  /** Types that may not start yet. */
  readonly shut: Map<string, Shut>
  /** False until all agents are where the last sitter left them: nobody may look at the others before. */
  begun: boolean
  lookPlanned: boolean
  /** The next look while a type waits, for its deadline. */
  cancelLook: Cancel | null
}

/** Told after a dependency had this many times what its own start may take. */
const lateStarts = 3

type Types = Readonly<Record<string, AgentType>>

/** Types wait from the beginning; those that depend on nothing never do. */
export const shutTypes = (types: Types, now: { readonly monoMs: number; readonly wallMs: number }): Map<string, Shut> =>
  new Map(
    Object.values(types).flatMap(({ name, dependsOn = [] }): [string, Shut][] => {
      if (dependsOn.length === 0) return []
      const slowestMs = Math.max(...dependsOn.map((type) => types[type]?.startWithinMs ?? 0))
      const lateMs = now.monoMs + lateStarts * slowestMs
      return [[name, { sinceMs: now.monoMs, sinceWallMs: now.wallMs, lateMs, late: false, why: '' }]]
    }),
  )

export const openOrder = (types: Types, groups: Readonly<Record<string, AgentGroup>>, now: Stamp): Order => {
  const byAgent = new Map<string, BandPlace>()
  const byType = new Map<string, BandPlace>()
  const bands = Object.values(groups).map((group): Band => {
    const band: Band = {
      group,
      policy: freshPolicy,
      quarantined: false,
      due: null,
      cancelDue: null,
      falling: false,
      front: null,
    }
    group.places.forEach((text, place) => (text.includes('/') ? byAgent : byType).set(text, { band, place }))
    return band
  })
  return { bands, byAgent, byType, shut: shutTypes(types, now), begun: false, lookPlanned: false, cancelLook: null }
}

export const placeIn = (order: Order, agent: { readonly id: string; readonly type: string }): BandPlace | undefined =>
  order.bands.length === 0 ? undefined : (order.byAgent.get(agent.id) ?? order.byType.get(agent.type))
