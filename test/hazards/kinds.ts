/** The cells of this machine as a sitter would make them, for worlds that are attacked. */
import {
  hostWalls,
  poolCells,
  probeMachine,
  programCells,
  type CellKind,
  type CellPlan,
  type Machine,
} from '../../src/cell/cell.ts'
import { realClock, realDisk, realNet, realProc } from '../../src/std/real/real.ts'
import { openWorld, type World } from './world.ts'

export const openAttacked = async (): Promise<{
  readonly machine: Machine
  readonly world: World
  close(): Promise<void>
}> => {
  const machine = await probeMachine({ name: `swarmsitter-hazards-${process.pid}`, settle: true })
  const ports = { clock: realClock(), proc: realProc(), net: realNet(), disk: realDisk() }
  const world = await openWorld(({ data, app }): Readonly<Record<CellPlan['kind'], CellKind>> => {
    const hidden = () =>
      [
        { path: data, is: 'directory' },
        { path: `${app}/.env`, is: 'file' },
      ] as const
    const codeCache = `${data}/cache`
    const modules = [`${import.meta.dirname}/../villains/hazards-module.ts`]
    const walls = hostWalls({ machine, hidden, modules, codeCache, swarm: data })
    const hosts = poolCells({ ...ports, walls, codeCache })
    return {
      pool: hosts,
      vm: hosts,
      ...programCells({ ...ports, machine, hidden, swarm: data }),
    }
  })
  return {
    machine,
    world,
    close: async () => {
      await world.close()
      await machine.limits.close()
    },
  }
}
