/** How many hosts stand by for each agent type: what the configuration says, or a small number by itself. */
import type { AgentType } from './swarm.ts'

/** Each costs a host's memory without its agents, about 13 MB; a swarm pays for no more than this unasked. */
const mostUnasked = 4

/** By type, in the order of the configuration: as written, else 1 for modules that have two cells or sleep. */
export const standbysWanted = (types: readonly AgentType[]): ReadonlyMap<string, number> => {
  let left = mostUnasked
  const wanted = new Map<string, number>()
  for (const { name, cell, count, perCell, hibernate } of types) {
    if (cell.kind !== 'pool' && cell.kind !== 'vm') continue
    const usual = (count > perCell || hibernate !== undefined) && left > 0 ? 1 : 0
    if (cell.standby === undefined) left -= usual
    wanted.set(name, cell.standby ?? usual)
  }
  return wanted
}
