/**
 * The control plane's assembly: opens the rooms bottom-up, closes them top-down. It runs no agent code and holds no
 * plaintext secret; it alone writes the record. When the record can no longer be trusted it exits at once: the watch
 * starts it again and it reads again.
 */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { poolCells, sweepCells } from './cell/cell.ts'
import { readApplied, type SwarmConfig } from './config/config.ts'
import { startHttp, type HttpDoor } from './doors/http/http.ts'
import { openFleet, readRequest, type Fleet, type FleetHooks } from './fleet/fleet.ts'
import { openGateLink, type GateLink, type GateLinkEvents } from './gatelink/gatelink.ts'
import { notBuilt } from './not-built.ts'
import { placesOf, type Places } from './places.ts'
import { openPrivateLine } from './private-line.ts'
import { verifyAudit } from './record/record.ts'
import { openSettle, type Settle } from './settle/settle.ts'
import { realClock, realDisk, realNet, realProc, realRandom } from './std/real/real.ts'
import { Failure, idMaker, type Clock } from './std/std.ts'
import { openSqliteStore, type Command, type Store } from './store/store.ts'
import { openWork, type Work } from './work/work.ts'
import { lockInstance } from './watch.ts'

/** With the embedded record one host owns everything; its incarnations are told apart by the epoch. */
const owner = 'local'
/** Exit code of a sitter whose record is lost or refused: the watch starts it again. */
const recordLost = 70
const drainMs = 30_000

const version = async (): Promise<string> =>
  (JSON.parse(await readFile(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as { version: string }).version

const logLine = (level: string, message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
  process.stdout.write(`${JSON.stringify({ at: Date.now(), level, room: 'sitter', message, ...fields })}\n`)
}

/** The record is not to be trusted any more: say why, and end at once without writing another byte. */
const failStop = (error: unknown): never => {
  logLine('error', `fail-stop: ${error instanceof Error ? error.message : String(error)}`, {
    stack: error instanceof Error ? error.stack : undefined,
    cause: error instanceof Error && error.cause instanceof Error ? error.cause.message : undefined,
  })
  return process.exit(recordLost)
}

/** What an older incarnation left: its cells are killed, its attempts interrupted; nobody is charged for it. */
const recover = async (store: Store, epoch: number, clock: Clock): Promise<void> => {
  const left = await store.read.cellsAlive()
  const swept = await sweepCells({ proc: realProc(), disk: realDisk() }, left)
  const wallMs = clock.wallMs()
  const commands: Command[] = swept
    .filter((one) => one.process !== 'still-there')
    .map((one) => ({
      kind: 'cell.ended',
      with: { id: one.id, cause: 'sitter-ended', detail: one.process, wallMs },
    }))
  const [recovered] = await store.transact([{ kind: 'attempts.recover', with: { owner, epoch, wallMs } }, ...commands])
  const interrupted = recovered.ok ? recovered.value.interrupted : 0
  await store.transact([
    {
      kind: 'events.add',
      with: {
        wallMs,
        events: [
          {
            kind: 'sitter.started',
            level: 'info',
            subject: 'sitter',
            message: `sitter epoch ${epoch}: ${left.length} cells swept, ${interrupted} attempts interrupted`,
            facts: {
              epoch,
              cells: left.length,
              interrupted,
              pid: process.pid,
              resisting: swept.filter((one) => one.process === 'still-there').length,
            },
          },
        ],
      },
    },
    {
      kind: 'audit.append',
      with: {
        wallMs,
        entries: [
          { actor: 'sitter', action: 'sitter.started', object: owner, decision: 'done', facts: { epoch, interrupted } },
        ],
      },
    },
  ])
}

interface Rooms {
  readonly store: Store
  readonly gatelink: GateLink
  readonly fleet: Fleet
  readonly work: Work
  readonly settle: Settle
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
  work?: Work
  settle?: Settle
  /** A call may come before the settle room is open; it waits for it and is acknowledged after it. */
  readonly settling: PromiseWithResolvers<Settle>
}

const linkEvents = (late: Late): GateLinkEvents => ({
  linked: (gateId) => late.settle?.linked(gateId),
  lost: () => logLine('warn', 'the link to the gate is down'),
  call: async (call) => (await late.settling.promise).call(call),
})

const fleetHooks = (late: Late): FleetHooks => ({
  free: (agentType) => late.work?.free(agentType),
  lost: (attempts) => {
    late.settle?.forget(attempts.map((one) => one.attempt))
    late.work?.lost(attempts)
  },
  waitsOutside: (attempt) => late.settle?.waitsOutside(attempt) ?? false,
  request: (method, agent, params) => {
    const request = readRequest(method, params)
    return request.method === 'settle'
      ? late.settle!.request(request.params, agent)
      : late.work!.request(request, agent)
  },
})

interface Opening {
  readonly config: SwarmConfig
  readonly places: Places
  readonly store: Store
  readonly epoch: number
  readonly here: Machine
}

const openRooms = async ({ config, places, store, epoch, here }: Opening): Promise<Rooms> => {
  const late: Late = { settling: Promise.withResolvers() }
  const incarnation = { owner, epoch, failed: failStop }
  const socketPath = places.gateSocket
  const gatelink = openGateLink({ ...here, ...incarnation, socketPath, swarm: config.name, events: linkEvents(late) })
  const hooks = fleetHooks(late)
  const fleet = await openFleet({
    ...here,
    ...incarnation,
    store,
    gatelink,
    config,
    hooks,
    cells: poolCells({ ...here, codeCache: join(places.data, 'cache') }),
    directories: { cells: places.cells, sockets: places.sockets },
    onLog: ({ wallMs, level, ...rest }) => {
      process.stdout.write(`${JSON.stringify({ at: wallMs, level, room: 'fleet', ...rest })}\n`)
    },
    onDeposed: (detail) => failStop(new Error(detail)),
  })
  const { tasks, channels } = config
  const { waitsOutside } = hooks
  const work = openWork({ ...here, ...incarnation, tasks, store, fleet, waitsOutside })
  const settle = openSettle({ ...here, ...incarnation, channels, tasks, store, work, gatelink })
  late.work = work
  late.settle = settle
  late.settling.resolve(settle)
  return { store, gatelink, fleet, work, settle }
}

const startDoor = async (
  config: SwarmConfig,
  places: Places,
  rooms: Rooms,
  facts: { epoch: number; shutdown: (withinMs: number, actor: string) => void },
): Promise<HttpDoor> => {
  const clock = realClock()
  const random = realRandom()
  const door = await startHttp(
    {
      ...rooms,
      config,
      name: config.name,
      version: await version(),
      owner,
      epoch: facts.epoch,
      pid: process.pid,
      startedMs: clock.wallMs(),
      clock,
      newId: idMaker(clock, random),
      notBuilt,
      audit: { verify: () => verifyAudit(rooms.store.read) },
      shutdown: facts.shutdown,
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

/** The process behind `_sitter --data-dir D`; runs until it is told to stop and resolves with the exit code. */
export const runSitter = async (argv: readonly string[]): Promise<number> => {
  const { values } = parseArgs({ args: [...argv], options: { 'data-dir': { type: 'string' } } })
  if (values['data-dir'] === undefined) throw new Failure('usage', 'the sitter needs --data-dir')
  const places = placesOf(resolve(values['data-dir']), process.env['XDG_RUNTIME_DIR'] ?? tmpdir())
  const clock = realClock()
  const ended = Promise.withResolvers<number>()
  // Until the rooms are open there is nothing to close.
  let stop: (withinMs: number) => void = () => ended.resolve(0)
  const line = openPrivateLine(clock, {
    closed: () => {
      logLine('warn', 'the watch is gone: stopping in order')
      stop(drainMs)
    },
    stop: (withinMs) => stop(withinMs),
  })
  try {
    const lock = lockInstance(places.lock)
    const { config } = await readApplied(realDisk(), places.data)
    for (const directory of [places.cells, places.sockets]) await mkdir(directory, { recursive: true, mode: 0o700 })
    const store = openSqliteStore(places.record)
    await chmod(places.record, 0o600)
    store.onLost(failStop)
    const [opened] = await store.transact([
      { kind: 'host.open', with: { owner, bootId: clock.stamp().bootId, wallMs: clock.wallMs() } },
    ])
    if (!opened.ok) throw new Error(opened.detail)
    const { epoch } = opened.value
    await recover(store, epoch, clock)
    const rooms = await openRooms({ config, places, store, epoch, here: machine() })
    const door = await startDoor(config, places, rooms, {
      epoch,
      shutdown: (withinMs, actor) => {
        logLine('info', `${actor} asked for the end within ${withinMs} ms`)
        line.down(withinMs)
        stop(withinMs)
      },
    })
    rooms.settle.start()
    if (rooms.gatelink.gateId !== null) rooms.settle.linked(rooms.gatelink.gateId)
    rooms.work.start()
    let stopping = false
    stop = (withinMs) => {
      if (stopping) return
      stopping = true
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
    logLine('error', error instanceof Error ? error.message : String(error), {
      stack: error instanceof Error ? error.stack : undefined,
    })
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
  await rooms.work.stop()
  await rooms.fleet.stop(withinMs)
  await rooms.settle.stop()
  await rooms.gatelink.stop()
  await door.stop()
  await store.close()
  logLine('info', 'stopped')
}
