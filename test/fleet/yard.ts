/** The fleet with real processes and the real record, in a directory of its own. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { hostWalls, openBeds, poolCells, type Machine } from '../../src/cell/cell.ts'
import { openFleet, type Fleet, type FleetHooks, type FleetOptions } from '../../src/fleet/fleet.ts'
import type { AgentType } from '../../src/model/model.ts'
import { realClock, realDisk, realNet, realProc, realRandom } from '../../src/std/real/real.ts'
import { idMaker } from '../../src/std/std.ts'
import type { NewEvent, Store } from '../../src/store/store.ts'
import { hostCode } from '../cell/harness.ts'
import { agentType } from './world.ts'
import { openRecord } from '../store/record.ts'

type OpenWalls = ReturnType<typeof hostWalls>

const owner = 'host-1'
/** Of the yard's agents. */
export const heartbeatMs = 600
const witness = join(import.meta.dirname, '..', 'villains', 'witness.ts')

export interface Yard {
  readonly root: string
  readonly fleet: Fleet
  readonly settings: AgentType
  readonly store: Store
  readonly lost: Parameters<FleetHooks['lost']>[0][number][]
  readonly done: { readonly agent: string; readonly attempt: string; readonly result: Record<string, unknown> }[]
  /** Resolves when `look` gives something; looks again after each commit and each request of an agent. */
  until<Value>(look: () => Value | undefined | false): Promise<Value>
  run(agent: { agent: string; cell: string }, attempt: string, type: string, payload?: unknown): void
  events(kind: string): readonly NewEvent[]
}

const open: { stop(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.stop()
})

/** Cells behind the walls that this machine can build. */
const walledIn = (machine: Machine, codeCache: string): OpenWalls =>
  hostWalls({ machine, hidden: () => [], modules: [witness], codeCache, swarm: codeCache })

const noGate: FleetOptions['gatelink'] = { openCell: () => {}, closeCell: () => {} }

/** Nine agents in three cells, and whatever `change` says; behind walls where a machine is given. */
export const openYard = async (
  change: Partial<AgentType> = {},
  machine?: Machine,
  gatelink = noGate,
): Promise<Yard> => {
  const root = await mkdtemp(join(tmpdir(), 'fleet-'))
  const [clock, random, proc] = [realClock(), realRandom(), realProc()]
  const codeCache = machine === undefined ? hostCode : join(root, 'code')
  const store = openRecord(join(root, 'swarm.db'))
  const [opened] = await store.transact([
    { kind: 'host.open', with: { owner, bootId: 'boot', wallMs: clock.wallMs() } },
  ])
  if (!opened.ok) throw new Error(opened.detail)
  const looks = new Set<() => void>()
  const look = (): void => {
    for (const one of looks) one()
  }
  const told: NewEvent[] = []
  store.onCommit((committed) => {
    for (const { command } of committed) if (command.kind === 'events.add') told.push(...command.with.events)
    look()
  })
  const lost: Yard['lost'] = []
  const done: Yard['done'] = []
  const settings = agentType({
    name: 'villain',
    run: { module: witness },
    count: 9,
    perCell: 3,
    heartbeatMs,
    stuckAfterMs: 30_000,
    startWithinMs: 20_000,
    ...change,
  })
  const fleet = await openFleet({
    clock,
    random,
    proc,
    newId: idMaker(clock, random),
    store,
    owner,
    epoch: opened.value.epoch,
    cells: poolCells({
      clock,
      proc,
      net: realNet(),
      disk: realDisk(),
      codeCache,
      ...(machine && { walls: walledIn(machine, codeCache) }),
    }),
    beds: await openBeds({ directory: join(root, 'asleep'), mostBytes: 100_000_000 }),
    gatelink,
    config: { agents: { villain: settings } },
    directories: { cells: join(root, 'cells'), sockets: root },
    hooks: {
      free: look,
      lost: (attempts) => {
        lost.push(...attempts)
        look()
      },
      waitsOutside: () => false,
      request: async (method, agent, params) => {
        const { attempt, result } = params as { attempt: string; result?: Record<string, unknown> }
        if (method === 'done') done.push({ agent, attempt, result: result ?? {} })
        queueMicrotask(look)
        return null
      },
    },
    onLog: () => {},
  })
  await fleet.start()
  open.push({
    stop: async () => {
      await fleet.stop(0)
      await store.close()
      await rm(root, { recursive: true, force: true })
    },
  })
  return {
    root,
    fleet,
    settings,
    store,
    lost,
    done,
    until: (wanted) =>
      new Promise((resolve) => {
        const check = (): void => {
          const found = wanted()
          if (found === undefined || found === false) return
          looks.delete(check)
          resolve(found as Exclude<typeof found, false | undefined>)
        }
        looks.add(check)
        check()
      }),
    run: ({ agent, cell }, attempt, type, payload = {}) => {
      fleet.run([
        { agent, cell, attempt, task: `tsk_${attempt}`, type, payload, number: 1, deadline: null, key: attempt },
      ])
    },
    events: (kind) => told.filter((event) => event.kind === kind),
  }
}
