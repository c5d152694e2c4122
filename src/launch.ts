/**
 * Brings a swarm up from its configuration: checks it whole, prepares the data directory, starts the watch with
 * rehearsal providers, gate and sitter, and hands a rehearsal's own token to the vault. Nothing is changed on disk
 * before the configuration is known to be good.
 */
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { vmModuleFault } from './cell/cell.ts'
import { openDeadman, type Deadman } from './deadman.ts'
import {
  applyConfig,
  loadConfig,
  readApplied,
  refuseBroken,
  tryAgents,
  typesWithNewCode,
  whyNotFresh,
  type LoadedConfig,
  type LoadOptions,
  type SwarmConfig,
  type TrialPorts,
} from './config/config.ts'
import { sealTo } from './gatelink/gatelink.ts'
import { detachedName, heirFlag } from './heir.ts'
import { environmentFor, flagsFor, gateFlags } from './passed-on.ts'
import { placesOf, type Places } from './places.ts'
import type { Reload } from './private-line.ts'
import { logLevels, openLogWriter, type LogWriter } from './record/record.ts'
import {
  keptClock,
  makeOwnFolder,
  realDisk,
  realFolder,
  realNotify,
  realOutside,
  realProc,
  realRandom,
  type KeptClock,
} from './std/real/real.ts'
import { asFailure, Failure, sleep, type Clock, type Disk } from './std/std.ts'
import { lockInstance, startWatch, type Program, type Watch, type WatchLine, type WatchOptions } from './watch.ts'
import { openWatchNote, type WatchNotes } from './watch-note.ts'
import { tellService, type Told } from './watch-service.ts'

export interface LaunchAsk {
  /** Null = what was applied last; nothing is evaluated then. */
  readonly configFile: string | null
  readonly dataDirectory: string
  readonly fresh: boolean
}
export interface Launched {
  readonly apiUrl: string
  readonly loginUrl: string
  readonly token: string
  onEvent(listener: (line: WatchLine) => void): void
  /** Reads the file again and has the sitter apply it; what is wrong with it is told in events. */
  reload(): void
  stop(withinMs: number): Promise<void>
  readonly failed: Promise<Error>
  readonly stopped: Promise<void>
}

/** Throws away everything, if nobody runs on it and no real provider was ever paid from it. */
const beginAnew = async (config: SwarmConfig, places: Places): Promise<void> => {
  const why = whyNotFresh(config)
  if (why !== undefined) throw new Failure('fresh-refused', why)
  if (existsSync(places.watchLock)) lockInstance(places.watchLock).release()
  await rm(places.data, { recursive: true, force: true })
}

const prepare = async (places: Places, clock: KeptClock): Promise<string> => {
  const { data, run, sockets, logs, cells, rehearsal, code } = places
  for (const directory of [data, run, logs, cells, rehearsal, code, join(data, 'cache')]) {
    await mkdir(directory, { recursive: true, mode: 0o700 })
  }
  await makeOwnFolder(sockets, data)
  clock.keep()
  if (existsSync(places.token)) return (await readFile(places.token, 'utf8')).trim()
  const token = `swt_${Buffer.from(realRandom().bytes(32)).toString('base64url')}`
  await writeFile(places.token, `${token}\n`, { mode: 0o600, flag: 'wx' })
  return token
}

const programsOf = (config: SwarmConfig, places: Places): Program[] => {
  // Compiled code is half the time of who comes back after a kill.
  const env = environmentFor({ NODE_COMPILE_CACHE: places.code, ...process.env })
  // A service manager starts the watch again itself.
  const isServed = process.env['INVOCATION_ID'] !== undefined || realNotify() !== null
  const heirs = process.env[detachedName] === '1' && !isServed ? [heirFlag] : []
  const program = (name: string, readyWithinMs: number): Program => ({
    name,
    command: process.execPath,
    args: [
      ...flagsFor(process.execArgv).kept,
      ...(name === 'gate' ? gateFlags : []),
      join(import.meta.dirname, `main${extname(import.meta.filename)}`),
      `_${name}`,
      '--data-dir',
      places.data,
      ...(name === 'rehearsal' ? [] : heirs),
    ],
    env,
    readyWithinMs,
    silentAfterMs: 15_000,
    // The gate proves nothing by itself: whether it answers is what the sitter sees of it.
    ...(name === 'sitter' ? { idleAfterMs: 60_000 } : {}),
  })
  const rehearsals = Object.keys(config.rehearsals).length > 0 ? [program('rehearsal', 15_000)] : []
  return [...rehearsals, program('gate', 20_000), program('sitter', 60_000)]
}

const api = async (url: string, token: string, path: string, body?: unknown): Promise<unknown> => {
  const answer = await fetch(`${url}/api/v1/${path}`, {
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  })
  const value = (await answer.json()) as { detail?: string }
  if (!answer.ok) {
    const facts = { passing: answer.status >= 500 || answer.status === 429 }
    throw new Failure('credential-unavailable', `${path}: ${value.detail ?? answer.status}`, { facts })
  }
  return value
}

interface VaultAnswer {
  readonly sealingKey: string
  readonly credentials: readonly { readonly name: string; readonly state: string }[]
}

/** A sitter that dies meanwhile is started again by the watch, and answers within seconds; a minute is no restart. */
const comesBackWithinMs = 60_000
const askAgainMs = 250

/** Asks again while nobody answers. What it asks must do no harm a second time. */
const whileItComesBack = async <Value>(clock: Clock, ask: () => Promise<Value>): Promise<Value> => {
  const begunMs = clock.monoMs()
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      const told = error instanceof Failure && error.facts['passing'] === true
      const silent = error instanceof TypeError || (error as Error).name === 'TimeoutError'
      if (!(told || silent) || clock.monoMs() - begunMs > comesBackWithinMs) throw error
      await sleep(clock, askAgainMs)
    }
  }
}

/** A rehearsal issues its own token; it goes to the vault by the same door as any secret, once. */
const issueRehearsalTokens = async (
  config: SwarmConfig,
  places: Places,
  watch: Watch,
  token: string,
): Promise<readonly string[]> => {
  const wanted = Object.values(config.rehearsals).filter((one) => one.credential !== null)
  if (wanted.length === 0) return []
  const url = watch.facts('sitter')['url'] as string
  const vault = (await api(url, token, 'credentials')) as VaultAnswer
  const issued: string[] = []
  for (const { name, kind, credential } of wanted) {
    const member = config.credentials[credential!]?.pool[0] ?? credential!
    if (vault.credentials.some((one) => one.name === member && one.state === 'active')) continue
    const kept = (await readFile(join(places.rehearsal, name, 'token'), 'utf8')).trim()
    // Its client signs: the secret has a key's name before it.
    const secret = kind === 'exchange' ? `rehearsal:${kept}` : kept
    await api(url, token, 'credentials', { name: member, sealed: sealTo(vault.sealingKey, secret) })
    issued.push(member)
  }
  return issued
}

/** Places of a data directory on this machine; every program finds the same ones, for it gets the same environment. */
const machinePlaces = (dataDirectory: string): Places =>
  placesOf(dataDirectory, process.env['XDG_RUNTIME_DIR'] ?? tmpdir())

/** The watch, whose log is whole on disk when it has stopped, or could not start, and whose service manager is told. */
const startLogged = async (
  log: LogWriter,
  service: Told,
  { note, ...options }: WatchOptions & { readonly note: WatchNotes },
): Promise<Watch> => {
  const end = (): Promise<unknown> => Promise.all([log.stop(), note.remove()])
  try {
    const watch = await startWatch({ ...options, onChange: (change) => note.changed(change) })
    const stopped = watch.stopped.then(async () => void (await end()))
    const stop = async (withinMs: number): Promise<void> => {
      await Promise.all([service.stopping(), watch.stop(withinMs)])
      await stopped
      service.end()
    }
    return { ...watch, stopped, stop }
  } catch (error) {
    await end()
    throw error
  }
}

/** The file is evaluated here, with the environment of whoever started the swarm. */
const readAgain = async (options: LoadOptions): Promise<Reload> => {
  const { file } = options
  try {
    const { baseDirectory, raw } = await loadConfig(options)
    return { file, candidate: { file, baseDirectory, raw } }
  } catch (error) {
    const { code, message } = asFailure(error)
    return { file, refused: { code, message } }
  }
}

const deadmanOf = ({ alerts }: SwarmConfig, clock: Clock, onEvent: (line: WatchLine) => void): Deadman | undefined => {
  if (alerts.deadman === null) return undefined
  const { host } = new URL(alerts.deadman.url)
  const say = (level: WatchLine['level'], what: string): void =>
    onEvent({ at: clock.wallMs(), level, message: `the dead-man's ping ${what}` })
  return openDeadman({
    ...alerts.deadman,
    clock,
    outside: realOutside(),
    told: (works, detail) =>
      works
        ? say('info', `reaches ${host} again`)
        : say('error', `does not reach ${host}: ${detail}; it will ring there`),
  })
}

/** What ran here last, as far as it can be read. */
const ranBefore = async (disk: Disk, places: Places): Promise<SwarmConfig | undefined> => {
  try {
    return (await readApplied(disk, places.data)).config
  } catch {
    return undefined // nothing did, or another version's: everything is new then
  }
}

/**
 * Nothing is started whose code cannot be loaded; but what ran before goes on without the type that broke meanwhile,
 * for nobody may be there to mend it. Gives what is to be said.
 */
const tryCode = async (source: TrialPorts, loaded: LoadedConfig, places: Places | null): Promise<readonly string[]> => {
  const before = places === null ? undefined : await ranBefore(source.disk, places)
  const trials = await tryAgents(source, Object.values(loaded.config.agents))
  const isNew = new Set(typesWithNewCode(before, loaded.config).map(({ name }) => name))
  refuseBroken(
    trials.filter(({ types }) => types.some((type) => isNew.has(type))),
    loaded.config,
    loaded.file,
  )
  return trials
    .filter(({ outcome }) => outcome !== 'loads')
    .map(({ types, outcome, why, wayOut }) => {
      const what = outcome === 'cannot' ? 'cannot start' : 'could not be tried'
      return `agents of ${types.join(', ')} ${what}: ${why} (way out: ${wayOut})`
    })
}

/** The sitter alone writes the record: it is told what the watch has seen of the others. */
const tellSitter = (watch: Watch | undefined, { ended }: WatchLine): void => {
  if (ended !== undefined && ended.program !== 'sitter') watch?.tell('sitter', `ended ${JSON.stringify(ended)}`)
}

/** What the watch says: to the log, the sitter, and who listens; the first hundred lines also to who comes later. */
const openTelling = (log: LogWriter, clock: Clock, tell: (line: WatchLine) => void) => {
  const listeners = new Set<(line: WatchLine) => void>()
  const early: WatchLine[] = []
  const onEvent = (line: WatchLine): void => {
    log.put({ level: logLevels[line.level], time: line.at, room: 'watch', msg: line.message })
    tell(line)
    if (listeners.size === 0 && early.length < 100) early.push(line)
    for (const listener of listeners) listener(line)
  }
  const say = (level: WatchLine['level'], message: string): void => onEvent({ at: clock.wallMs(), level, message })
  const listen = (listener: (line: WatchLine) => void): void => {
    for (const line of early.splice(0)) listener(line)
    listeners.add(listener)
  }
  return { onEvent, say, listen }
}

const flagsLeft = (): readonly string[] => {
  const { left } = flagsFor(process.execArgv)
  return left.length === 0 ? [] : [`flags of Node that hold for this process alone: ${left.join(' ')}`]
}

const watchWasGone = 'the watch was killed: this is another one, started by what was left of the swarm'

/** @throws Failure `config-…`, `already-running`, `fresh-refused`, `…-taken`, `key-…`: then nothing runs. */
export const launch = async (ask: LaunchAsk): Promise<Launched> => {
  const places = machinePlaces(ask.dataDirectory)
  const [clock, disk, proc] = [keptClock(places.clock), realDisk(), realProc()]
  const inherited = ask.configFile === null ? await readApplied(disk, places.data) : null
  const source = { file: inherited?.file ?? ask.configFile!, disk, proc, clock, checkVm: vmModuleFault }
  const loaded = inherited ?? (await loadConfig(source))
  const warnings = inherited === null ? await tryCode(source, loaded, ask.fresh ? null : places) : [watchWasGone]
  if (ask.fresh) await beginAnew(loaded.config, places)
  if (existsSync(places.watchLock)) lockInstance(places.watchLock).release()
  const token = await prepare(places, clock)
  if (inherited === null) await applyConfig(disk, places.data, loaded)
  // What an older watch was told to read is older than this file.
  await disk.remove(places.reload)
  const log = openLogWriter({ folder: realFolder(places.logs), clock })
  const late: { watch?: Watch; reloading: Promise<void> } = { reloading: Promise.resolve() }
  const { onEvent, say, listen } = openTelling(log, clock, (line) => tellSitter(late.watch, line))
  for (const message of [...warnings, ...(loaded.notLooked ?? []), ...flagsLeft()]) say('warn', message)
  const readOnce = async (): Promise<void> => {
    await disk.writeWhole(places.reload, JSON.stringify(await readAgain(source)), 0o600)
    late.watch?.tell('sitter', 'reloaded')
  }
  const notRead = (error: unknown): void => say('error', `the file was not read again: ${asFailure(error).message}`)
  const reload = (): void => void (late.reloading = late.reloading.then(readOnce).catch(notRead))
  const [deadman, service] = [deadmanOf(loaded.config, clock, onEvent), tellService(realNotify(), { clock, onEvent })]
  const watch = await startLogged(log, service, {
    note: openWatchNote({ disk, path: places.watchNote, clock, proc, pid: process.pid }),
    programs: programsOf(loaded.config, places),
    lockFile: places.watchLock,
    directory: places.data,
    clock,
    proc,
    onLine: (program, stream, text) => log.putPrinted({ program, stream, text, wallMs: clock.wallMs() }),
    onEvent,
    onReload: reload,
    onProgress: () => deadman?.progress(),
  })
  late.watch = watch
  void watch.stopped.then(() => deadman?.stop())
  try {
    const issue = (): Promise<readonly string[]> => issueRehearsalTokens(loaded.config, places, watch, token)
    for (const name of await whileItComesBack(clock, issue)) say('info', `the vault has the rehearsal's token: ${name}`)
  } catch (error) {
    await watch.stop(0)
    throw error
  }
  await service.ready()
  return {
    // A sitter that began anew may listen elsewhere.
    get apiUrl() {
      return watch.facts('sitter')['url'] as string
    },
    get loginUrl() {
      return watch.facts('sitter')['loginUrl'] as string
    },
    token,
    onEvent: listen,
    reload,
    stop: watch.stop,
    failed: watch.failed,
    stopped: watch.stopped,
  }
}
