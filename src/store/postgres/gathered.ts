/**
 * The hot commands of many lists in one statement each: submissions (with the claim of their tasks), one statement for
 * each agent type, and ends of attempts that succeeded. Each statement decides on the server what it can take; a list
 * that it cannot take is left whole, nothing of it is written, and it goes the general way (turn.ts). So the statements
 * are sent together with the COMMIT, before any answer is back. Audit entries that come with submissions, which is how
 * people and agents submit, are one statement too; then a list that cannot be taken undoes the turn, for the chain
 * cannot do without its entry.
 *
 * Gathered is only what does not depend on its place among the others: tasks that wait for nothing, with keys that no
 * other list of the turn has, and successes of different attempts. Whether a task may take an agent at once depends on
 * the lists before it: that is decided here.
 */
import { attemptId, parseAttemptId } from '../../model/model.ts'
import type { Command } from '../commands/commands.ts'
import type { Result } from '../commands/result.ts'
import type { AuditAppend } from '../commands/record.ts'
import type { AttemptsFinish, Claimed, Finish, Finished, NewTask, Slot, TasksSubmit } from '../commands/work.ts'
import { endsSql, keyedSubmissionsSql, submissionsSql } from './gathered-sql.ts'
import { chainEntries, insertChain } from './record.ts'
import { done, numbers, texts, type Session } from './session.ts'

type Submission = TasksSubmit['with']

interface Asked {
  readonly task: NewTask
  readonly slot: Slot | undefined
  readonly list: number
  readonly wallMs: number
}

/** Submissions of one agent type. */
interface Queue {
  readonly asked: Asked[]
  keyed: boolean
  /** Something else was asked together with one of these lists. */
  whole: boolean
  claims: boolean
  /** A list before has left a task ready: it goes first. */
  waits: boolean
}

interface End {
  readonly finish: Finish
  readonly task: string
  readonly fence: number
  readonly list: number
  readonly wallMs: number
}

export interface Incarnated {
  readonly owner: string
  readonly epoch: number
}

type Results = (Result<unknown>[] | undefined)[]

const mayBeGathered = ({ tasks, claim, owner, epoch }: Submission, ours: Incarnated): boolean => {
  const agentType = tasks[0]?.agentType
  if (claim.length > 0 && (claim.length < tasks.length || owner !== ours.owner || epoch !== ours.epoch)) return false
  return tasks.every((task) => task.after.length === 0 && task.notBeforeMs === null && task.agentType === agentType)
}

const isPlainSuccess = ({ event, outcome, counts, deadly }: Finish): boolean =>
  event.event === 'succeed' && outcome === 'succeeded' && counts && !deadly

const nothingReadied: readonly string[] = []

/** Results of each list, undefined for one that was left. */
export type Landed = readonly (readonly Result<unknown>[] | undefined)[]

/** Lists of one turn that can go together. */
export class Gathering {
  readonly #ours: Incarnated
  readonly #queues = new Map<string, Queue>()
  readonly #ends: End[] = []
  /** Keys of tasks, and tasks that end. */
  readonly #named = new Set<string>()
  readonly #entries: { readonly list: number; readonly asked: AuditAppend['with'] }[] = []
  #size = 0

  constructor(ours: Incarnated) {
    this.#ours = ours
  }

  /** Number of lists. */
  get size(): number {
    return this.#size
  }

  /** Moves the chain's head: nothing else may be under way with it. */
  get moves(): boolean {
    return this.#entries.length > 0
  }

  /** Takes a list in, if it is one that can be gathered. */
  take(commands: readonly Command[]): boolean {
    const [command, second] = commands
    if (command === undefined || commands.length > 2) return false
    if (second !== undefined && (second.kind !== 'audit.append' || command.kind !== 'tasks.submit')) return false
    const taken =
      command.kind === 'tasks.submit'
        ? this.#submit(command.with, second !== undefined)
        : command.kind === 'attempts.finish' && this.#finish(command.with)
    if (!taken) return false
    if (second !== undefined) this.#entries.push({ list: this.#size, asked: second.with })
    this.#size += 1
    return true
  }

  #queue(agentType: string): Queue {
    let queue = this.#queues.get(agentType)
    if (queue === undefined)
      this.#queues.set(agentType, (queue = { asked: [], keyed: false, whole: false, claims: false, waits: false }))
    return queue
  }

  #submit(asked: Submission, whole: boolean): boolean {
    const { tasks, claim, wallMs } = asked
    const [first] = tasks
    if (first === undefined || !mayBeGathered(asked, this.#ours)) return false
    const keys = tasks.flatMap(({ type, key }) => (key === null ? [] : [`${type}\n${key}`]))
    if (new Set(keys).size < keys.length || keys.some((key) => this.#named.has(key))) return false
    for (const key of keys) this.#named.add(key)
    const queue = this.#queue(first.agentType)
    const claims = claim.length > 0 && !queue.waits
    if (claims) queue.claims = true
    else queue.waits = true
    if (keys.length > 0) queue.keyed = true
    if (whole) queue.whole = true
    for (const [at, task] of tasks.entries())
      queue.asked.push({ task, slot: claims ? claim[at] : undefined, list: this.#size, wallMs })
    return true
  }

  #finish({ finishes, wallMs }: AttemptsFinish['with']): boolean {
    const [finish] = finishes
    if (finish === undefined || finishes.length > 1 || !isPlainSuccess(finish)) return false
    const at = parseAttemptId(finish.attempt)
    // The second end of a task is told what the first one has come to.
    if (at === undefined || this.#named.has(at.task)) return false
    this.#named.add(at.task)
    this.#ends.push({ finish, ...at, list: this.#size, wallMs })
    return true
  }

  /** Sends the statements at once; gives the results of each list, undefined for one that was left. */
  async run(session: Session): Promise<Landed> {
    const results: Results = Array.from({ length: this.#size }, () => undefined)
    const queues = [...this.#queues].map(([agentType, queue]) => this.#runQueue(session, agentType, queue))
    const chained = this.#entries.map(({ list, asked }) => {
      const rows = chainEntries(session, asked)
      return { list, rows, lastSeq: session.head.seq }
    })
    const rows = chained.flatMap((one) => one.rows)
    const [written] = await Promise.all([
      Promise.all(queues),
      runEnds(session, this.#ends, results),
      rows.length > 0 ? insertChain(session, rows) : undefined,
    ])
    for (const asked of written) tellSubmissions(asked, results)
    for (const { list, lastSeq } of chained) results[list]?.push(done({ lastSeq }))
    return results
  }

  /** Gives what was written, with the slots that were taken. */
  async #runQueue(
    session: Session,
    agentType: string,
    { asked, keyed, whole, claims }: Queue,
  ): Promise<readonly Asked[]> {
    const { owner, epoch } = this.#ours
    const row = await session.one<{ running: number; known: number[] | null }>(
      keyed ? keyedSubmissionsSql : submissionsSql,
      owner,
      epoch,
      agentType,
      texts(asked, ({ task }) => task.id),
      texts(asked, ({ task }) => task.type),
      texts(asked, ({ task }) => task.payload),
      numbers(asked, ({ task }) => task.priority),
      numbers(asked, ({ task }) => task.maxAttempts),
      numbers(asked, ({ task }) => task.deadlineMs),
      texts(asked, ({ task }) => task.batch),
      texts(asked, ({ task }) => task.onFailed),
      numbers(asked, ({ wallMs }) => wallMs),
      texts(asked, ({ slot }) => slot?.agent ?? null),
      numbers(asked, ({ slot }) => slot?.agentEpoch ?? null),
      texts(asked, ({ slot }) => slot?.cell ?? null),
      ...(keyed
        ? [
            texts(asked, ({ task }) => task.key),
            texts(asked, ({ task }) => task.payloadHash),
            numbers(asked, ({ list }) => list),
            whole,
          ]
        : []),
    )
    const known = new Set(row!.known)
    const written = known.size === 0 ? asked : asked.filter(({ list }) => !known.has(list))
    return claims && row!.running === 0 ? written.map((one) => ({ ...one, slot: undefined })) : written
  }
}

const claimedOf = (task: NewTask, { agent, cell }: Slot): Claimed => {
  const { id, type, key, payload, deadlineMs, batch } = task
  const attempt = attemptId(id, 1)
  return { task: id, type, key, payload, agent, cell, attempt, number: 1, fence: 1, deaths: 0, deadlineMs, batch }
}

/** Tasks of one list stand one after the other. */
const tellSubmissions = (asked: readonly Asked[], results: Results): void => {
  let list = -1
  let submitted: { id: string; outcome: 'created' }[] = []
  let claimed: Claimed[] = []
  for (const { task, slot, list: of } of asked) {
    if (of !== list) {
      list = of
      submitted = []
      claimed = []
      results[list] = [done({ submitted, claimed })]
    }
    submitted.push({ id: task.id, outcome: 'created' })
    if (slot !== undefined) claimed.push(claimedOf(task, slot))
  }
}

const runEnds = async (session: Session, ends: readonly End[], results: Results): Promise<void> => {
  if (ends.length === 0) return
  const row = await session.one<{ ended: number[] | null }>(
    endsSql,
    texts(ends, ({ task }) => task),
    numbers(ends, ({ fence }) => fence),
    texts(ends, ({ finish }) => finish.result),
    numbers(ends, ({ wallMs }) => wallMs),
  )
  for (const at of row!.ended ?? []) {
    const { finish, task, list } = ends[at - 1]!
    const finished: Finished = { attempt: finish.attempt, task, outcome: 'done', readied: nothingReadied }
    results[list] = [done([finished])]
  }
}
