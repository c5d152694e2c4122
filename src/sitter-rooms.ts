/**
 * The rooms of a sitter, opened bottom-up. Those that need each other at run time meet here: hooks are bound late, so
 * that imports stay one-way.
 */
import { targetsOf } from './alert-targets.ts'
import { conditionsOf } from './alerting.ts'
import { openBeds, openCells, openProbe, type Cells } from './cell/cell.ts'
import type { AppliedConfig, SwarmConfig } from './config/config.ts'
import {
  openFleet,
  openModes,
  readRequest,
  type Evidence,
  type Fleet,
  type FleetHooks,
  type Modes,
} from './fleet/fleet.ts'
import {
  openFreeze,
  openGateLink,
  openUseAudit,
  type FreezeSwitch,
  type GateLink,
  type GateLinkEvents,
  type UseAudit,
} from './gatelink/gatelink.ts'
import { openLiveConfig, type LiveConfig } from './live-config.ts'
import type { Places } from './places.ts'
import { openAlerts, openTokens, type Alerts, type Tokens } from './record/record.ts'
import { agentTarget, channelTarget, parseAgent, typeTarget, type ModeScope } from './model/model.ts'
import { recordBack, type LastLife } from './recovery.ts'
import { openRenewalNotes } from './renewing.ts'
import { openSpending, type Spending } from './spending.ts'
import { openSettle, type Settle } from './settle/settle.ts'
import { failStop, fleetLine, logFault, logLine } from './sitter-log.ts'
import { realDisk, realNet, realOutside, realPressure, realProc, realRandom } from './std/real/real.ts'
import { asFailure, idMaker, type Clock } from './std/std.ts'
import { outlast, patiently, type Store } from './store/store.ts'
import { openEarly, openWork, type Early, type Work } from './work/work.ts'

/** With the embedded record one host owns everything; its incarnations are told apart by the epoch. */
export const owner = 'local'

const logged = { onFault: logFault, onSaid: logLine }

/** 25,000 machines of the usual size; at the bound the others stay awake, which is told. */
const mostAsleepBytes = 4_000_000_000

export interface Rooms {
  readonly store: Store
  readonly gatelink: GateLink
  readonly cells: Cells
  readonly fleet: Fleet
  readonly work: Work
  readonly settle: Settle
  readonly freeze: FreezeSwitch
  readonly modes: Modes
  readonly spending: Spending
  readonly tokens: Tokens
  readonly live: LiveConfig
  readonly alerts: Alerts
  readonly renewals: { stop(): void }
  readonly early: Early
}

/** Who this incarnation is, and the machine it works with. */
export const machine = (clock: Clock) => {
  const random = realRandom()
  return { clock, random, newId: idMaker(clock, random), net: realNet(), proc: realProc(), disk: realDisk() }
}
type Machine = ReturnType<typeof machine>

/** Rooms that need each other at run time meet here: hooks are bound late, imports stay one-way. */
interface Late {
  cells?: Cells
  fleet?: Fleet
  work?: Work
  settle?: Settle
  freeze?: FreezeSwitch
  gatelink?: GateLink
  config?: SwarmConfig
  tellConfig?: () => void
  /** Set while the link to the gate is down. */
  isBack?: (() => void) | undefined
  tellBack?: () => void
  /** A call may come before the settle room is open; it waits for it and is acknowledged after it. */
  readonly settling: PromiseWithResolvers<Settle>
}

const linkEvents = (late: Late, uses: UseAudit, modes: Modes): GateLinkEvents => ({
  uses: uses.take,
  heard: (agents) => modes.called(agents),
  seen: (seen) => late.fleet?.seen(seen),
  linked: (gateId) => {
    late.isBack?.()
    late.isBack = undefined
    // It may have missed a word, or have started with a file that was older than the record.
    late.tellConfig?.()
    late.freeze?.linked()
    late.settle?.linked(gateId)
  },
  lost: () => {
    logLine('warn', 'the link to the gate is down')
    late.isBack = () => late.tellBack?.()
  },
  call: async (call) => (await late.settling.promise).call(call),
})

const auditUses = ({ store, here }: Opening, late: Late): UseAudit =>
  openUseAudit({
    ...here,
    store,
    attemptOf: (agent) => {
      const ref = parseAgent(agent)
      return (ref && late.fleet?.view(ref)?.attempt) ?? null
    },
    onFault: logFault,
  })

const fleetHooks = (late: Late, store: Store): FleetHooks => ({
  free: (agentType) => late.work?.free(agentType),
  lost: (attempts) => {
    late.settle?.forget(attempts.map((one) => one.attempt))
    late.work?.lost(attempts)
  },
  waitsOutside: (attempt) => late.settle?.waitsOutside(attempt) ?? false,
  request: (method, agent, params) => {
    const request = readRequest(method, params)
    if (request.method === 'settlement') return late.settle!.standing(request.params, agent)
    return request.method === 'settle'
      ? // A payment that could not be written down has not begun: its agent waits instead of failing its task.
        outlast(store, () => late.settle!.request(request.params, agent))
      : late.work!.request(request, agent)
  },
})

export interface Opening {
  readonly applied: AppliedConfig
  readonly places: Places
  readonly store: Store
  readonly epoch: number
  readonly lastLife: LastLife
  readonly here: Machine
  /** Whether we see our own beats in the record: who does not must end nobody. */
  readonly seesItself: () => boolean
}

/** What people hold in hand: the switch, their tokens, the configuration. */
const openControls = async (
  { applied, places, store, here }: Opening,
  gatelink: GateLink,
  { late, modes }: { readonly late: Late; readonly modes: Modes },
): Promise<Pick<Rooms, 'freeze' | 'tokens' | 'live'>> => ({
  freeze: await openFreeze({
    ...here,
    store,
    gatelink,
    path: places.frozen,
    swarm: applied.config.name,
    onThawed: () => late.settle?.thawed(),
    onFault: logFault,
  }),
  tokens: await openTokens({ ...here, store, onFault: logFault }),
  live: openLiveConfig({
    ...here,
    store,
    gatelink,
    dataDirectory: places.data,
    running: applied,
    fleet: () => late.fleet,
    cells: () => late.cells,
    taken: () => modes.reconfigured(),
    onFault: logFault,
  }),
})

const runawayActor = 'rule:repeats'

/** Who was taken out by a person, or is in quarantine for something else, stays as it is. */
const runaway = async (late: Late, agent: string, why: string | null): Promise<void> => {
  const ref = parseAgent(agent)
  const view = ref && late.fleet?.view(ref)
  if (ref === undefined || view === undefined) return
  try {
    if (why !== null) await late.fleet!.order('quarantine', [ref], { actor: runawayActor, reason: why, charged: true })
    else if (view.state === 'quarantined' && view.reason?.includes(runawayActor) === true)
      await late.fleet!.unquarantine([ref], runawayActor)
  } catch (error) {
    if (asFailure(error).code !== 'conflict') throw error
  }
}

/** Read before the gate is linked: it is told what holds before anything else. */
const modesOf = ({ applied, store, here }: Opening, late: Late): Promise<Modes> =>
  openModes({
    ...here,
    store,
    config: () => late.config ?? applied.config,
    tell: (told) => late.gatelink!.modes(told),
    progressedMs: (agent) => {
      const ref = parseAgent(agent)
      return ref === undefined ? null : (late.fleet?.workedMs(ref) ?? null)
    },
    quarantine: (agent, why) => runaway(late, agent, why),
    changed: () => {
      late.fleet?.remode()
      late.work?.remoded()
      late.settle?.remoded()
    },
    onFault: logFault,
  })

/** What became of attempts and payments is evidence for the rules. */
const evidenceFor = (modes: Modes) => ({
  heard: (channel: string, evidence: Evidence): void => modes.heard(channelTarget(channel), evidence),
  ended: (agent: string, evidence: Evidence): void => {
    modes.heard(agentTarget(agent), evidence)
    modes.heard(typeTarget(agent.slice(0, agent.lastIndexOf('/'))), evidence)
  },
})

/** Whoever drills may harm pays nobody, whatever it asks. */
const payers =
  (config: Pick<SwarmConfig, 'agents'>) =>
  (agent: string): boolean =>
    config.agents[agent.slice(0, agent.lastIndexOf('/'))]?.canary !== true

export const openRooms = async (opening: Opening): Promise<Rooms> => {
  const { applied, places, store, epoch, lastLife, here, seesItself } = opening
  const late: Late = { settling: Promise.withResolvers() }
  const incarnation = { owner, epoch, failed: failStop }
  const socketPath = places.gateSocket
  const modes = await modesOf(opening, late)
  const effective = (agent: string) => modes.of({ agent, channel: null })
  const gatelink = openGateLink({
    ...here,
    ...incarnation,
    socketPath,
    swarm: applied.config.name,
    events: linkEvents(late, auditUses(opening, late), modes),
    modes: modes.told(),
  })
  late.gatelink = gatelink
  const controls = await openControls(opening, gatelink, { late, modes })
  late.config = controls.live.config
  late.freeze = controls.freeze
  late.tellBack = () => void recordBack(store, here.clock).catch(logFault)
  late.tellConfig = () => void gatelink.config().catch(logFault)
  const { config } = controls.live
  const hooks = fleetHooks(late, store)
  const cells = await openCells({ ...here, places, agents: config.agents })
  late.cells = cells
  const spending = openSpending({ ...here, gatelink, modes, config, onFault: logFault })
  const fleet = await openFleet({
    ...here,
    ...incarnation,
    lastLife,
    // What cells and agents are must not be forgotten because the disk is full for a while.
    store: { read: store.read, transact: (commands) => patiently(store, commands) },
    gatelink,
    config,
    hooks,
    modeOf: (agent) => effective(agent).mode,
    costOf: spending.costOf,
    cells: cells.kinds,
    housing: cells.housing,
    beds: await openBeds({ directory: places.asleep, mostBytes: mostAsleepBytes }),
    directories: { cells: places.cells, sockets: places.sockets, doors: cells.doors },
    machine: config.machine,
    pressure: realPressure(),
    seesItself,
    probe: openProbe(here.proc),
    onLog: fleetLine,
    onDeposed: (detail) => failStop(new Error(detail)),
  })
  const [{ tasks, channels }, { waitsOutside }] = [config, hooks]
  const { heard, ended } = evidenceFor(modes)
  const modeFor = { heard, mayPay: payers(config), modeOf: (scope: ModeScope) => modes.of(scope) }
  const around = { waitsOutside, ended, urgent: gatelink.priorities.bind(gatelink), modeOf: effective }
  const work = openWork({ ...here, ...incarnation, ...around, tasks, store, fleet })
  const early = openEarly({ ...here, store, gatelink, modeOf: effective, onFault: logFault })
  const frozen = (): boolean => controls.freeze.file() !== 'absent'
  const settle = openSettle({ ...here, ...incarnation, ...modeFor, channels, tasks, store, work, gatelink, frozen })
  Object.assign(late, { fleet, work, settle })
  late.settling.resolve(settle)
  const looked = { store, fleet, gatelink, freeze: controls.freeze, modes, spending }
  const alerts = await openAlerts({
    ...here,
    store,
    swarm: config.name,
    conditions: conditionsOf({ ...here, config, ...looked, deaths: lastLife.deaths }),
    targets: targetsOf(config, { ...here, outside: realOutside(), environment: process.env }),
    ...logged,
  })
  const renewals = openRenewalNotes({ ...here, store, gatelink, onFault: logFault })
  modes.start()
  return { store, gatelink, cells, fleet, work, early, settle, alerts, renewals, spending, modes, ...controls }
}
