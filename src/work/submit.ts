/**
 * Checks and shapes what is submitted: the task type exists, the payload fits and is hashed canonically, so that a key
 * means one body.
 */
import { createHash } from 'node:crypto'
import type { TaskType } from '../model/model.ts'
import { canonicalJson, Failure, type NewId } from '../std/std.ts'
import type { NewTask } from '../store/store.ts'
import type { TaskAsk } from './port.ts'

export const payloadBytes = 256 * 1024
/** Tasks that one may come after. */
const mostAfter = 100
const keyPattern = /^[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?$/

export const payloadHash = (canonical: string): string => createHash('sha256').update(canonical).digest('hex')

/** What a key stands for: the payload, and what the task comes after when it comes after anything. */
const bodyOf = (payload: string, { after = [], onFailed = 'cancel' }: TaskAsk): string =>
  after.length === 0 ? payload : `${payload}\n${canonicalJson({ after: after.toSorted(), onFailed })}`

const span = (ms: number | null, what: string): number | null => {
  if (ms === null || (Number.isSafeInteger(ms) && ms > 0)) return ms
  throw new Failure('invalid', `${what} is a duration of more than zero`)
}

/** @throws Failure `unknown-task-type`, `invalid` or `too-large`, naming the task. */
export const shapeTask = (
  ask: TaskAsk,
  types: Readonly<Record<string, TaskType>>,
  newId: NewId,
  nowMs: number,
): NewTask => {
  const type = Object.hasOwn(types, ask.type) ? types[ask.type] : undefined
  if (!type) {
    throw new Failure(
      'unknown-task-type',
      `there is no task type ${JSON.stringify(ask.type)}; there are: ${Object.keys(types).join(', ')}`,
    )
  }
  if (ask.key !== undefined && !keyPattern.test(ask.key)) {
    throw new Failure('invalid', 'a key is 1 to 255 printable ASCII characters without space at its ends')
  }
  const priority = ask.priority ?? type.priority
  if (!Number.isInteger(priority) || priority < 0 || priority > 9)
    throw new Failure('invalid', 'priority is an integer from 0 to 9')
  const delayMs = ask.delayMs ?? 0
  if (!Number.isSafeInteger(delayMs) || delayMs < 0) throw new Failure('invalid', 'delay is a duration of zero or more')
  const deadlineMs = span(ask.deadlineMs ?? type.deadlineMs, 'deadline')
  const after = [...new Set(ask.after)]
  if (after.length > mostAfter) throw new Failure('invalid', `a task may come after ${mostAfter} others`)
  const payload = canonicalJson(ask.payload ?? null)
  if (Buffer.byteLength(payload) > payloadBytes)
    throw new Failure('too-large', `a payload may have ${payloadBytes} bytes`)
  return {
    id: newId('tsk'),
    type: type.name,
    agentType: type.agent,
    key: ask.key ?? null,
    payload,
    payloadHash: ask.key === undefined ? null : payloadHash(bodyOf(payload, ask)),
    priority,
    maxAttempts: type.retry.max,
    deadlineMs: deadlineMs === null ? null : nowMs + delayMs + deadlineMs,
    batch: ask.batch ?? null,
    notBeforeMs: delayMs > 0 ? nowMs + delayMs : null,
    after,
    onFailed: ask.onFailed ?? 'cancel',
  }
}

/** Why a submission was refused, as its sender is told. */
export const submitRefusal = ({ refusal, detail }: { refusal: string; detail: string }, ofTasks: boolean): Failure => {
  if (ofTasks && refusal === 'exists-with-different')
    return new Failure('task-exists-with-different', `the key is taken by ${detail} with another payload`)
  if (ofTasks && refusal === 'not-found')
    return new Failure('unknown-dependency', `there is no task ${detail} to come after`)
  return new Failure('conflict', detail)
}
