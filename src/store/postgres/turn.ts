/**
 * One turn: all lists that wait, in one transaction. Each list is atomic, and the refusal of one never undoes another.
 *
 * First the whole turn is sent in a pipeline, without savepoints: statements are on the wire before the answers to
 * those before them are back, so that a turn costs a few journeys and not one for each statement. If everything was
 * taken, it is committed. If anything was refused or failed, the transaction is rolled back and the turn runs again
 * carefully, each list in a savepoint of its own, one command after the other.
 */
import { Failure } from '../../std/std.ts'
import type { Command } from '../commands/commands.ts'
import type { Result } from '../commands/result.ts'
import { execute, isSwift } from './executors.ts'
import type { Gathering, Landed } from './gathered.ts'
import { isLinkLoss, sqlStateOf, type Link } from './link.ts'
import { refuse, type ChainHead, type Session } from './session.ts'
import { writeTallies } from './tallies.ts'
import type { Statement } from './whole.ts'

export type List = readonly Command[]
/** Results of a list, or what a statement of it threw: then nothing of it was written. */
export type Ran = { readonly results: readonly Result<unknown>[] } | { readonly thrown: Error }

/** The incarnation that this writer is; what it writes is refused once there is a newer one. */
export interface Incarnation {
  readonly owner: string
  readonly epoch: number
}

/** The outcome of a COMMIT is not known: it was sent, and no answer came, or another than ours. */
export class CommitUnknown extends Error {}

export interface Writing {
  readonly link: Link
  readonly session: Session
  readonly incarnation: Incarnation | undefined
}

/** Sends a statement and does not wait: when it fails, so does the one after it, which somebody waits for. */
const send = (link: Link, sql: string): void => {
  link.ask(sql, [], false).catch(() => undefined)
}

interface Guard {
  seq: number | null
  hash: string | null
  epoch: number | null
}

/** Locks the chain's head and our incarnation for this transaction, and tells what they are. */
const guardSql = `
SELECT a.seq, a.hash, h.epoch FROM (SELECT 1) AS here
LEFT JOIN LATERAL (SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1 FOR UPDATE) AS a ON true
LEFT JOIN LATERAL (SELECT epoch FROM hosts WHERE owner = $1 FOR SHARE) AS h ON true`

/** The same as one statement that fails where `begin` refuses: what is sent behind it is then not taken either. */
const guardHoldsSql = `
SELECT 1 / (COALESCE(seq, 0) = $2 AND COALESCE(hash, $3) = $3 AND epoch = $4 IS TRUE)::int FROM (${guardSql}) AS found`

/** Begins; what is given resolves when the record is as this writer left it. @throws Failure `stale` when it is not. */
const begin = ({ link, session, incarnation }: Writing): Promise<void> => {
  const head = session.head
  session.tallies.rewind(0)
  send(link, 'BEGIN')
  const guarded = session.one<Guard>(guardSql, incarnation?.owner ?? '').then((found) => {
    if ((found?.seq ?? 0) !== head.seq || (found?.hash ?? head.hash) !== head.hash) {
      throw new Failure(
        'stale',
        `audit entry ${found?.seq ?? 0} was not written by this sitter: another one wrote here`,
      )
    }
    if (incarnation && found?.epoch !== incarnation.epoch) {
      throw new Failure(
        'stale',
        `epoch ${incarnation.epoch} of ${incarnation.owner} is not the newest: a newer sitter writes`,
      )
    }
  })
  guarded.catch(() => undefined)
  return guarded
}

/** Codes that leave open what became of a transaction: the session or the server ended, or its files failed. */
const leavesOpen = /^(08|57P|25P|58|XX)/

/**
 * Whether a turn with its commit that ended in this error has written nothing. Only the server's word for it means
 * that, and only from a session that lives on: a full disk (53100) refuses a statement, or ends the server while it
 * writes the commit down.
 */
const wasUndone = (link: Link, error: unknown): Promise<boolean> => {
  const state = sqlStateOf(error)
  if (state === undefined || leavesOpen.test(state)) return Promise.resolve(false)
  return link.ask('SELECT 1', [], false).then(
    () => true,
    () => false,
  )
}

/**
 * Runs and commits what was gathered, as one write: what the server cannot take it leaves, and where anything fails
 * nothing is written. Gives the results of each list; undefined for those of which nothing was written. Rejects with
 * CommitUnknown when nobody knows.
 */
export const runGathered = async (
  { link, session, incarnation: { owner, epoch } }: Writing & { readonly incarnation: Incarnation },
  gathering: Gathering,
): Promise<Landed> => {
  const { head } = session
  const nothing: Landed = Array.from({ length: gathering.size }, () => undefined)
  const statements: Statement[] = [{ sql: guardHoldsSql, values: [owner, head.seq, head.hash, epoch] }]
  try {
    statements.push(...gathering.statements(session))
  } catch {
    // Nothing was sent. Which list cannot be made into statements shows when each goes the general way.
    session.head = head
    return nothing
  }
  try {
    const [, ...answers] = await link.whole(statements)
    return gathering.results(answers)
  } catch (error) {
    if (!(await wasUndone(link, error)))
      throw new CommitUnknown('the answer to a turn with its commit was lost', { cause: error })
    if (gathering.moves) session.head = head
    return nothing
  }
}

const commit = async ({ link }: Writing): Promise<void> => {
  let did: string
  try {
    did = (await link.ask('COMMIT', [], false)).did
  } catch (error) {
    throw new CommitUnknown('the answer to a COMMIT was lost', { cause: error })
  }
  if (did !== 'COMMIT') throw new CommitUnknown(`a COMMIT was answered with ${did}`)
}

/** The results of each list when all were taken, else undefined; everything that was sent has been answered then. */
const runSwift = async ({ session }: Writing, lists: readonly List[]): Promise<Result<unknown>[][] | undefined> => {
  const results: Result<unknown>[] = []
  let running: Promise<Result<unknown>>[] = []
  // Each answer is looked at once: a turn of thousands of lists must not cost the square of them.
  const settled = async (): Promise<boolean> => {
    const all = await Promise.allSettled(running)
    running = []
    const lost = all.find((one) => one.status === 'rejected' && isLinkLoss(one.reason))
    if (lost?.status === 'rejected') throw lost.reason
    for (const one of all) if (one.status === 'fulfilled') results.push(one.value)
    return all.every((one) => one.status === 'fulfilled' && one.value.ok)
  }
  for (const command of lists.flat()) {
    if (!isSwift(command) && !(await settled())) return undefined
    running.push(execute(session, command))
    if (!isSwift(command) && !(await settled())) return undefined
  }
  if (!(await settled())) return undefined
  let at = 0
  return lists.map((list) => results.slice(at, (at += list.length)))
}

/** One list in its savepoint: undone when a command is refused or a statement throws. */
const runList = async ({ link, session }: Writing, commands: List): Promise<Ran> => {
  const head = session.head
  const { mark } = session.tallies
  const undo = async (): Promise<void> => {
    session.head = head
    session.tallies.rewind(mark)
    await link.ask('ROLLBACK TO list; RELEASE list', [], false)
  }
  send(link, 'SAVEPOINT list')
  const results: Result<unknown>[] = []
  for (const [index, command] of commands.entries()) {
    let result: Result<unknown>
    try {
      result = await execute(session, command)
    } catch (error) {
      if (isLinkLoss(error)) throw error
      await undo()
      return { thrown: error as Error }
    }
    results.push(result)
    if (result.ok) continue
    await undo()
    const { detail } = result
    return {
      results: commands.map((_, at) =>
        at === index ? result : refuse('rolled-back', `command ${index + 1} of the list was refused: ${detail}`),
      ),
    }
  }
  send(link, 'RELEASE list')
  return { results }
}

const rollBack = async (writing: Writing, head: ChainHead): Promise<void> => {
  writing.session.head = head
  await writing.link.ask('ROLLBACK', [], false)
}

/**
 * Runs and commits the lists. Rejects with CommitUnknown when nobody knows what was written, with Failure `stale` when
 * another sitter writes here, and with the link's error when nothing was written and the turn may be run again.
 */
export const runTurn = async (writing: Writing, lists: readonly List[]): Promise<readonly Ran[]> => {
  const { head } = writing.session
  const guarded = begin(writing)
  const swift = await runSwift(writing, lists)
  if (swift) {
    await guarded
    await writeTallies(writing.session)
    await commit(writing)
    return swift.map((results) => ({ results }))
  }
  await rollBack(writing, head)
  await begin(writing)
  const ran: Ran[] = []
  for (const list of lists) ran.push(await runList(writing, list))
  await writeTallies(writing.session)
  await commit(writing)
  return ran
}
