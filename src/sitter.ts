/**
 * The control plane's assembly: opens the rooms bottom-up, closes them top-down. It runs no agent code and holds no
 * plaintext secret; it alone writes the record. When the record can no longer be trusted it exits at once: the watch
 * starts it again and it reads again.
 */
import { chmod, mkdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { flushCompileCache } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { readApplied, startVersion, type AppliedConfig, type SwarmConfig } from './config/config.ts'
import { startHttp, type HttpDoor } from './doors/http/http.ts'
import { startHeir } from './heir.ts'
import { admitAddresses, openReload } from './live-config.ts'
import { notBuilt } from './not-built.ts'
import { placesOf, type Places } from './places.ts'
import { openPrivateLine, type Ended, type PrivateLine } from './private-line.ts'
import { openMirror, openProgress, type Mirror } from './progress.ts'
import { openLoopLag, verifyAudit } from './record/record.ts'
import { recordEnd, recordStopped, recover, type LastLife, type Recovery } from './recovery.ts'
import { failStop, logFault, logFull, logLine, reloadTold } from './sitter-log.ts'
import { machine, openRooms, owner, type Rooms } from './sitter-rooms.ts'
import {
  keptClock,
  makeOwnFolder,
  realClock,
  realDisk,
  realFolder,
  realProc,
  realRandom,
  type KeptClock,
} from './std/real/real.ts'
import { every, Failure, idMaker, type Cancel, type Clock } from './std/std.ts'
import { openPostgresStore, openSqliteStore, patiently, type Store } from './store/store.ts'
import { keepTime } from './timekeeping.ts'
import { lockInstance } from './watch.ts'

const drainMs = 30_000

const version = async (): Promise<string> =>
  (JSON.parse(await readFile(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as { version: string }).version

interface DoorFacts {
  readonly clock: Clock
  readonly epoch: number
  readonly stopping: () => boolean
  readonly shutdown: (withinMs: number, actor: string) => void
  readonly restart: (actor: string) => void
}

const startDoor = async (places: Places, rooms: Rooms, facts: DoorFacts): Promise<HttpDoor> => {
  const { config, versions: configs } = rooms.live
  const { clock } = facts
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
      openFiles: () => realProc().openFiles(process.pid),
      audit: { verify: (anchor) => verifyAudit(rooms.store.read, anchor) },
      stopping: facts.stopping,
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
const openEngine = async (config: SwarmConfig, places: Places, clock: Clock): Promise<Store> => {
  if (config.store !== 'embedded')
    return openPostgresStore({ url: config.store, clock, onNotice: (message) => logLine('warn', message) })
  const store = openSqliteStore(places.record)
  await chmod(places.record, 0o600)
  return store
}
const openStore = async (config: SwarmConfig, places: Places, clock: Clock): Promise<Store> => {
  const store = await openEngine(config, places, clock)
  store.onLost(failStop)
  store.onFull(logFull)
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

/** What `up` was given is not in the record yet: refused, the next start finds it refused again. */
const startConfig = async (
  store: Store,
  clock: Clock,
  { data }: Places,
  kept: AppliedConfig,
): Promise<AppliedConfig> => {
  if (kept.version === null) await admitAddresses(store, kept.config)
  return startVersion({ store, clock, disk: realDisk(), dataDirectory: data }, kept)
}

const aliveEveryMs = 500

/** Gives when the sitter before this one was alive last (wall ms), and leaves the same for the next one. */
const beAlive = async (path: string, clock: Clock): Promise<number> => {
  const before = await stat(path).catch(() => undefined)
  await writeFile(path, '', { mode: 0o600 })
  every(clock, aliveEveryMs, () => {
    const now = new Date(clock.wallMs())
    utimes(path, now, now).catch(() => {
      /* then the next one goes by what the record says */
    })
  })
  return before?.mtimeMs ?? 0
}

/** What the sitter before this one left is put right; gives how it ended. */
const takeOver = async (places: Places, here: Pick<Recovery, 'store' | 'clock' | 'epoch'>): Promise<LastLife> => {
  const aliveMs = await beAlive(places.alive, here.clock)
  return recover({ ...places, ...here, aliveMs, proc: realProc(), disk: realDisk(), owner })
}

const deposed = (detail: string): never => failStop(new Error(detail))

/** One sitter. */
interface Life {
  readonly store: Store
  readonly clock: KeptClock
  readonly epoch: number
}

/** What goes on beside the rooms for as long as it works: its proof of that, and the care for its clock. */
const tend = (ask: Life & Pick<PrivateLine, 'idle' | 'ending'> & Pick<Mirror, 'proven'>): Cancel => {
  const ends = [openProgress({ ...ask, owner, deposed }), keepTime({ ...ask, failed: logFault })]
  return () => {
    for (const end of ends) end()
    ask.ending()
  }
}

/** The last words of a sitter that lives and makes no progress. Its loop turns: what it waits for is no stack. */
const account = (): void => {
  const waitsFor: Record<string, number> = {}
  for (const what of process.getActiveResourcesInfo()) waitsFor[what] = (waitsFor[what] ?? 0) + 1
  logLine('error', 'no progress, and the watch ends this sitter for it', { waitsFor, memory: process.memoryUsage() })
}

const ignored = (): void => {
  /* Ctrl-C reaches the whole group; the watch stops us in order */
}

const readArguments = (
  argv: readonly string[],
): { readonly data: string; readonly heir: boolean; readonly places: Places } => {
  const options = { 'data-dir': { type: 'string' }, heir: { type: 'boolean' } } as const
  const { values } = parseArgs({ args: [...argv], options })
  if (values['data-dir'] === undefined) throw new Failure('usage', 'the sitter needs --data-dir')
  const data = resolve(values['data-dir'])
  return { data, heir: values.heir === true, places: placesOf(data, process.env['XDG_RUNTIME_DIR'] ?? tmpdir()) }
}

const watchGone = (data: string, bringsAnother: boolean): void => {
  if (bringsAnother) startHeir(data)
  logLine('warn', `the watch is gone: stopping in order${bringsAnother ? ', and another one is started' : ''}`)
}

const makeFolders = async ({ cells, sockets, data }: Places): Promise<void> => {
  await mkdir(cells, { recursive: true, mode: 0o700 })
  await makeOwnFolder(sockets, data)
}

/** The process behind `_sitter --data-dir D`; runs until it is told to stop and resolves with the exit code. */
export const runSitter = async (argv: readonly string[]): Promise<number> => {
  const { data, heir, places } = readArguments(argv)
  const clock = keptClock(places.clock)
  const over = Promise.withResolvers<number>()
  // Until the rooms are open there is nothing to close, and nothing to apply.
  let stop: (withinMs: number) => void = () => over.resolve(0)
  let stopping = false
  let reloaded = (): void => {}
  let ended = (_what: Ended): void => {}
  const line = openPrivateLine(clock, {
    closed: () => (watchGone(data, heir && !stopping), stop(drainMs)),
    stop: (withinMs) => stop(withinMs),
    reloaded: () => reloaded(),
    ended: (what) => ended(what),
    account,
  })
  process.on('SIGHUP', () => line.reload())
  try {
    const lock = lockInstance(places.lock)
    const kept = await readApplied(realDisk(), places.data)
    await makeFolders(places)
    const store = await openStore(kept.config, places, clock)
    ended = (what) => void recordEnd(store, clock, what).catch(logFault)
    const epoch = await openHost(store, clock)
    const lastLife = await takeOver(places, { store, clock, epoch })
    const applied = await startConfig(store, clock, places, kept)
    const mirror = openMirror(clock, line.progress)
    const rooms = await openRooms({ applied, places, store, epoch, lastLife, here: machine(clock), ...mirror })
    const door = await startDoor(places, rooms, {
      clock,
      epoch,
      stopping: () => stopping,
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
    // Somebody answers before anything of the agents' is started.
    await rooms.fleet.start()
    reloaded = openReload(places.reload, { disk: realDisk(), versions: rooms.live.versions }, reloadTold)
    rooms.settle.start()
    if (rooms.gatelink.gateId !== null) rooms.settle.linked(rooms.gatelink.gateId)
    rooms.work.start()
    const endTending = tend({ store, clock, epoch, ...mirror, idle: line.idle, ending: line.ending })
    stop = (withinMs) => {
      if (stopping) return
      stopping = true
      endTending()
      close(rooms, door, { store, clock, epoch }, withinMs).then(() => {
        lock.release()
        over.resolve(0)
      }, failStop)
    }
    process.on('SIGTERM', () => stop(drainMs))
    process.on('SIGINT', ignored)
    line.ready({ url: door.url, loginUrl: door.loginUrl, epoch })
    // A process that is killed writes no compiled code.
    flushCompileCache()
    logLine('info', 'sitter ready', { url: door.url, epoch, pid: process.pid, directory: dirname(places.record) })
  } catch (error) {
    logFault(error)
    await line.failed(error)
    return 1
  }
  const code = await over.promise
  await line.stop()
  return code
}

/** Each step of the end after the agents' has so long; one that hangs must not cost those behind it. */
const stepMs = 5_000

const inTime = async (what: string, deed: Promise<unknown>): Promise<void> => {
  const over = Promise.withResolvers<'late'>()
  const cancel = realClock().timer(stepMs, () => over.resolve('late'))
  const how = await Promise.race([deed, over.promise])
  cancel()
  if (how === 'late') logLine('warn', `${what} did not end within ${stepMs} ms: the end goes on without it`)
}

/**
 * Top-down: no new work, running attempts end or are given back, money's waiting stops, the link and the doors close,
 * the record last. What has been given a time keeps it: the whole is over before the watch loses patience.
 */
const close = async (rooms: Rooms, door: HttpDoor, life: Life, withinMs: number): Promise<void> => {
  const { store, clock, epoch } = life
  logLine('info', 'stopping: no new work')
  rooms.renewals.stop()
  rooms.spending.stop()
  rooms.early.stop()
  rooms.alerts.stop()
  rooms.modes.stop()
  await rooms.work.stop()
  if (store.fullSinceMs !== null) {
    logLine('warn', 'the disk is full: ending as it is, the next sitter recovers what could not be written')
    return door.stop()
  }
  await rooms.fleet.stop(withinMs)
  await inTime('the cells', rooms.cells.close())
  await rooms.settle.stop()
  rooms.freeze.stop()
  // What the gate was not answered it tells the next sitter again.
  await inTime('the link to the gate', rooms.gatelink.stop())
  await inTime('the API', door.stop())
  await inTime('its last word in the record', recordStopped(store, clock, epoch).catch(logFault))
  // The last list is flushed here: without it nothing may be called stopped.
  await store.close()
  logLine('info', 'stopped')
}
