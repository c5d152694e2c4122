/** Where a cell is: its id, its directory and its sockets, and what of its plan is known before its agents are. */
import type { StandbyPlan } from '../cell/cell.ts'
import type { AgentType } from '../model/model.ts'
import { kindOf } from './housing.ts'
import type { CellPlace, Group, Live } from './live.ts'

/** Unix socket paths end at 107 bytes; a margin is left for what a cell kind may append. */
const longestSocketPath = 100
/** Where it fits, `gate.sock` does. */
const longestName = 'sitter.sock'

/** All sockets of a cell in a folder of their own: what lives behind walls sees these, and nothing beside them. */
const socketsOf = ({ options }: Live, id: string, doors: string | null): string => {
  if (doors !== null) return `${doors}/${id}`
  const own = `${options.directories.cells}/${id}`
  return Buffer.byteLength(`${own}/${longestName}`) <= longestSocketPath ? own : `${options.directories.sockets}/${id}`
}

/** Where the sockets of this type lie when its programs have users of their own, which may not go where ours lie. */
const doorsOf = (live: Live, settings: AgentType): string | null => live.options.directories.doors?.(settings) ?? null

export const newPlace = (live: Live, settings: AgentType): CellPlace => {
  const id = live.options.newId('cel')
  const sockets = socketsOf(live, id, doorsOf(live, settings))
  return {
    id,
    directory: `${live.options.directories.cells}/${id}`,
    sitterSocket: `${sockets}/${longestName}`,
    gateSocket: `${sockets}/gate.sock`,
  }
}

/** All that holds for a process of this type from its start, whatever it is to run. */
export const hostPlan = (
  live: Live,
  settings: AgentType,
  { id, directory, sitterSocket, gateSocket }: CellPlace,
): StandbyPlan => ({
  id,
  kind: kindOf(live, settings),
  agentType: settings.name,
  directory,
  gateSocket,
  sitterSocket,
  env: {},
  memoryMb: Math.max(1, Math.floor(settings.memoryBytes / 1_000_000)),
  limits: settings.limits,
  ...(settings.cell.vm && { vm: { ...settings.cell.vm, agents: settings.perCell } }),
  ...(settings.cell.walls !== undefined && { walls: settings.cell.walls }),
  ...(doorsOf(live, settings) !== null && { ownUser: true as const }),
  ...(settings.proxy && { proxy: settings.proxy }),
  ...(settings.cell.readable && { readable: settings.cell.readable }),
  startWithinMs: settings.startWithinMs,
  ...(live.options.seesItself && { seesItself: live.options.seesItself }),
})

/** Its cell died by its own doing not long ago, or it is a part: the next host is watched, to know why. */
export const isWatched = (live: Live, group: Group): boolean => {
  const fromMs = live.options.clock.monoMs() - group.settings.restart.withinMs
  const isRecent = (atMs: number): boolean => atMs >= fromMs
  return group.part !== null || group.deaths.some(isRecent) || group.agents.some(({ kills }) => kills.some(isRecent))
}
