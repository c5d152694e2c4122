/** A small world for the fleet: virtual time, a record in memory, scripted cells. */
import { openFleet, type Fleet, type FleetHooks, type FleetLine, type FleetOptions } from '../../src/fleet/fleet.ts'
import type { AgentGroup, AgentType } from '../../src/model/model.ts'
import { idMaker, seeded, type Effort, type Pressure } from '../../src/std/std.ts'
import { FakeCells, type FakeBeds } from './cells.ts'
import { VirtualClock } from './clock.ts'
import { MemoryRecord } from './memory.ts'

export const agentType = (change: Partial<AgentType> = {}): AgentType => ({
  name: 'settler',
  run: { module: '/agents/settler.ts' },
  count: 10,
  cell: { kind: 'pool', orWeaker: false },
  upstreams: ['northbank'],
  restart: { type: 'permanent', max: 5, withinMs: 600_000, baseMs: 200, capMs: 30_000 },
  heartbeatMs: 5_000,
  stuckAfterMs: 60_000,
  startWithinMs: 10_000,
  perCell: 5,
  memoryBytes: 256_000_000,
  limits: { cpus: null, processes: 64, files: 4_096, diskBytes: 64_000_000 },
  overrides: {},
  config: {},
  ...change,
})

type Lost = Parameters<FleetHooks['lost']>[0][number]

export interface World {
  readonly clock: VirtualClock
  readonly record: MemoryRecord
  readonly cells: FakeCells
  readonly fleet: Fleet
  readonly lost: Lost[]
  readonly freed: string[]
  readonly requests: { readonly method: string; readonly agent: string; readonly params: Record<string, unknown> }[]
  readonly lines: FleetLine[]
  /** The machine's count of out-of-memory kills; undefined where it does not say. */
  oomKills: number | undefined
  /** What processes are said to do. */
  readonly states: { fallback: string }
  /** Resident bytes by pid; 1 MB where it says nothing. */
  readonly resident: Map<number, number>
  /** What processes have done with their time, by pid; not seen where it says nothing. */
  readonly efforts: Map<number, () => Effort>
  readonly gate: Map<string, readonly string[]>
  /** What the gate was told of the cells, in its order. */
  readonly announced: Parameters<FleetOptions['gatelink']['openCell']>[0][]
  readonly deposed: string[]
  /** Set to change how requests of agents are answered. */
  answer: (method: string, agent: string, params: Record<string, unknown>) => Promise<unknown>
  waitsOutside: (attempt: string) => boolean
  /** Takes one free agent of the type and gives it an attempt; undefined when none is free. */
  give(attempt: string, agentType?: string): string | undefined
  state(agent: string): string
  ref(agent: string): { type: string; number: number }
}

export interface WorldAsk {
  /** It is opened, and not started. */
  readonly held?: true
  readonly oomKills?: number
  readonly types?: readonly AgentType[]
  /** Groups with a restart strategy. */
  readonly groups?: readonly AgentGroup[]
  readonly clock?: VirtualClock
  readonly record?: MemoryRecord
  readonly cells?: FakeCells
  readonly beds?: FakeBeds
  readonly epoch?: number
  readonly startingAtOnce?: number
  readonly seed?: number
  /** What the machine makes of each type's cell; what was asked for when absent. */
  readonly housing?: FleetOptions['housing']
  /** What the host is short of; nobody looks when absent. */
  readonly pressure?: Pressure
  /** Whether the sitter sees its own beats; nobody looks when absent. */
  readonly seesItself?: () => boolean
  readonly probe?: FleetOptions['probe']
  readonly lastLife?: FleetOptions['lastLife']
}

export const openWorld = async (ask: WorldAsk = {}): Promise<World> => {
  const clock = ask.clock ?? new VirtualClock()
  const record = ask.record ?? new MemoryRecord(clock)
  const cells = ask.cells ?? new FakeCells(clock)
  const types = ask.types ?? [agentType()]
  const random = seeded(ask.seed ?? 7)
  const world = {
    clock,
    record,
    cells,
    lost: [] as Lost[],
    freed: [] as string[],
    requests: [] as World['requests'],
    lines: [] as FleetLine[],
    oomKills: ask.oomKills,
    resident: new Map<number, number>(),
    efforts: new Map<number, () => Effort>(),
    states: { fallback: 'S' },
    gate: new Map<string, readonly string[]>(),
    announced: [] as World['announced'],
    deposed: [] as string[],
    answer: async () => null,
    waitsOutside: () => false,
  } as unknown as World & { fleet: Fleet }
  world.fleet = await openFleet({
    clock,
    random,
    newId: idMaker(clock, random),
    store: record,
    cells,
    gatelink: {
      openCell: (open) => {
        world.gate.set(open.cell, open.agents)
        world.announced.push(open)
      },
      closeCell: (cell) => {
        world.gate.delete(cell)
      },
    },
    config: {
      agents: Object.fromEntries(types.map((type) => [type.name, type])),
      groups: Object.fromEntries((ask.groups ?? []).map((group) => [group.name, group])),
    },
    owner: 'host-1',
    epoch: ask.epoch ?? 1,
    directories: { cells: '/state/cells', sockets: '/run/s' },
    ...(ask.beds && { beds: ask.beds }),
    ...(ask.housing && { housing: ask.housing }),
    ...(ask.pressure && { pressure: ask.pressure }),
    ...(ask.seesItself && { seesItself: ask.seesItself }),
    ...(ask.probe && { probe: ask.probe }),
    ...(ask.lastLife && { lastLife: ask.lastLife }),
    hooks: {
      free: (type) => {
        world.freed.push(type)
      },
      lost: (attempts) => {
        world.lost.push(...attempts)
      },
      waitsOutside: (attempt) => world.waitsOutside(attempt),
      request: (method, agent, params) => {
        const fields = params as Record<string, unknown>
        world.requests.push({ method, agent, params: fields })
        return world.answer(method, agent, fields)
      },
    },
    onLog: (line) => {
      world.lines.push(line)
    },
    proc: {
      startTime: (pid) => [...cells.living].find((cell) => cell.identity.pid === pid)?.identity.startTime,
      state: () => world.states.fallback,
      residentBytes: (pid) => world.resident.get(pid) ?? 1_000_000,
      openFiles: () => ({ open: 20, most: 1_024 }),
      oomKills: () => world.oomKills,
      effort: (pid) => world.efforts.get(pid)?.(),
    },
    onDeposed: (detail) => {
      world.deposed.push(detail)
    },
    ...(ask.startingAtOnce === undefined ? {} : { startingAtOnce: ask.startingAtOnce }),
  })
  if (ask.held !== true) await world.fleet.start()
  world.ref = (agent) => {
    const [type, number] = agent.split('/')
    return { type: type!, number: Number(number) }
  }
  world.state = (agent) => world.fleet.view(world.ref(agent))!.state
  world.give = (attempt, type = types[0]!.name) => {
    const [free] = world.fleet.take(type, 1)
    if (!free) return undefined
    world.fleet.run([
      {
        agent: free.agent,
        cell: free.cell,
        attempt,
        task: `tsk_${attempt}`,
        type: 'settle',
        payload: {},
        number: 1,
        deadline: null,
        key: attempt,
      },
    ])
    return free.agent
  }
  return world
}
