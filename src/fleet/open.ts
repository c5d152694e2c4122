/** Opens the fleet: puts its parts together and starts every agent that does not wait for something. */
import { formatAgent, type AgentRef } from '../model/model.ts'
import { asFailure, Failure, remainingMs } from '../std/std.ts'
import type { AgentRow } from '../store/store.ts'
import { Agenda } from './agenda.ts'
import { becomeFree, move } from './agents.ts'
import { partGroup, tendApart } from './apart.ts'
import { kill, launch, provide, vacate } from './cells.ts'
import { stopFleet } from './drain.ts'
import { judgeLastLife, tendSuspects } from './boot/boot.ts'
import { openBoot } from './boot/state.ts'
import { openAdmission, tendAdmission } from './admission/admission.ts'
import { usualBounds } from './admission/bounds.ts'
import { openFigures } from './figures.ts'
import { FreeQueue } from './free.ts'
import {
  asleepOf,
  beginAsleep,
  enlist,
  moved,
  noteTaken,
  noteWork,
  openDormitory,
  reopenBeds,
  vacant,
  want,
} from './hibernate/hibernate.ts'
import { resumeGovernor } from './governor/kept.ts'
import { openGovernor } from './governor/restarts.ts'
import { tellHousing } from './housing.ts'
import type { Agent, Attempt, Deeds, FleetOptions, Group, Live, LiveCell } from './live.ts'
import { agentsLost, proven, rise, waitGroup, waitOwn } from './loss.ts'
import { releaseAgents, restartAgents, rollType } from './operator.ts'
import { orderAgents } from './orders.ts'
import { planLook } from './order/starts.ts'
import { openOrder } from './order/state.ts'
import { fell, resumeBands, withMates } from './order/strategy.ts'
import { openParole } from './parole.ts'
import type { Fleet, FreeAgent } from './port.ts'
import { openTurns } from './probes/probes.ts'
import { callsSeen } from './outside.ts'
import { cancelAttempt, challenge } from './pulse.ts'
import { openFleetRecord } from './record.ts'
import { weigh } from './recycle.ts'
import { reconfigure } from './reconfigure.ts'
import { modeNow, remode } from './modes/agents.ts'
import { openRoster, type Roster } from './roster.ts'
import { openStillness } from './stillness.ts'
import { resumeRolling } from './rolling/rolling.ts'
import type { Rolling } from './rolling/state.ts'
import { endStandbys, openStock, standbyStatuses, tendStandbys } from './standby.ts'
import { pageOf, statesFrom } from './listing.ts'
import { troublesOf } from './troubles.ts'
import { openTurn } from './turn.ts'
import { cellStatusOf, summaryOf, viewOf } from './view.ts'
import { openWaves } from './waves.ts'
import { notify, say } from './wiring.ts'

/**
 * Two per core of the smallest machine that this is meant for: a host spends its first 200 ms loading code. Measured on
 * 2 busy cores: 5,000 agents in 50 pool cells ready 3.6 s after opening, one killed cell back after 91 ms.
 */
const startingAtOnce = 4
const challengeWithinMs = 5_000

/** A newer sitter acts for this host: whatever still lives here must not. */
const depose = (live: Live, detail: string): void => {
  if (live.phase === 'deposed') return
  live.phase = 'deposed'
  live.agenda.stop()
  live.stillness.stop()
  live.parole.stop()
  say(live, 'error', `a newer sitter acts for this host, every cell is killed: ${detail}`)
  for (const cell of live.cells.values()) kill(live, cell, 'a newer sitter acts for this host')
  void endStandbys(live, 'a newer sitter acts for this host')
  live.options.onDeposed?.(detail)
}

/** Somebody's silence is being counted. */
const isWaiting = ({ phase, cells, agents }: Live): boolean =>
  phase === 'open' &&
  ([...cells.values()].some(({ silentBeats, phase }) => silentBeats > 0 || phase === 'starting') ||
    [...agents.values()].some(({ attempt }) => attempt !== null))

const assemble = (options: FleetOptions, roster: Roster): Live => {
  const { clock, store, owner, epoch, hooks } = options
  const deeds: Deeds = {
    provide: (group) => provide(live, group),
    agentsLost: (agents, cause) => agentsLost(live, agents, cause),
    proven: (group) => proven(live, group),
    kill: (cell, why, ask) => kill(live, cell, why, ask),
    part: (group, ask) => {
      partGroup(live, group, ask)
      tendApart(live)
    },
    fell: (agents, cause) => fell(live, agents, cause),
    withMates: (agents) => withMates(live, agents),
    weigh: (cell) => weigh(live, cell),
    vacate: (cell, agent, why) => vacate(live, cell, agent, why),
    moved: (agent, before, event) => moved(live, agent, before, event),
    vacant: (group) => vacant(live, group),
  }
  const agenda = new Agenda(clock)
  const live: Live = {
    options,
    agents: roster.agents,
    groups: roster.groups,
    types: new Map(Object.entries(options.config.agents)),
    renewing: new Set<string>(),
    rolling: new Map<string, Rolling>(),
    codes: new Map<string, number>(),
    cells: new Map<string, LiveCell>(),
    free: new Map(Object.keys(options.config.agents).map((type) => [type, new FreeQueue<Agent>()])),
    agenda,
    stillness: openStillness(clock, () => isWaiting(live)),
    parole: openParole(clock, () => live),
    record: openFleetRecord({
      store,
      owner,
      epoch,
      wallMs: () => clock.wallMs(),
      onDeposed: (detail) => depose(live, detail),
      onFault: (failure) => say(live, 'error', `the fleet's writes were not taken: ${failure.message}`),
    }),
    turn: openTurn(hooks, (thrown) => say(live, 'error', `a hook of the fleet threw: ${asFailure(thrown).message}`)),
    probing: openTurns(),
    waves: openWaves<Group>(options.startingAtOnce ?? startingAtOnce, (group) => void launch(live, group)),
    governor: openGovernor(clock, agenda, () => live),
    stock: openStock(Object.values(options.config.agents), options.cells.standBy !== undefined),
    apart: {
      parts: new Set(roster.groups.filter(({ part }) => part !== null)),
      returning: new Map(),
      cancelLook: null,
    },
    order: openOrder(options.config.agents, options.config.groups ?? {}, clock.stamp()),
    boot: openBoot(),
    clearing: new Set(),
    deeds,
    dormitory: openDormitory(Object.values(options.config.agents)),
    admission: openAdmission(),
    bounds: options.machine ?? usualBounds,
    oomKills: options.proc.oomKills(),
    figures: openFigures(),
    counts: { restarts: 0, cellsLost: 0, linesDropped: 0, framesRefused: 0 },
    phase: 'open',
    begun: Promise.withResolvers<void>(),
  }
  return live
}

const isAtRest = (state: Agent['state']): boolean => state === 'stopped' || state === 'hibernating'

const saveRetired = (live: Live, rows: readonly AgentRow[]): void => {
  for (const row of rows) {
    if (row.state === 'stopped') continue
    const reason = 'no longer in the configuration'
    live.record.touch(row, () => ({ ...row, state: 'stopped', cell: null, reason, nextMs: null }))
  }
}

/** Goes on where the last sitter was: what waited waits on, everything else starts, lowest numbers first. */
const begin = (live: Live, roster: Roster): void => {
  const now = live.options.clock.stamp()
  saveRetired(live, roster.retired)
  for (const type of live.types.values()) tellHousing(live, type)
  for (const agent of live.agents.values()) enlist(live, agent)
  reopenBeds(live)
  for (const id of roster.unreadable) {
    notify(live, 'agent.forgotten', 'warn', {
      subject: id,
      message: `the saved restart policy of ${id} cannot be read; it begins with a clean slate`,
      facts: {},
    })
  }
  for (const group of live.groups) {
    if (group.due) waitGroup(live, group, group.due, remainingMs(now, group.due.set, group.due.delayMs))
    for (const agent of group.agents) {
      if (agent.due) waitOwn(live, agent, agent.due, remainingMs(now, agent.due.set, agent.due.delayMs))
    }
    const free = group.agents.filter(({ state, ordered }) => isAtRest(state) && ordered === null)
    // Who lives apart has something to prove, and does so awake.
    if (live.dormitory.types.has(group.settings.name) && group.part === null) beginAsleep(live, free)
    else rise(live, free, 'start')
  }
}

const give = (live: Live, run: Parameters<Fleet['run']>[0][number]): LiveCell | undefined => {
  const agent = live.agents.get(run.agent)
  // A claim that was under way when the end began: a host that drains would refuse it, and that would be a try.
  if (
    live.phase !== 'open' ||
    agent === undefined ||
    agent.cell?.id !== run.cell ||
    !agent.taken ||
    agent.attempt ||
    agent.cell.phase !== 'ready'
  ) {
    const cause = `${run.agent} is not there any more to take it`
    live.turn.lost({ attempt: run.attempt, agent: run.agent, cause, collateral: true })
    return undefined
  }
  const nowMs = live.options.clock.monoMs()
  const attempt: Attempt = {
    id: run.attempt,
    mark: (agent.cell.mark += 1),
    givenMs: nowMs,
    progressMs: nowMs,
    seenMs: nowMs,
    outsideUntilMs: nowMs,
    cancelledMs: null,
    askedMs: null,
    heldMs: null,
    look: null,
    answering: 0,
    lostAs: null,
    over: false,
  }
  agent.attempt = attempt
  noteWork(live, agent)
  live.stillness.watch()
  return agent.cell
}

/** Gives out work, one write per cell. Bound of what waits in a cell's socket: one frame for each of its agents. */
const runAll = (live: Live, runs: Parameters<Fleet['run']>[0]): void => {
  const frames = new Map<LiveCell, Parameters<NonNullable<LiveCell['cell']>['send']>[0][number][]>()
  for (const one of runs) {
    const cell = give(live, one)
    if (cell === undefined) continue
    const { cell: _, ...params } = one
    const list = frames.get(cell) ?? []
    list.push({ jsonrpc: '2.0', method: 'run', params })
    frames.set(cell, list)
  }
  for (const [cell, list] of frames) cell.cell!.send(list)
}

const take = (live: Live, agentType: string, count: number): FreeAgent[] => {
  const free = live.free.get(agentType)
  if (free === undefined) return []
  // Where agents may sleep, a few work and the others rest; else work spreads over all.
  const agents = live.dormitory.types.has(agentType) ? free.takeNewest(count) : free.take(count)
  return agents.map((agent) => {
    agent.taken = true
    noteTaken(live, agent, 1)
    agent.takenMs = live.options.clock.monoMs()
    move(live, agent, 'claim')
    return { agent: agent.id, cell: agent.cell!.id, epoch: agent.epoch }
  })
}

const release = (live: Live, id: string): void => {
  const agent = live.agents.get(id)
  if (agent === undefined) return
  // It still runs something: only its own answer, or its end, makes it free.
  if (agent.attempt) cancelAttempt(live, agent, agent.attempt, 'released')
  else if (agent.taken) {
    noteTaken(live, agent, -1)
    becomeFree(live, agent)
  }
}

const cancel = (live: Live, id: string, attempt: string, reason: string): void => {
  const agent = live.agents.get(id)
  if (agent?.attempt?.id === attempt) cancelAttempt(live, agent, agent.attempt, reason)
}

const find = (live: Live, ref: AgentRef): Agent | undefined => live.agents.get(formatAgent(ref))

const asked = (live: Live, id: string): Promise<readonly string[]> => {
  const cell = live.cells.get(id)
  if (cell === undefined) return Promise.reject(new Failure('not-found', `there is no living cell ${id}`))
  return challenge(live, cell, challengeWithinMs)
}

const letOrders = (live: Live): void => {
  live.begun?.resolve()
  live.begun = null
}

/** Once: begins to start what is to live. Of one that was stopped before, nothing. */
const start = async (live: Live, roster: Roster, notes: ReadonlyMap<string, string>): Promise<void> => {
  if (live.phase !== 'open') return
  tendAdmission(live)
  begin(live, roster)
  live.order.begun = true
  planLook(live)
  tendSuspects(live)
  void resumeRolling(live, notes)
  tendStandbys(live)
  tendApart(live)
  letOrders(live)
  await live.record.flush()
}

/** What people order waits until the fleet has begun: before, nobody is there whom it could reach. */
const orders = (live: Live): Pick<Fleet, 'restart' | 'roll' | 'unquarantine' | 'reconfigure' | 'order'> => {
  const begun = <Value>(work: () => Promise<Value>): Promise<Value> =>
    live.begun === null ? work() : live.begun.promise.then(work)
  return {
    restart: (...asked) => begun(() => restartAgents(live, ...asked)),
    roll: (...asked) => begun(() => rollType(live, ...asked)),
    unquarantine: (...asked) => begun(() => releaseAgents(live, ...asked)),
    reconfigure: (...asked) => begun(() => reconfigure(live, ...asked)),
    order: (...asked) => begun(() => orderAgents(live, ...asked)),
  }
}

/**
 * Opens the fleet: it answers, and nothing of it runs before `start`. Cells that an older sitter left must have been
 * swept before.
 * @throws what the record throws when it cannot be read.
 */
export const openFleet = async (options: FleetOptions): Promise<Fleet> => {
  const rows = await options.store.read.agents()
  const notes = new Map((await options.store.read.fleetNotes(options.owner)).map(({ name, value }) => [name, value]))
  const roster = openRoster(options.config.agents, rows, options.clock.stamp())
  const live = assemble(options, roster)
  resumeBands(live, notes, options.clock.stamp())
  resumeGovernor(live, notes)
  judgeLastLife(live, rows, notes)
  for (const agent of live.agents.values()) agent.mode = modeNow(live, agent.settings, agent.id)
  return {
    start: () => start(live, roster, notes),
    take: (agentType, count) => (live.phase === 'open' ? take(live, agentType, count) : []),
    freeCount: (agentType) => live.free.get(agentType)?.size ?? 0,
    asleep: (agentType) => asleepOf(live, agentType),
    want: (agentType, waiting) => want(live, agentType, waiting),
    run: (runs) => runAll(live, runs),
    release: (agent) => release(live, agent),
    cancel: (agent, attempt, reason) => cancel(live, agent, attempt, reason),
    seen: (calls) => callsSeen(live, calls),
    list: () => [...live.agents.values()].map((agent) => viewOf(live, agent)),
    page: (ask) => pageOf(live, ask),
    states: (type) => statesFrom(live.agents.values(), type),
    workedMs: (ref) => find(live, ref)?.workedMs ?? null,
    view: (ref) => {
      const agent = find(live, ref)
      return agent && viewOf(live, agent)
    },
    cells: () => [...live.cells.values()].flatMap((cell) => cellStatusOf(live, cell) ?? []),
    standbys: () => standbyStatuses(live),
    challenge: (cell) => asked(live, cell),
    summary: () => summaryOf(live),
    figures: () => live.figures.view(),
    troubles: () => troublesOf(live.agents.values()),
    remode: () => remode(live),
    ...orders(live),
    stop: (withinMs) => {
      letOrders(live)
      return stopFleet(live, withinMs)
    },
  }
}
