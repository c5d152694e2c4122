/**
 * The gate's process: vault, limits and gateway opened bottom-up over gate.db, closed top-down. The only process that
 * ever holds a secret. It ends when the watch's private line closes or by SIGTERM: it takes on nothing new, and
 * finishes what is in flight.
 */
import { readFileSync, writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { readApplied } from './config/config.ts'
import {
  openGateway,
  openTokenCalls,
  secretEnd,
  secretFault,
  type Gateway,
  type Log,
  type OpenDoor,
  type Rules,
} from './gateway/gateway.ts'
import { openHands, type Hands } from './gate-hands.ts'
import { userNow } from './gate-user.ts'
import { startHeir } from './heir.ts'
import { placesOf } from './places.ts'
import { openPrivateLine, type PrivateLine } from './private-line.ts'
import { keptClock, realDisk, realNet, realRandom, refuseDumps } from './std/real/real.ts'
import {
  asFailure,
  every,
  Failure,
  idMaker,
  type Clock,
  type Disk,
  type Net,
  type Random,
  type Service,
} from './std/std.ts'
import { lockGate, openGateBook, type GateBook } from './store/store.ts'
import {
  grantFault,
  openKeeper,
  openOutside,
  openVault,
  unlockVault,
  type KeyFiles,
  type KeyPlaces,
  type RunCommand,
  type VaultOptions,
} from './vault/vault.ts'
import { openSealed } from './wire/seal.ts'
import type { GateStatus } from './wire/wire.ts'

export { realKeyFiles, runWith } from './gate-outside.ts'

export interface GateOptions {
  /** Absolute path; gate.db is `gate/gate.db` in it, the freeze file `run/FROZEN`. */
  readonly dataDirectory: string
  readonly rules: Rules
  readonly linkSocket: string
  readonly keyPlaces: KeyPlaces
  readonly keyFiles: KeyFiles
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly net: Net
  readonly version: string
  readonly log: Log
  /** Called once when gate.db can no longer be trusted: the process must end and start again. */
  readonly onLost: (cause: Error) => void
  /** Reads the rules of the applied configuration again; the ones above hold for ever without it. */
  readonly readRules?: () => Promise<Rules>
  /** Starts the programs that rotate; none are started without it. */
  readonly run?: RunCommand
  /** Makes the cells' sockets; the gate itself without it. */
  readonly openDoor?: OpenDoor | undefined
  readonly user?: () => GateStatus['user']
  /** Writes the journal of calls in a thread of its own: for a process that is a gate and nothing else. */
  readonly journalBeside?: boolean
}
export interface Gate extends Service {
  status(): GateStatus
}

/** How often sums that nobody looks at any more are dropped. */
const forgetEveryMs = 6 * 3_600_000

/** How long calls in flight may go on when the gate ends. */
const finishMs = 10_000

/** SQLITE_CORRUPT and SQLITE_NOTADB: no start mends it. */
const isBroken = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && [11, 26].includes(Number(error.errcode) & 0xff)

/** @throws Failure `vault-damaged` when gate.db is no database (any more); else what `work` throws. */
const readingBook = async <Value>(path: string, work: () => Promise<Value>): Promise<Value> => {
  try {
    return await work()
  } catch (error) {
    if (!isBroken(error)) throw error
    throw new Failure('vault-damaged', `${path} is damaged: ${asFailure(error).message}; nothing was changed`, {
      cause: error,
      facts: { wayOut: 'restore gate.db and vault.json from one backup' },
    })
  }
}

/** Opens what is sealed on disk: the key, gate.db, and the vault in it. */
type OfNames = Pick<VaultOptions, 'known' | 'checkForm' | 'endOf'>
const openSafe = async (options: GateOptions, names: OfNames) => {
  const { dataDirectory, rules, clock, random, disk, log } = options
  const directory = join(dataDirectory, 'gate')
  await disk.makeDirectory(directory, 0o700)
  const { keyFiles, keyPlaces: places } = options
  const unlocked = await unlockVault({ swarm: rules.name, directory, disk, random, keyFiles, places })
  const source = { swarm: rules.name, files: keyFiles, places }
  const outside = openOutside({
    path: join(places.configHome, 'swarmsitter', 'heads', `${unlocked.vaultId}.json`),
    disk,
    onFault: (why) => log('warn', 'an older copy of gate.db would not be noticed: its head cannot be kept', { why }),
  })
  const lock = await lockGate(join(directory, 'lock.db'), clock)
  const path = join(directory, 'gate.db')
  const opening: { book?: GateBook } = {}
  const { book, vault } = await readingBook(path, async () => {
    const book = openGateBook(path, () => idMaker(clock, random)('gat'))
    opening.book = book
    book.onLost(options.onLost)
    const opened = { unlocked, book, clock, random, openSealed, directory, disk, source, outside }
    return { book, vault: await openVault({ ...opened, ...names }) }
  }).catch(async (error: unknown) => {
    // What was refused is left as it was found, without a journal file beside it.
    await opening.book?.close()
    lock.release()
    throw error
  })
  const beside =
    options.journalBeside === true
      ? book.writeBeside(clock).catch((error: unknown) => {
          log('warn', 'the journal is written by the loop: no thread for it', { why: asFailure(error).message })
        })
      : undefined
  return {
    book,
    vault,
    beside,
    mayBeOlder: outside.wasMissing(),
    close: async (): Promise<void> => {
      await outside.settled()
      await book.close()
      lock.release()
    },
  }
}

const ownSecrets = ({ signing }: Rules['credentials'][string]): readonly string[] =>
  signing?.kind === 'oauth' && signing.oauth.clientSecret !== null ? [signing.oauth.clientSecret] : []

/** Credentials, the members of their pools and the secrets of their clients: what may be set. */
const namesOf = ({ credentials }: Rules): ReadonlySet<string> =>
  new Set(Object.values(credentials).flatMap((one) => [one.name, ...one.pool, ...ownSecrets(one)]))

/** Each credential that a name is a secret of says what is wrong with it. @throws Failure `invalid`. */
const checkForm = ({ credentials }: Rules, name: string, text: string): void => {
  const users = Object.values(credentials).filter((one) => one.name === name || one.pool.includes(name))
  for (const { signing } of users) {
    const isGrant = signing?.kind === 'oauth'
    const found = isGrant ? grantFault(signing.oauth, text) : secretFault(signing ?? { kind: 'bearer' }, text)
    if (found === undefined) continue
    const kind = isGrant ? `oauth, grant ${signing.oauth.grant}` : (signing?.kind ?? 'bearer')
    const why = `${name} is of kind ${kind}: its secret is ${found.form}; ${found.fault}`
    throw new Failure('invalid', `${why}. Nothing was kept: sitter vault set ${name} again`)
  }
}

/** The first end that it has by any of its uses. */
const endOf = ({ credentials }: Rules, name: string, text: string): number | null => {
  const users = Object.values(credentials).filter((one) => one.name === name || one.pool.includes(name))
  const ends = users.map(({ signing }) => secretEnd(signing ?? { kind: 'bearer' }, text)).filter((end) => end !== null)
  return ends.length === 0 ? null : Math.min(...ends)
}

const noPrograms: RunCommand = () => Promise.reject(new Failure('not-allowed', 'this gate starts no programs'))

/** Opens everything; nothing on disk has changed when it fails with `key-missing` or `key-wrong`. */
export const openGate = async (options: GateOptions): Promise<Gate> => {
  const { dataDirectory, rules, clock, random, disk, log } = options
  const now = { rules, names: namesOf(rules) }
  const safe = await openSafe(options, {
    known: (name) => now.names.has(name),
    checkForm: (name, text) => checkForm(now.rules, name, text),
    endOf: (name, text) => endOf(now.rules, name, text),
  })
  const { book, vault } = safe
  const tokens = openTokenCalls(clock)
  // A renewal that is due at once waits for the way out: told that there is none yet it would pause, and calls fail.
  const opened = Promise.withResolvers<Gateway>()
  const keeper = openKeeper({
    vault,
    book,
    clock,
    random,
    log,
    rules: Object.values(rules.credentials),
    fetch: tokens.fetch,
    run: options.run ?? noPrograms,
    recordUse: async (use) => (await opened.promise).recordUse(use),
    ask: async (asking) => (await opened.promise).ask(asking),
  })
  book.forgetSpent(clock.wallMs())
  const stopForgetting = every(clock, forgetEveryMs, () => book.forgetSpent(clock.wallMs()))
  const gateway = await openGateway({
    rules,
    clock,
    random,
    disk,
    net: options.net,
    vault: keeper,
    journal: book,
    journalMayBeOlder: safe.mayBeOlder,
    log,
    gateId: book.gateId,
    version: options.version,
    limits: { saved: book.limits(), saveWith: (rows) => book.saveLimitsWith(rows) },
    spending: book,
    modes: { saved: book.modes(), save: (modes) => book.saveModes(modes) },
    pid: process.pid,
    user: options.user ?? (() => userNow('it is a part of another process')),
    linkSocket: options.linkSocket,
    openDoor: options.openDoor,
    frozenPath: join(dataDirectory, 'run', 'FROZEN'),
    readRules: async () => {
      const next = (await options.readRules?.()) ?? rules
      Object.assign(now, { rules: next, names: namesOf(next) })
      keeper.take(Object.values(next.credentials))
      return next
    },
  })
  opened.resolve(gateway)
  // It has opened its files before this process may no longer.
  await safe.beside
  return {
    status: gateway.status,
    stop: async () => {
      stopForgetting()
      keeper.stop()
      await gateway.stop(finishMs)
      await tokens.close()
      await safe.close()
    },
  }
}

/** NDJSON on stdout, written before the next statement runs: a dying gate's last words count. */
const lineLog =
  (clock: Clock): Log =>
  (level, message, fields = {}) => {
    writeSync(1, `${JSON.stringify({ at: clock.wallMs(), level, room: 'gate', message, ...fields })}\n`)
  }

const readVersion = (): string =>
  (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version

/** Told to end, or left alone by the watch: then whoever brings the swarm up again is started first. */
const waitForEnd = (
  clock: Clock,
  log: Log,
  leaveHeir: (() => Promise<void>) | null,
): { readonly line: PrivateLine; readonly ended: Promise<void> } => {
  const ending = Promise.withResolvers<void>()
  let asked = false
  const end = (isAsked: boolean) => (): void => {
    const heir = isAsked || asked || leaveHeir === null ? Promise.resolve() : leaveHeir()
    asked ||= isAsked
    void heir.catch(() => log('error', 'nobody could be started to bring the swarm up again')).finally(ending.resolve)
  }
  const line = openPrivateLine(clock, { closed: end(false), stop: end(true) })
  // Node would open its inspector for whoever sends it, and an inspector reads secrets.
  process.on('SIGUSR1', () => log('warn', 'SIGUSR1 is ignored: nobody looks into the gate'))
  process.on('SIGTERM', ending.resolve)
  process.on('SIGINT', ending.resolve)
  return { line, ended: ending.promise }
}

/** The process behind `_gate --data-dir D [--link-socket S]`; runs until it is told to end. */
export const runGate = async (argv: readonly string[]): Promise<void> => {
  const { values } = parseArgs({
    args: [...argv],
    options: { 'data-dir': { type: 'string' }, 'link-socket': { type: 'string' }, heir: { type: 'boolean' } },
  })
  const dataDirectory = resolve(values['data-dir'] ?? '.')
  const places = placesOf(dataDirectory, process.env['XDG_RUNTIME_DIR'] ?? tmpdir())
  const clock = keptClock(places.clock)
  const log = lineLog(clock)
  const late: { hands?: Hands } = {}
  const leaveHeir = async (): Promise<void> => late.hands?.heir() ?? startHeir(dataDirectory)
  const { line, ended } = waitForEnd(clock, log, values.heir === true ? leaveHeir : null)
  try {
    const dumps = await refuseDumps()
    if (dumps !== 'none') log('warn', 'a crash of the gate could leave its memory in a core file', { dumps })
    if (values['data-dir'] === undefined) throw new Failure('usage', 'the gate needs --data-dir')
    let applied = await readApplied(realDisk(), dataDirectory)
    const rules = applied.config
    const hands = await openHands({ dataDirectory, swarm: rules.name, clock })
    late.hands = hands
    hands.onGone(() => {
      log('error', "the gate's porter is gone: the gate can open nothing without it")
      process.exit(1)
    })
    const gate = await openGate({
      ...hands,
      journalBeside: true,
      dataDirectory,
      rules,
      clock,
      random: realRandom(),
      net: realNet(),
      version: readVersion(),
      log,
      linkSocket: values['link-socket'] ?? places.gateSocket,
      keyPlaces: {
        credentialsDirectory: process.env['CREDENTIALS_DIRECTORY'] ?? null,
        configHome: process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'),
      },
      readRules: async () => {
        const next = await readApplied(hands.disk, dataDirectory)
        if (next.hash !== applied.hash) log('info', 'another configuration is taken over', { version: next.version })
        applied = next
        return next.config
      },
      onLost: (cause) => {
        log('error', cause.message, { code: asFailure(cause).code })
        process.exit(1)
      },
    })
    // A process that is killed writes no compiled code, and this one may write none as another user.
    flushCompileCache()
    const { uid, hidden, why } = hands.changeUser()
    const upstreams = Object.keys(rules.upstreams).length
    log('info', 'the gate is open', { pid: process.pid, dumps, upstreams, uid, hidden, why })
    line.ready({ pid: process.pid, gateId: gate.status().gateId })
    await ended
    await gate.stop()
    // Root made it, in a folder of root's: closing it could not take the file away.
    const isOurs = values['link-socket'] === undefined
    if (isOurs) await hands.disk.remove(places.gateSocket).catch(() => log('warn', 'its socket was left', {}))
    hands.close()
    log('info', 'the gate is closed')
  } catch (error) {
    const { code, message } = asFailure(error)
    log('error', message, { code })
    if (error instanceof Failure) await line.failed(error)
    process.exitCode = 1
  }
  void line.stop()
  process.exit()
}
