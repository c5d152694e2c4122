/**
 * The gate: vault, limits and gateway opened bottom-up over gate.db, closed top-down. Its process (gate-process.ts) is
 * the only one that ever holds a secret.
 */
import { join } from 'node:path'
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
import { userNow } from './gate-user.ts'
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
import { lockGate, openGateBook, type GateBook } from './store/gate/gate.ts'
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
  // A renewal that is due at once waits for the way out: told that there is none yet it would pause, and calls fail.
  const opened = Promise.withResolvers<Gateway>()
  const tokens = openTokenCalls(clock, async (host) => (await opened.promise).bannedForMs(host))
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
