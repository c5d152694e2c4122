/**
 * The rooms as the sitter assembles them: a real record (a SQLite file, flushed before each answer, or PostgreSQL), real pool
 * cells on real sockets; without the gate, which these benches do not use.
 */
import { join } from 'node:path'
import { poolCells } from '../src/cell/cell.ts'
import { openFleet, readRequest, type Fleet } from '../src/fleet/fleet.ts'
import type { AgentType, TaskType } from '../src/model/model.ts'
import { realClock, realDisk, realNet, realProc, realRandom } from '../src/std/real/real.ts'
import { idMaker } from '../src/std/std.ts'
import { openPostgresStore, openSqliteStore, type Store } from '../src/store/store.ts'
import { openWork, type Work } from '../src/work/work.ts'

export interface Rooms {
  readonly store: Store
  readonly fleet: Fleet
  readonly work: Work
  /** Agents, all of them free at first. */
  readonly agents: number
  close(): Promise<void>
}

const owner = 'local'

const agentType = ({ cells, perCell, standby }: RoomsAsk): AgentType => ({
  name: 'worker',
  run: { module: join(import.meta.dirname, 'contestants', 'ours-agent.ts') },
  count: cells * perCell,
  cell: { kind: 'pool', orWeaker: false, ...(standby === undefined ? {} : { standby }) },
  upstreams: [],
  restart: { type: 'permanent', max: 5, withinMs: 600_000, baseMs: 200, capMs: 30_000 },
  heartbeatMs: 30_000,
  stuckAfterMs: 120_000,
  startWithinMs: 20_000,
  perCell,
  memoryBytes: 256_000_000,
  limits: { cpus: null, processes: 64, files: 4_096, diskBytes: 64_000_000 },
  overrides: {},
  config: {},
})

const nothing: TaskType = {
  name: 'nothing',
  agent: 'worker',
  retry: { max: 3, baseMs: 100, capMs: 1_000 },
  deadlineMs: null,
  priority: 5,
}

const fail = (error: unknown): never => {
  console.error('the record is lost:', error)
  return process.exit(70)
}

/** `postgres` = a connection string; empty = a SQLite file in the directory. */
export const openStore = async (directory: string, postgres = ''): Promise<{ store: Store; epoch: number }> => {
  const store =
    postgres === ''
      ? openSqliteStore(join(directory, 'swarm.db'))
      : await openPostgresStore({ url: postgres, clock: realClock() })
  store.onLost(fail)
  const [opened] = await store.transact([{ kind: 'host.open', with: { owner, bootId: 'bench', wallMs: Date.now() } }])
  if (!opened.ok) throw new Error(opened.detail)
  return { store, epoch: opened.value.epoch }
}

export interface RoomsAsk {
  readonly directory: string
  readonly postgres?: string
  readonly cells: number
  readonly perCell: number
  /** Hosts that stand by; the usual number when absent. */
  readonly standby?: number
}

/** Opens the rooms and waits until every agent is free; `work.start()` is the caller's. */
export const openRooms = async (ask: RoomsAsk): Promise<Rooms> => {
  const { directory, postgres } = ask
  const { store, epoch } = await openStore(directory, postgres)
  const clock = realClock()
  const random = realRandom()
  const ports = { clock, random, newId: idMaker(clock, random), net: realNet(), proc: realProc(), disk: realDisk() }
  const type = agentType(ask)
  const late: { work?: Work } = {}
  const fleet: Fleet = await openFleet({
    ...ports,
    store,
    owner,
    epoch,
    cells: poolCells({ ...ports, codeCache: join(directory, 'cache') }),
    gatelink: { openCell: () => {}, closeCell: () => {} },
    config: { agents: { worker: type } },
    directories: { cells: join(directory, 'cells'), sockets: join(directory, 's') },
    hooks: {
      free: (name) => late.work?.free(name),
      lost: (attempts) => late.work?.lost(attempts),
      waitsOutside: () => false,
      request: (method, agent, params) => {
        const request = readRequest(method, params)
        if (request.method === 'settle' || request.method === 'settlement') throw new Error('no settling in a bench')
        return late.work!.request(request, agent)
      },
    },
    onLog: ({ level, message }) => {
      if (level === 'error' || level === 'warn') console.error(message)
    },
  })
  await fleet.start()
  const work = openWork({
    ...ports,
    owner,
    epoch,
    store,
    fleet,
    tasks: { nothing },
    waitsOutside: () => false,
    failed: fail,
  })
  late.work = work
  while (fleet.freeCount('worker') < type.count) await new Promise((resolve) => setTimeout(resolve, 20))
  const close = async (): Promise<void> => {
    await work.stop()
    await fleet.stop(1_000)
    await store.close()
  }
  return { store, fleet, work, agents: type.count, close }
}
