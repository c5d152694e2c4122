/**
 * The order of ends: who depends on others goes before them, and in a group the last place goes first. Pure over what
 * is left: each round gives the cells that nobody left needs.
 */
import type { AgentType } from '../../model/model.ts'
import type { Agent, Live, LiveCell } from '../live.ts'
import { placeIn, type Band } from './state.ts'

type Types = ReadonlyMap<string, AgentType>

/** Types that some other type that is still there depends on. */
const needed = (types: Types, there: ReadonlySet<string>): ReadonlySet<string> =>
  new Set(
    [...there].flatMap((type) =>
      (types.get(type)?.dependsOn ?? []).filter((other) => other !== type && there.has(other)),
    ),
  )

const typeOf = (cell: LiveCell): string => cell.group.settings.name

/** Cells that may end now; all that are left when each waits for another. */
export const nextToEnd = (live: Live, left: readonly LiveCell[]): readonly LiveCell[] => {
  const keep = needed(live.types, new Set(left.map(typeOf)))
  const last = new Map<Band, number>()
  const places = (cell: LiveCell): readonly NonNullable<ReturnType<typeof placeIn>>[] =>
    [...cell.agents].flatMap((agent: Agent) => placeIn(live.order, agent) ?? [])
  if (live.order.bands.length > 0)
    for (const cell of left)
      for (const { band, place } of places(cell)) last.set(band, Math.max(last.get(band) ?? -1, place))
  const next = left.filter(
    (cell) => !keep.has(typeOf(cell)) && places(cell).every(({ band, place }) => place === last.get(band)),
  )
  return next.length > 0 ? next : left
}
