/**
 * The control plane's assembly: opens the rooms bottom-up, closes them top-down. It runs no agent code and holds no
 * plaintext secret; it alone writes the record. When the record can no longer be trusted it exits at once: the watch
 * starts it again and it reads again.
 */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { conditionsOf, targetsOf } from './alerting.ts'
import { openCells, type Cells } from './cell/cell.ts'
import { readApplied, startVersion, type AppliedConfig, type SwarmConfig } from './config/config.ts'
import { startHttp, type HttpDoor } from './doors/http/http.ts'
import { openFleet, readRequest, type Fleet, type FleetHooks, type FleetLine } from './fleet/fleet.ts'
import { openFreeze, openGateLink, type FreezeSwitch, type GateLink, type GateLinkEvents } from './gatelink/gatelink.ts'
import { openLiveConfig, openReload, type LiveConfig } from './live-config.ts'
import { notBuilt } from './not-built.ts'
import { placesOf, type Places } from './places.ts'
import { openPrivateLine } from './private-line.ts'
import { openProgress } from './progress.ts'
import {
  lineText,
  logLevels,
  openAlerts,
  openLoopLag,
  openTokens,
  verifyAudit,
  type Alerts,
  type LogLevel,
  type Tokens,
} from './record/record.ts'
import { recover } from './recovery.ts'
import { openSettle, type Settle } from './settle/settle.ts'
import { realClock, realDisk, realFolder, realNet, realOutside, realProc, realRandom } from './std/real/real.ts'
import { Failure, idMaker, type Clock } from './std/std.ts'
import { openPostgresStore, openSqliteStore, outlast, patiently, type Store } from './store/store.ts'
import { openWork, type Work } from './work/work.ts'
import { lockInstance } from './watch.ts'

/** With the embedded record one host owns everything; its incarnations are told apart by the epoch. */
const owner = 'local'
/** Exit code of a sitter whose record is lost or refused: the watch starts it again. */
const recordLost = 70
const drainMs = 30_000

const version = async (): Promise<string> =>
  (JSON.parse(await readFile(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as { version: string }).version

const logLine = (level: LogLevel, message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
  const number = logLevels[level]
  process.stdout.write(`${lineText({ level: number, time: Date.now(), room: 'sitter', msg: message, ...fields })}\n`)
}

/** What the fleet says, and what agents and hosts print: as one line of its own, whatever stands in it. */
const fleetLine = ({ wallMs, level, source, agent, cell, message, fields }: FleetLine): void => {
  const room = source === 'fleet' ? 'fleet' : 'agent'
  const about = { ...(agent !== null && { agent }), ...(cell !== null && { cell }) }
  const rest = { ...(source !== room && { source }), ...(fields !== undefined && { fields }) }
  const line = { level: logLevels[level], time: wallMs, room, ...about, msg: message, ...rest }
  process.stdout.write(`${lineText(line)}\n`)
}

/** The record is not to be trusted any more: say why, and end at once without writing another byte. */
const failStop = (error: unknown): never => {
  logLine('error', `fail-stop: ${error instanceof Error ? error.message : String(error)}`, {
    stack: error instanceof Error ? error.stack : undefined,
    cause: error instanceof Error && error.cause instanceof Error ? error.cause.message : undefined,
  })
  return process.exit(recordLost)
}

const logFull = (sinceMs: number | null): void =>
  sinceMs === null
    ? logLine('info', 'the disk has room again: writes are taken')
    : logLine('error', 'the disk of the record is full: writes are refused until there is room')

interface Rooms {
  readonly store: Store
  readonly gatelink: GateLink
  readonly cells: Cells
  readonly fleet: Fleet
  readonly work: Work
  readonly settle: Settle
  readonly freeze: FreezeSwitch
  readonly tokens: Tokens
  readonly live: LiveConfig
  readonly alerts: Alerts
}

/** Who this incarnation is, and the machine it works with. */
const machine = () => {
  const clock = realClock()
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
  tellConfig?: () => void
  /** A call may come before the settle room is open; it waits for it and is acknowledged after it. */
  readonly settling: PromiseWithResolvers<Settle>
}

const linkEvents = (late: Late): GateLinkEvents => ({
  linked: (gateId) => {
    // It may have missed a word, or have started with a file that was older than the record.
    late.tellConfig?.()
    late.freeze?.linked()
    late.settle?.linked(gateId)
  },
  lost: () => logLine('warn', 'the link to the gate is down'),
  call: async (call) => (await late.settling.promise).call(call),
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
    return request.method === 'settle'
      ? // A payment that could not be written down has not begun: its agent waits instead of failing its task.
        outlast(store, () => late.settle!.request(request.params, agent))
      : late.work!.request(request, agent)
  },
})

interface Opening {
  readonly applied: AppliedConfig
  readonly places: Places
  readonly store: Store
  readonly epoch: number
  readonly here: Machine
}

const logFault = (error: unknown): void =>
  logLine('error', error instanceof Error ? error.message : String(error), {
    stack: error instanceof Error ? error.stack : undefined,
  })

const reloadTold = { said: (what: string) => logLine('info', `reloaded: ${what}`), failed: logFault }

/** What people hold in hand: the switch, their tokens, the configuration. */
const openControls = async (
  { applied, places, store, here }: Opening,
  gatelink: GateLink,
  late: Late,
): Promise<Pick<Rooms, 'freeze' | 'tokens' | 'live'>> => ({
  freeze: await openFreeze({
    ...here,
    store,
    gatelink,
    path: places.frozen,
    swarm: applied.config.name,
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
    onFault: logFault,
  }),
})

const openRooms = async (opening: Opening): Promise<Rooms> => {
  const { applied, places, store, epoch, here } = opening
  const late: Late = { settling: Promise.withResolvers() }
  const incarnation = { owner, epoch, failed: failStop }
  const socketPath = places.gateSocket
  const gatelink = openGateLink({
    ...here,
    ...incarnation,
    socketPath,
    swarm: applied.config.name,
    events: linkEvents(late),
  })
  const controls = await openControls(opening, gatelink, late)
  late.freeze = controls.freeze
  late.tellConfig = () => void gatelink.config().catch(logFault)
  const { config } = controls.live
  const hooks = fleetHooks(late, store)
  const cells = await openCells({ ...here, dataDirectory: places.data, sockets: places.sockets, agents: config.agents })
  late.cells = cells
  const fleet = await openFleet({
    ...here,
    ...incarnation,
    // What cells and agents are must not be forgotten because the disk is full for a while.
    store: { read: store.read, transact: (commands) => patiently(store, commands) },
    gatelink,
    config,
    hooks,
    cells: cells.kinds,
    housing: cells.housing,
    directories: { cells: places.cells, sockets: places.sockets },
    onLog: fleetLine,
    onDeposed: (detail) => failStop(new Error(detail)),
  })
  const { tasks, channels } = config
  const { waitsOutside } = hooks
  const work = openWork({ ...here, ...incarnation, tasks, store, fleet, waitsOutside })
  const settle = openSettle({ ...here, ...incarnation, channels, tasks, store, work, gatelink })
  Object.assign(late, { fleet, work, settle })
  late.settling.resolve(settle)
  const alerts = await openAlerts({
    ...here,
    store,
    swarm: config.name,
    conditions: conditionsOf({ ...here, config, store, fleet, gatelink, freeze: controls.freeze }),
    targets: targetsOf(config, { ...here, outside: realOutside(), environment: process.env }),
    onFault: logFault,
  })
  return { store, gatelink, cells, fleet, work, settle, alerts, ...controls }
}

interface DoorFacts {
  readonly epoch: number
  readonly shutdown: (withinMs: number, actor: string) => void
  readonly restart: (actor: string) => void
}

const startDoor = async (places: Places, rooms: Rooms, facts: DoorFacts): Promise<HttpDoor> => {
  const { config, versions: configs } = rooms.live
  const clock = realClock()
  const random = realRandom()
  const door = await startHttp(
    {
      ...rooms,
      config,
      configs,
      name: config.name,
      version: await version(),
      owner,
      epoch: facts.epoch,
      pid: process.pid,
      startedMs: clock.wallMs(),
      clock,
      newId: idMaker(clock, random),
      notBuilt,
      logs: realFolder(places.logs),
      lag: openLoopLag(clock),
      audit: { verify: (anchor) => verifyAudit(rooms.store.read, anchor) },
      shutdown: facts.shutdown,
      restart: facts.restart,
    },
    {
      host: config.api.host,
      port: config.api.port,
      token: (await readFile(places.token, 'utf8')).trim(),
      pageDirectory: join(import.meta.dirname, '..', 'dist', 'page'),
      disk: realDisk(),
      clock,
      random,
      onFault: (fault, request) => logLine('error', fault.message, { code: fault.code, request, stack: fault.stack }),
    },
  )
  await writeFile(places.api, `${JSON.stringify({ url: door.url, loginUrl: door.loginUrl, pid: process.pid })}\n`, {
    mode: 0o600,
  })
  return door
}

/** The engine that the configuration names. A server is waited for; its notices are the operator's. */
const openStore = async (config: SwarmConfig, places: Places, clock: Clock): Promise<Store> => {
  if (config.store !== 'embedded')
    return openPostgresStore({ url: config.store, clock, onNotice: (message) => logLine('warn', message) })
  const store = openSqliteStore(places.record)
  await chmod(places.record, 0o600)
  return store
}

/** A new incarnation: its epoch is higher than that of any before. */
const openHost = async (store: Store, clock: Clock): Promise<number> => {
  const [opened] = await patiently(store, [
    { kind: 'host.open', with: { owner, bootId: clock.stamp().bootId, wallMs: clock.wallMs() } },
  ])
  if (!opened.ok) throw new Error(opened.detail)
  return opened.value.epoch
}

/** The process behind `_sitter --data-dir D`; runs until it is told to stop and resolves with the exit code. */
export const runSitter = async (argv: readonly string[]): Promise<number> => {
  const { values } = parseArgs({ args: [...argv], options: { 'data-dir': { type: 'string' } } })
  if (values['data-dir'] === undefined) throw new Failure('usage', 'the sitter needs --data-dir')
  const places = placesOf(resolve(values['data-dir']), process.env['XDG_RUNTIME_DIR'] ?? tmpdir())
  const clock = realClock()
  const ended = Promise.withResolvers<number>()
  // Until the rooms are open there is nothing to close, and nothing to apply.
  let stop: (withinMs: number) => void = () => ended.resolve(0)
  let reloaded = (): void => {}
  const line = openPrivateLine(clock, {
    closed: () => {
      logLine('warn', 'the watch is gone: stopping in order')
      stop(drainMs)
    },
    stop: (withinMs) => stop(withinMs),
    reloaded: () => reloaded(),
  })
  process.on('SIGHUP', () => line.reload())
  try {
    const lock = lockInstance(places.lock)
    const kept = await readApplied(realDisk(), places.data)
    for (const directory of [places.cells, places.sockets]) await mkdir(directory, { recursive: true, mode: 0o700 })
    const store = await openStore(kept.config, places, clock)
    store.onLost(failStop)
    store.onFull(logFull)
    const epoch = await openHost(store, clock)
    await recover({ store, clock, proc: realProc(), disk: realDisk(), owner, epoch, sockets: places.sockets })
    const applied = await startVersion({ store, clock, disk: realDisk(), dataDirectory: places.data }, kept)
    const rooms = await openRooms({ applied, places, store, epoch, here: machine() })
    const door = await startDoor(places, rooms, {
      epoch,
      shutdown: (withinMs, actor) => {
        logLine('info', `${actor} asked for the end within ${withinMs} ms`)
        line.down(withinMs)
        stop(withinMs)
      },
      // The watch starts again whatever ends without its order.
      restart: (actor) => {
        logLine('info', `${actor} applied a configuration: beginning anew with it`)
        stop(drainMs)
      },
    })
    reloaded = openReload(places.reload, { disk: realDisk(), versions: rooms.live.versions }, reloadTold)
    rooms.settle.start()
    if (rooms.gatelink.gateId !== null) rooms.settle.linked(rooms.gatelink.gateId)
    rooms.work.start()
    const deposed = (detail: string): never => failStop(new Error(detail))
    const endProgress = openProgress({ store, clock, owner, epoch, proven: line.progress, deposed })
    let stopping = false
    stop = (withinMs) => {
      if (stopping) return
      stopping = true
      endProgress()
      close(rooms, door, store, withinMs).then(() => {
        lock.release()
        ended.resolve(0)
      }, failStop)
    }
    process.on('SIGTERM', () => stop(drainMs))
    process.on('SIGINT', () => {
      /* Ctrl-C reaches the whole group; the watch stops us in order */
    })
    line.ready({ url: door.url, loginUrl: door.loginUrl, epoch })
    logLine('info', 'sitter ready', { url: door.url, epoch, pid: process.pid, directory: dirname(places.record) })
  } catch (error) {
    logFault(error)
    await line.failed(error)
    return 1
  }
  const code = await ended.promise
  await line.stop()
  return code
}

/**
 * Top-down: no new work, running attempts end or are given back, money's waiting stops, the link and the doors close,
 * the record last.
 */
const close = async (rooms: Rooms, door: HttpDoor, store: Store, withinMs: number): Promise<void> => {
  logLine('info', 'stopping: no new work')
  rooms.alerts.stop()
  await rooms.work.stop()
  if (store.fullSinceMs !== null) {
    logLine('warn', 'the disk is full: ending as it is, the next sitter recovers what could not be written')
    return door.stop()
  }
  await rooms.fleet.stop(withinMs)
  await rooms.cells.close()
  await rooms.settle.stop()
  rooms.freeze.stop()
  await rooms.gatelink.stop()
  await door.stop()
  await store.close()
  logLine('info', 'stopped')
}
