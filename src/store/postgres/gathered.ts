/**
 * The hot commands of many lists in one statement each: submissions (with the claim of their tasks), one statement for
 * each agent type, ends of attempts that succeeded, and claims (gathered-claims.ts). Each statement decides on the
 * server what it can take; a list that it cannot take is left whole, nothing of it is written, and it goes the general
 * way (turn.ts). So the statements are sent together with the COMMIT, before any answer is back. Audit entries that
 * come with submissions, which is how people and agents submit, are one statement too; then a list that cannot be taken
 * undoes the turn, for the chain cannot do without its entry.
 *
 * Gathered is only what does not depend on its place among the others: tasks that wait for nothing, with keys that no
 * other list of the turn has, and successes of different attempts. Whether a task may take an agent at once depends on
 * the lists before it: that is decided here.
 */
import { attemptId, parseAttemptId } from '../../model/model.ts'
import type { Command } from '../commands/commands.ts'
import type { Result } from '../commands/result.ts'
import type { AuditAppend } from '../commands/record.ts'
import type {
  AttemptsFinish,
  Claimed,
  Finish,
  Finished,
  NewTask,
  Slot,
  TasksClaim,
  TasksSubmit,
} from '../commands/work.ts'
import { claimAnswer, claimStatement } from './gathered-claims.ts'
import { endsSql, keyedSubmissionsSql, submissionsSql } from './gathered-sql.ts'
import { chainEntries, chainStatement } from './record.ts'
import { done, numbers, texts, type Session } from './session.ts'
import type { Statement } from './whole.ts'

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
/** Reads the rows of a statement's answer into the results. */
type Tell = (rows: readonly unknown[], results: Results) => void

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
  readonly #claims: { readonly list: number; readonly asked: TasksClaim['with'] }[] = []
  /** Keys of tasks, and tasks that end. */
  readonly #named = new Set<string>()
  readonly #entries: { readonly list: number; readonly asked: AuditAppend['with'] }[] = []
  #tells: readonly Tell[] = []
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
    if (!this.#takeOne(command, second !== undefined)) return false
    if (second !== undefined) this.#entries.push({ list: this.#size, asked: second.with })
    this.#size += 1
    return true
  }

  #takeOne(command: Command, whole: boolean): boolean {
    if (command.kind === 'tasks.submit') return this.#submit(command.with, whole)
    if (command.kind === 'tasks.claim') return this.#claim(command.with)
    return command.kind === 'attempts.finish' && this.#finish(command.with)
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
    const ends: End[] = []
    for (const finish of finishes) {
      const at = isPlainSuccess(finish) ? parseAttemptId(finish.attempt) : undefined
      if (at === undefined) return false
      ends.push({ finish, ...at, list: this.#size, wallMs })
    }
    // The second end of a task is told what the first one has come to.
    const tasks = new Set(ends.map(({ task }) => task))
    if (ends.length === 0 || tasks.size < ends.length || ends.some(({ task }) => this.#named.has(task))) return false
    for (const task of tasks) this.#named.add(task)
    for (const end of ends) this.#ends.push(end)
    return true
  }

  #claim(asked: TasksClaim['with']): boolean {
    const { owner, epoch, slots } = asked
    if (owner !== this.#ours.owner || epoch !== this.#ours.epoch || slots.length === 0) return false
    this.#claims.push({ list: this.#size, asked })
    return true
  }

  /** What is to be sent; moves the chain's head. Answers belong to `results`, in this order. */
  statements(session: Session): readonly Statement[] {
    const asked: { readonly statement: Statement; readonly tell: Tell }[] = []
    if (this.#ends.length > 0) asked.push({ statement: endsStatement(this.#ends), tell: tellEnds(this.#ends) })
    for (const [agentType, queue] of this.#queues)
      asked.push({ statement: this.#queueStatement(agentType, queue), tell: tellQueue(queue) })
    for (const { list, asked: claim } of this.#claims) {
      const tell: Tell = (rows, results) => {
        const answer = claimAnswer(claim, rows)
        if (answer !== undefined) results[list] = [done(answer)]
      }
      asked.push({ statement: claimStatement(claim), tell })
    }
    const chained = this.#entries.map(({ list, asked: entries }) => {
      const rows = chainEntries(session, entries)
      return { list, rows, lastSeq: session.head.seq }
    })
    if (chained.length > 0) {
      const tell: Tell = (_, results) => {
        for (const { list, lastSeq } of chained) results[list]?.push(done({ lastSeq }))
      }
      asked.push({ statement: chainStatement(chained.flatMap(({ rows }) => rows)), tell })
    }
    this.#tells = asked.map(({ tell }) => tell)
    return asked.map(({ statement }) => statement)
  }

  /** The results of each list, by the answers to `statements`. */
  results(answers: readonly { readonly rows: readonly unknown[] }[]): Landed {
    const results: Results = Array.from({ length: this.#size }, () => undefined)
    for (const [at, tell] of this.#tells.entries()) tell(answers[at]!.rows, results)
    return results
  }

  #queueStatement(agentType: string, { asked, keyed, whole }: Queue): Statement {
    const { owner, epoch } = this.#ours
    const values = [
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
    ]
    if (!keyed) return { sql: submissionsSql, values }
    const keys = texts(asked, ({ task }) => task.key)
    const hashes = texts(asked, ({ task }) => task.payloadHash)
    const lists = numbers(asked, ({ list }) => list)
    return { sql: keyedSubmissionsSql, values: [...values, keys, hashes, lists, whole] }
  }
}

const claimedOf = (task: NewTask, { agent, cell }: Slot): Claimed => {
  const { id, type, key, payload, deadlineMs, batch, priority } = task
  const first = { attempt: attemptId(id, 1), number: 1, fence: 1, deaths: 0 }
  return { task: id, type, key, payload, agent, cell, ...first, deadlineMs, batch, priority }
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

const tellQueue =
  ({ asked, claims }: Queue): Tell =>
  ([row], results) => {
    const { running, known } = row as { running: number; known: number[] | null }
    const left = new Set(known)
    const written = left.size === 0 ? asked : asked.filter(({ list }) => !left.has(list))
    const kept = claims && running === 0 ? written.map((one) => ({ ...one, slot: undefined })) : written
    tellSubmissions(kept, results)
  }

/** By list, how many ends it has; lists are numbered from 1 as they come. */
const sizesOf = (ends: readonly End[]): { readonly lists: readonly number[]; readonly sizes: readonly number[] } => {
  const sizes: number[] = []
  let list = -1
  const lists = ends.map((end) => {
    if (end.list !== list) sizes.push(0)
    list = end.list
    sizes[sizes.length - 1]! += 1
    return sizes.length
  })
  return { lists, sizes }
}

const endsStatement = (ends: readonly End[]): Statement => {
  const { lists, sizes } = sizesOf(ends)
  return {
    sql: endsSql,
    values: [
      texts(ends, ({ task }) => task),
      numbers(ends, ({ fence }) => fence),
      texts(ends, ({ finish }) => finish.result),
      numbers(ends, ({ wallMs }) => wallMs),
      `{${lists.join(',')}}`,
      `{${sizes.join(',')}}`,
    ],
  }
}

/** Ends of one list stand one after the other; all of them are there, or none. */
const tellEnds =
  (ends: readonly End[]): Tell =>
  ([row], results) => {
    const ended = (row as { ended: number[] | null }).ended ?? []
    const byList = new Map<number, Finished[]>()
    for (const at of ended.toSorted((one, other) => one - other)) {
      const { finish, task, list } = ends[at - 1]!
      let finished = byList.get(list)
      if (finished === undefined) {
        byList.set(list, (finished = []))
        results[list] = [done(finished)]
      }
      finished.push({ attempt: finish.attempt, task, outcome: 'done', readied: nothingReadied })
    }
  }
