/**
 * POST /api/v1/tasks:batch: NDJSON in, one NDJSON line out for each line in, after its commit, and a last line that
 * counts them. Good lines are taken even where others are refused. An answer without its last line was cut: send the
 * file again under the same Idempotency-Key (or with keys in the lines), what was taken before is told as `exists`.
 */
import { asFailure, codes, Failure } from '../../std/std.ts'
import type { TaskAsk } from '../../work/work.ts'
import type { BatchEnd, BatchLine } from '../api.ts'
import { expectMedia, shaped } from './body.ts'
import { linesOf, ndjson } from './lines.ts'
import { keyOf } from './once.ts'
import type { Ask } from './route.ts'
import { submitAudit, taskBody } from './task-body.ts'

export const mostItems = 1_000_000
/** Tasks in one commit: enough to make its fsync cheap, few enough to keep a turn of the loop short. */
const together = 500

interface Item {
  readonly item: number
  readonly task: TaskAsk
}

const refusal = (item: number, thrown: unknown): BatchLine => {
  const failure = asFailure(thrown)
  // What is no refusal of this line (lost record, bug) is not this line's answer: it breaks the stream.
  if (codes[failure.code].kind !== 'refused') throw failure
  return { item, code: failure.code, detail: failure.message }
}

/** All together; when that is refused, each half by itself, so that every refusal finds its own line. */
const submit = async (ask: Ask, items: readonly Item[]): Promise<BatchLine[]> => {
  const tasks = items.map(({ task }) => task)
  try {
    const answers = await ask.rooms.work.submit(tasks, [submitAudit(ask.rooms, ask.actor, tasks)])
    return items.map(({ item }, index) => ({ item, ...answers[index]! }))
  } catch (error) {
    if (items.length === 1) return [refusal(items[0]!.item, error)]
    if (codes[asFailure(error).code].kind !== 'refused') throw error
    const middle = items.length >> 1
    return [...(await submit(ask, items.slice(0, middle))), ...(await submit(ask, items.slice(middle)))]
  }
}

const read = (line: string | Failure, item: number, key: string | undefined): Item | BatchLine => {
  if (line instanceof Failure) return refusal(item, line)
  try {
    const body = shaped(line, taskBody)
    return { item, task: { ...body, key: body.key ?? (key === undefined ? undefined : `${key}#${item}`) } }
  } catch (error) {
    return refusal(item, error)
  }
}

const answerLines = async function* (
  ask: Ask,
  body: ReadableStream<Uint8Array>,
  most: number,
): AsyncGenerator<object, void> {
  const key = keyOf(ask)
  const end = { end: true, items: 0, created: 0, existed: 0, refused: 0 } satisfies BatchEnd as {
    -readonly [Name in keyof BatchEnd]: BatchEnd[Name]
  }
  let waiting: Item[] = []
  let lines: BatchLine[] = []
  const flush = async (): Promise<BatchLine[]> => {
    const answers = [...(waiting.length === 0 ? [] : await submit(ask, waiting)), ...lines].toSorted(
      (left, right) => left.item - right.item,
    )
    waiting = []
    lines = []
    for (const answer of answers)
      end['outcome' in answer ? (answer.outcome === 'created' ? 'created' : 'existed') : 'refused'] += 1
    return answers
  }
  for await (const line of linesOf(body)) {
    if (typeof line === 'string' && line.trim() === '') continue
    end.items += 1
    if (end.items > most) {
      lines.push(refusal(end.items, new Failure('too-large', `a batch may have ${most} lines; the rest was not read`)))
      break
    }
    const item = read(line, end.items, key)
    if ('task' in item) waiting.push(item)
    else lines.push(item)
    if (waiting.length + lines.length >= together) yield await flush()
  }
  yield await flush()
  yield end
}

export const submitLines = (ask: Ask, most = mostItems): Response => {
  expectMedia(ask.request, ['application/x-ndjson', 'application/ndjson'])
  keyOf(ask)
  const body = ask.request.body ?? new ReadableStream<Uint8Array>({ start: (controller) => controller.close() })
  return ndjson(answerLines(ask, body, most))
}
