/** Where a cell is: its id, its directory and its sockets, and what of its plan is known before its agents are. */
import type { StandbyPlan } from '../cell/cell.ts'
import type { AgentType } from '../model/model.ts'
import type { CellPlace, Group, Live } from './live.ts'

/** Unix socket paths end at 107 bytes; a margin is left for what a cell kind may append. */
const longestSocketPath = 100

const socketPath = (live: Live, id: string, name: string): string => {
  const path = `${live.options.directories.cells}/${id}/${name}.sock`
  if (Buffer.byteLength(path) <= longestSocketPath) return path
  // The last twelve digits of a UUIDv7 are random: no two living cells share them but by a 2^-48 chance.
  return `${live.options.directories.sockets}/${id.slice(-12)}-${name}.sock`
}

export const newPlace = (live: Live): CellPlace => {
  const id = live.options.newId('cel')
  return {
    id,
    directory: `${live.options.directories.cells}/${id}`,
    sitterSocket: socketPath(live, id, 'sitter'),
    gateSocket: socketPath(live, id, 'gate'),
  }
}

export const hostPlan = (settings: AgentType, { id, directory, sitterSocket, gateSocket }: CellPlace): StandbyPlan => ({
  id,
  kind: settings.cell.kind,
  agentType: settings.name,
  directory,
  gateSocket,
  sitterSocket,
  env: {},
  memoryMb: Math.max(1, Math.floor(settings.memoryBytes / 1_000_000)),
  startWithinMs: settings.startWithinMs,
})

/** Its cell died by its own doing not long ago, or it is a part: the next host is watched, to know why. */
export const isWatched = (live: Live, group: Group): boolean => {
  const fromMs = live.options.clock.monoMs() - group.settings.restart.withinMs
  const isRecent = (atMs: number): boolean => atMs >= fromMs
  return group.part !== null || group.deaths.some(isRecent) || group.agents.some(({ kills }) => kills.some(isRecent))
}
