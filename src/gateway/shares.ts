/** How many turns the agents of each type have in lines of calls, where others have one. */
import type { Rules } from './ports.ts'

export interface Shares {
  of(agent: string | null): number
  take(rules: Rules): void
}

export const openShares = (rules: Rules): Shares => {
  let byType: ReadonlyMap<string, number> = new Map()
  const take = ({ agents = {} }: Rules): void => {
    const own = Object.entries(agents).flatMap(([type, { weight = 1 }]) =>
      weight === 1 ? [] : [[type, weight] as const],
    )
    byType = new Map(own)
  }
  take(rules)
  return {
    of: (agent) => (byType.size === 0 || agent === null ? 1 : (byType.get(agent.split('/', 1)[0]!) ?? 1)),
    take,
  }
}
