/**
 * Cells of kind `pool`: about a hundred agents of one type in one Node process. The process is the boundary: an
 * agent's endless loop, leak or exit takes its cell-mates along and costs one restart. The sitter's end: directory,
 * socket, process, one connection, one end.
 */
import { dirname, extname, join } from 'node:path'
import { assert, failure, type Clock, type Disk, type Net, type Proc } from '../std/std.ts'
import { makeHome } from './home.ts'
import { PoolCell } from './pool/cell.ts'
import { socketsOf, spawnHost } from './pool/start.ts'
import { openReaper } from './process/reaper.ts'
import type { CellEvents, CellKind, CellPlan, HousedCell, Standby, StandbyPlan } from './port.ts'
import { readPerSecond, type OpenWalls } from './walls.ts'

export interface PoolPorts {
  readonly clock: Clock
  readonly proc: Proc
  readonly net: Net
  readonly disk: Disk
  /** The Node program; this process's own by default. */
  readonly node?: string
  /**
   * Absolute path of a directory for compiled code, shared by all hosts. With it the first host of a module compiles
   * and strips types once and the others load the outcome: 13 MB and 30 ms less for each (Node 26.10). Without it
   * every host does it for itself.
   */
  readonly codeCache?: string
  /** What stands around the hosts; absent = nothing. */
  readonly walls?: OpenWalls
  /** The time from process to hello, for plans that give none. */
  readonly startWithinMs?: number
}

/** A Unix socket's path may have 107 bytes on Linux and 103 on macOS. */
const longestSocketPath = 100
const defaultStartMs = 10_000

/** Source and built form lie alike: `pool/host.ts` beside `pool.ts`, `pool/host.js` beside `pool.js`. */
const extension = extname(import.meta.filename)
const hostProgram = join(dirname(import.meta.filename), 'pool', `host${extension}`)

const argumentsFor = (plan: StandbyPlan): readonly string[] => [
  ...(extension === '.ts' ? ['--conditions=source'] : []),
  '--disable-warning=ExperimentalWarning',
  // Told to stop by SIGINT, the engine prints where the loop is, even when it is held. Costs nothing until then.
  '--trace-sigint',
  // No helper threads: 4 threads a host instead of 7, and 0.2 MB less. Garbage is collected on the host's own thread.
  '--v8-pool-size=0',
  '--max-semi-space-size=1',
  `--max-old-space-size=${plan.memoryMb}`,
  // A machine of its own ends deep recursion inside before this stack ends (vm/quickjs.ts). 984 is the engine's usual.
  ...(plan.kind === 'vm' ? ['--stack-size=3000'] : []),
  hostProgram,
]

const moduleOf = ({ run }: CellPlan): string => {
  assert(run.module !== undefined, 'a pool runs modules')
  return run.module
}

/** What a machine may use, for the host to hold it to. */
const vmOf = ({ kind, vm }: StandbyPlan): Readonly<Record<string, string>> => {
  if (kind !== 'vm') return {}
  assert(vm !== undefined, 'the plan of a vm cell says what each machine may use')
  return { SITTER_VM: JSON.stringify({ memoryBytes: vm.memoryBytes, sliceMs: vm.sliceMs }) }
}

const environmentFor = (plan: StandbyPlan, codeCache: string | undefined): Readonly<Record<string, string>> => ({
  ...plan.env,
  SITTER_SOCKET: plan.sitterSocket,
  SITTER_GATE: plan.gateSocket,
  SITTER_CELL: plan.id,
  ...vmOf(plan),
  ...(codeCache === undefined ? {} : { NODE_COMPILE_CACHE: codeCache }),
})

const assertPaths = ({ sitterSocket, gateSocket }: StandbyPlan): void => {
  for (const path of [sitterSocket, gateSocket]) {
    const bytes = Buffer.byteLength(path)
    if (bytes <= longestSocketPath) continue
    const most = `a Unix socket takes ${longestSocketPath}; use a shorter data directory`
    throw failure('cell-start', `the socket path ${path} has ${bytes} bytes, ${most}`)
  }
}

/** The first host of each module goes ahead, so that the others find its compiled code. */
const pathfinders = (): ((module: string, code: number) => Promise<(() => void) | undefined>) => {
  const ahead = new Map<string, { readonly code: number; readonly there: Promise<void> }>()
  return async (module, code) => {
    const before = ahead.get(module)
    if (before !== undefined && before.code >= code) {
      await before.there
      return undefined
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    ahead.set(module, { code, there: promise })
    return resolve
  }
}

/** What a host finds in its environment beside its places. */
const toldTo = ({ watched }: CellPlan, module: string, keepsCode: boolean): Readonly<Record<string, string>> => ({
  SITTER_MODULE: module,
  ...(keepsCode && { SITTER_KEEP_CODE: '1' }),
  ...(watched === true && { SITTER_WATCHED: '1' }),
})

/** @throws Failure `cell-start` from `start` when the process cannot be started; later ends come as `gone`. */
export const poolCells = (ports: PoolPorts): CellKind<HousedCell> => {
  const { clock, proc, net, disk, codeCache } = ports
  const goAhead = pathfinders()
  const reaper = openReaper(proc)
  /** `told`: what the host finds in its environment beside its places; `writes`: what it compiles is for all. */
  const startHost = async (
    plan: CellPlan | StandbyPlan,
    events: CellEvents,
    { told, writes }: { readonly told: Readonly<Record<string, string>>; readonly writes: boolean },
  ): Promise<PoolCell> => {
    await makeHome(disk, plan)
    if (codeCache !== undefined) await disk.makeDirectory(codeCache, 0o700)
    const cell = new PoolCell(plan, clock, disk, events)
    const walls = await ports.walls?.(plan)
    const listening = await net.listen(plan.sitterSocket, (link) => cell.accept(link))
    try {
      const child = await spawnHost({ proc, reaper }, walls, {
        sitterSocket: plan.sitterSocket,
        ...(codeCache !== undefined && writes && { writable: codeCache }),
        command: ports.node ?? process.execPath,
        args: argumentsFor(plan),
        env: { ...environmentFor({ ...plan, ...(walls && socketsOf(walls)) }, codeCache), ...told },
        cwd: plan.directory,
        ownGroup: false,
        dieWithParent: true,
        readPerSecond,
        onLine: (stream, text) => cell.line(stream, text),
      })
      const withinMs = plan.startWithinMs ?? ports.startWithinMs ?? defaultStartMs
      const { seesItself } = plan
      cell.begin(child, listening, { withinMs, effort: (pid) => proc.effort(pid), seesItself })
    } catch (error) {
      await listening.close()
      await walls?.close()
      throw failure('cell-start', `cell ${plan.id} (${plan.agentType}): ${(error as Error).message}`, { cause: error })
    }
    return cell
  }
  return {
    start: async (plan, events) => {
      assertPaths(plan)
      const module = moduleOf(plan)
      const ledTheWay = codeCache === undefined ? undefined : await goAhead(module, plan.code ?? 0)
      const led = ledTheWay ?? ((): void => {})
      const told: CellEvents = {
        ...events,
        ready: () => {
          led()
          events.ready()
        },
        gone: (end) => {
          led()
          events.gone(end)
        },
      }
      const writes = ledTheWay !== undefined
      try {
        return await startHost(plan, told, { told: toldTo(plan, module, writes), writes })
      } catch (error) {
        led()
        throw error
      }
    },
    standBy: async (plan, events): Promise<Standby> => {
      assertPaths(plan)
      return startHost(plan, events, { told: { SITTER_STANDBY: '1' }, writes: false })
    },
  }
}
