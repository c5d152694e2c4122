/**
 * The SQLite engine: WAL, one writer, one commit per turn of the event loop, flushed before anybody is answered or
 * told: beside the loop where the disk is slow (flush.ts, decision 0012). Whatever arrives while the loop is busy joins
 * the next commit, and commits that are made while a flush is under way share one.
 *
 * The lists of a turn run one after the other; when one is refused after it has written, the turn is rolled back and
 * runs again with a savepoint for each list, so that a refusal undoes that list alone (two statements saved for every
 * list, and refusals that come before the first write are free). When a statement throws, the turn is rolled back and
 * every list is run again in a commit of its own, so that one caller's bug harms nobody else. When COMMIT itself
 * throws, or a flush fails, nobody knows what is on disk: all callers and readers get `record-unknown` and the engine
 * is dead; the process must stop and read again. A disk that is merely full is no such case (space.ts): nothing was
 * written, writes are refused with `disk-full` until there is room.
 */
import { DatabaseSync } from 'node:sqlite'
import { Failure } from '../../std/std.ts'
import type { Command, CommandKind, CommandOf, ResultsOf, ValueOf } from '../commands/commands.ts'
import type { Result } from '../commands/result.ts'
import type { Queries } from '../queries.ts'
import type { Committed, Store } from '../port.ts'
import { configAdd, requestBegin, requestForget, tokenCreate, tokenRevoke, tokenUsed } from './access.ts'
import { agentsSave, cellEnded, cellStarted, fleetNote, hostBeat, hostOpen } from './fleet.ts'
import {
  incidentAck,
  incidentChange,
  incidentOpen,
  incidentResolve,
  noticeTried,
  silenceEnd,
  silenceSet,
} from './incidents.ts'
import { Flush, usuallyQuickMs } from './flush.ts'
import { migrate } from './migrate.ts'
import { modeClear, modePut } from './modes.ts'
import {
  batchOpen,
  intentClose,
  intentsNone,
  intentWrite,
  ledgerTransfer,
  settlementMove,
  settlementOpen,
  settlementWait,
} from './money.ts'
import { openReads } from './reads.ts'
import { auditAppend, eventsAdd, requestRemember } from './record.ts'
import { openSession, refuse, type ChainHead, type Session } from './session.ts'
import { fullFailure, isFull, isLocked, openSpace, spaceCommands, type Space } from './space.ts'
import { lockFree, lockRenew, lockTake, statePut } from './state.ts'
import { writeTallies } from './tallies.ts'
import { deadDiscard, deadRedrive, taskEdit } from './work-dead.ts'
import { attemptOpen, attemptsFinish, attemptsRecover } from './work-finish.ts'
import { taskMove, tasksDue, tasksExpire, tasksHold, tasksOpen } from './work-move.ts'
import { tasksClaim, tasksSubmit } from './work-submit.ts'

type Executors = {
  readonly [Kind in CommandKind]: (session: Session, asked: CommandOf<Kind>['with']) => Result<ValueOf<CommandOf<Kind>>>
}

const executors: Executors = {
  'host.open': hostOpen,
  'host.beat': hostBeat,
  'cell.started': cellStarted,
  'cell.ended': cellEnded,
  'agents.save': agentsSave,
  'fleet.note': fleetNote,
  'tasks.submit': tasksSubmit,
  'tasks.claim': tasksClaim,
  'attempts.finish': attemptsFinish,
  'attempt.open': attemptOpen,
  'attempts.recover': attemptsRecover,
  'tasks.expire': tasksExpire,
  'tasks.due': tasksDue,
  'tasks.hold': tasksHold,
  'tasks.open': tasksOpen,
  'task.move': taskMove,
  'dead.redrive': deadRedrive,
  'dead.discard': deadDiscard,
  'task.edit': taskEdit,
  'state.put': statePut,
  'lock.take': lockTake,
  'lock.renew': lockRenew,
  'lock.free': lockFree,
  'settlement.open': settlementOpen,
  'settlement.move': settlementMove,
  'settlement.wait': settlementWait,
  'intent.write': intentWrite,
  'intents.none': intentsNone,
  'intent.close': intentClose,
  'ledger.transfer': ledgerTransfer,
  'batch.open': batchOpen,
  'events.add': eventsAdd,
  'audit.append': auditAppend,
  'request.remember': requestRemember,
  'request.begin': requestBegin,
  'request.forget': requestForget,
  'incident.open': incidentOpen,
  'incident.change': incidentChange,
  'incident.resolve': incidentResolve,
  'incident.ack': incidentAck,
  'silence.set': silenceSet,
  'silence.end': silenceEnd,
  'notice.tried': noticeTried,
  'token.create': tokenCreate,
  'token.revoke': tokenRevoke,
  'token.used': tokenUsed,
  'config.add': configAdd,
  'mode.put': modePut,
  'mode.clear': modeClear,
}

const execute = (session: Session, command: Command): Result<unknown> =>
  (executors[command.kind] as (session: Session, asked: unknown) => Result<unknown>)(session, command.with)

interface Waiting {
  readonly commands: readonly Command[]
  readonly resolve: (results: readonly Result<unknown>[]) => void
  readonly reject: (error: Error) => void
}

/**
 * 16 MB (negative: KiB). A commit that has moved pages of an index around looks through every page of the cache
 * (SQLite 3.53 gives such a page the last number there is for a moment, and then cuts off what lies behind the file's
 * end): with 64 MB full that was a tenth of the main thread's time. What falls out of it the kernel still has.
 */
const cacheSize = -16_384

/** Lists that wait for their commit or its flush; at the bound the caller is told `overloaded`. */
const longestQueue = 50_000

const allTold = (commands: readonly Command[], refusedAt: number, refused: Result<unknown>): Result<unknown>[] =>
  commands.map((_, at) =>
    at === refusedAt || refused.ok
      ? refused
      : refuse('rolled-back', `command ${refusedAt + 1} of the list was refused: ${refused.detail}`),
  )

/** A list was refused after it had written: the turn runs again, each list in a savepoint of its own. */
class NeedsCare extends Error {}

/** Results of one list without a savepoint. @throws NeedsCare when it is refused and something has to be undone. */
const runSwiftly = (session: Session, commands: readonly Command[]): readonly Result<unknown>[] => {
  const before = session.writes
  const results: Result<unknown>[] = []
  for (const [index, command] of commands.entries()) {
    const result = execute(session, command)
    results.push(result)
    if (result.ok) continue
    if (session.writes > before) throw new NeedsCare()
    return allTold(commands, index, result)
  }
  return results
}

/** Results of one list; the first refusal rolls the list back, and the others of the list say so. */
const runCarefully = (session: Session, commands: readonly Command[]): readonly Result<unknown>[] => {
  const head = session.head
  const { mark } = session.tallies
  session.run('SAVEPOINT list')
  const results: Result<unknown>[] = []
  for (const [index, command] of commands.entries()) {
    const result = execute(session, command)
    results.push(result)
    if (result.ok) continue
    session.run('ROLLBACK TO list')
    session.run('RELEASE list')
    session.head = head
    session.tallies.rewind(mark)
    session.epochs.clear()
    return allTold(commands, index, result)
  }
  session.run('RELEASE list')
  return results
}

/**
 * Brings what the log holds into the database file: after a flush that failed, pages count as clean that never reached
 * the disk, and another flush of the log would write nothing. On a full disk it stays where it is.
 */
const emptyLog = (database: DatabaseSync): void => {
  try {
    database.exec('PRAGMA wal_checkpoint(PASSIVE)')
  } catch (error) {
    if (!isFull(error)) throw error
  }
}

class SqliteStore implements Store {
  readonly read: Queries
  readonly #database: DatabaseSync
  readonly #session: Session
  readonly #space: Space
  readonly #flush: Flush
  readonly #listeners = new Set<(committed: readonly Committed[]) => void>()
  readonly #lostListeners: ((cause: Error) => void)[] = []
  #waiting: Waiting[] = []
  /** Lists that are committed and not durable yet. */
  #unflushed = 0
  #scheduled = false
  #over: Failure | undefined

  constructor(path: string, quickMs: number) {
    this.#database = new DatabaseSync(path)
    this.#database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000; ' +
        `PRAGMA cache_size = ${cacheSize}`,
    )
    migrate(this.#database)
    this.#session = openSession(this.#database)
    this.#flush = new Flush(path, { quickMs, failed: (cause) => this.#lose(cause, []) })
    // From here on the flush of a commit is ours.
    this.#database.exec('PRAGMA synchronous = NORMAL')
    emptyLog(this.#database)
    this.read = openReads(this.#session, () => this.#durable())
    this.#space = openSpace({ path, probe: (sinceMs, nowMs) => this.#probe(sinceMs, nowMs) })
  }

  transact<const List extends readonly Command[]>(commands: List): Promise<ResultsOf<List>> {
    if (this.#over) return Promise.reject(this.#over)
    if (this.#space.fullSinceMs !== null) return Promise.reject(fullFailure())
    if (this.#waiting.length + this.#unflushed >= longestQueue) {
      return Promise.reject(
        new Failure('overloaded', `${longestQueue} writes wait for the record`, { retryAfterMs: 1_000 }),
      )
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ commands, resolve: resolve as unknown as Waiting['resolve'], reject })
      if (this.#scheduled) return
      this.#scheduled = true
      setImmediate(() => {
        this.#scheduled = false
        this.#turn()
      })
    })
  }

  /** One turn: everything that waits, in one commit. */
  #turn(): void {
    const turn = this.#waiting
    this.#waiting = []
    if (turn.length === 0 || this.#over) return
    const thrown = this.#commit(turn)
    if (thrown === undefined || this.#over) return
    if (isFull(thrown)) return this.#fill(turn, thrown)
    // A statement threw: nothing of the turn was committed. Alone, each list shows whether the fault is its own; a lock
    // that another program holds is nobody's, and each would keep the loop for as long once more.
    for (const [at, one] of turn.entries()) {
      const own = this.#over ? undefined : isLocked(thrown) ? thrown : this.#commit([one])
      if (isFull(own)) return this.#fill(turn.slice(at), own)
      if (own) this.#flush.whenDurable({ done: () => one.reject(own), lost: one.reject })
      else if (this.#over) one.reject(this.#over)
    }
  }

  #fill(lists: readonly Waiting[], cause: unknown): void {
    this.#space.filled()
    const told = fullFailure(cause)
    for (const list of lists) list.reject(told)
  }

  /** The end of a full disk is written with its beginning, which could not be. */
  #probe(sinceMs: number, nowMs: number): boolean {
    const commands = spaceCommands(sinceMs, nowMs)
    const thrown = this.#commit([{ commands, resolve: () => undefined, reject: () => undefined }])
    return thrown === undefined && this.#over === undefined
  }

  /**
   * Runs and commits lists, whose callers are answered when that is durable; gives what was thrown when nothing was
   * written, else undefined.
   */
  #commit(lists: readonly Waiting[]): Error | undefined {
    const head = this.#session.head
    let results: (readonly Result<unknown>[])[]
    try {
      results = this.#run(lists, runSwiftly)
    } catch (error) {
      this.#rollBack(head)
      if (!(error instanceof NeedsCare)) return error as Error
      try {
        results = this.#run(lists, runCarefully)
      } catch (second) {
        this.#rollBack(head)
        return second as Error
      }
    }
    try {
      this.#session.run('COMMIT')
    } catch (error) {
      if (isFull(error)) {
        this.#rollBack(head)
        return error as Error
      }
      this.#lose(error as Error, lists)
      return undefined
    }
    this.#unflushed += lists.length
    this.#flush.committed({
      done: () => {
        this.#unflushed -= lists.length
        for (const [index, list] of lists.entries()) list.resolve(results[index]!)
        this.#tell(lists, results)
      },
      lost: (cause) => {
        for (const list of lists) list.reject(cause)
      },
    })
    return undefined
  }

  /** Resolves when what is committed now is durable; rejects when nobody knows whether it is. */
  #durable(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#flush.whenDurable({ done: resolve, lost: reject })
    })
  }

  /** Everything of a turn but its commit. */
  #run(lists: readonly Waiting[], runOne: typeof runSwiftly): (readonly Result<unknown>[])[] {
    this.#session.tallies.rewind(0)
    this.#session.epochs.clear()
    this.#session.run('BEGIN IMMEDIATE')
    const results = lists.map((list) => runOne(this.#session, list.commands))
    writeTallies(this.#session)
    return results
  }

  /** SQLite has rolled back by itself after some errors (disk full): a second ROLLBACK would hide the first error. */
  #rollBack(head: ChainHead): void {
    this.#session.head = head
    if (this.#database.isTransaction) this.#session.run('ROLLBACK')
  }

  #tell(lists: readonly Waiting[], results: readonly (readonly Result<unknown>[])[]): void {
    if (this.#listeners.size === 0) return
    const committed = lists.flatMap((list, at) =>
      list.commands.flatMap((command, index) => {
        const result = results[at]![index]!
        return result.ok ? [{ command, value: result.value }] : []
      }),
    )
    if (committed.length > 0) for (const listener of this.#listeners) listener(committed)
  }

  #lose(cause: Error, lists: readonly Waiting[]): void {
    this.#over = new Failure(
      'record-unknown',
      'a COMMIT or its flush failed: what is on disk is unknown until the record is read again',
      { cause },
    )
    for (const list of [...lists, ...this.#waiting]) list.reject(this.#over)
    this.#waiting = []
    this.#flush.fail(this.#over)
    for (const listener of this.#lostListeners) listener(cause)
  }

  onCommit(listener: (committed: readonly Committed[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onLost(listener: (cause: Error) => void): void {
    this.#lostListeners.push(listener)
  }

  get load(): number {
    return (this.#waiting.length + this.#unflushed) / longestQueue
  }

  get fullSinceMs(): number | null {
    return this.#space.fullSinceMs
  }

  writable(): Promise<void> {
    return this.#space.writable()
  }

  onFull(listener: (sinceMs: number | null) => void): void {
    this.#space.onFull(listener)
  }

  async close(): Promise<void> {
    if (!this.#over) {
      this.#turn()
      this.#over ??= new Failure('record-closed', 'the record is closed')
    }
    this.#space.close()
    // Who waits for the last commits is answered, or told that nobody knows.
    await this.#durable().catch(() => undefined)
    this.#flush.close()
    if (this.#database.isOpen) this.#database.close()
  }
}

/**
 * Opens (and migrates) the record at `path`. `quickMs`: see flush.ts, for tests. @throws Failure `record-newer` when a
 * newer version wrote it.
 */
export const openSqliteStore = (path: string, { quickMs = usuallyQuickMs } = {}): Store =>
  new SqliteStore(path, quickMs)
