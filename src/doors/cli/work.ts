/** `task` and `dlq`: tasks, and those that came to no good end. */
import { join, isAbsolute } from 'node:path'
import { isTaskEnd } from '../../model/model.ts'
import { failure } from '../../std/std.ts'
import type { TaskView } from '../../store/store.ts'
import type { TaskAnswer } from '../../work/work.ts'
import type { TaskDescription } from '../api.ts'
import { confirm, onlyDry, required, waitUntil } from './asking.ts'
import type { Api } from './client.ts'
import { attemptLines, errorText, facts, section } from './story.ts'
import type { Column } from './table.ts'
import { age, at, counted, duration, plain, plainLines } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

const longestPayload = 262_144

/** What a text argument means: itself, a file's content after `@`, or stdin as `-`. */
export const textOrFile = async (invocation: Invocation, given: string): Promise<string> => {
  const { world } = invocation
  if (given === '-') return world.stdin.readAll(longestPayload)
  if (!given.startsWith('@')) return given
  const path = isAbsolute(given.slice(1)) ? given.slice(1) : join(world.directory, given.slice(1))
  try {
    return await world.disk.readText(path)
  } catch (error) {
    throw failure('usage', `cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}

const stateText = (task: TaskView, nowMs: number): string => {
  const { state } = task
  if (state.state !== 'waiting') return state.state
  if (state.untilMs === null) return `waiting: ${state.reason}`
  const left = state.untilMs <= nowMs ? 'due' : `${duration(state.untilMs - nowMs)} more`
  return `waiting: ${state.reason}, ${left}`
}

const columns = (nowMs: number): readonly Column<TaskView>[] => [
  { head: 'TASK', value: (task) => task.id },
  { head: 'TYPE', value: (task) => task.type },
  { head: 'STATE', value: (task) => stateText(task, nowMs) },
  { head: 'TRIES', value: (task) => `${task.attempts}/${task.maxAttempts}`, align: 'right' },
  { head: 'AGENT', value: (task) => task.agent ?? '–' },
  { head: 'AGE', value: (task) => age(nowMs, task.createdMs), align: 'right' },
  { head: 'KEY', value: (task) => task.key ?? '', shrink: true },
  { head: 'ERROR', value: (task) => task.error?.message ?? '', shrink: true },
]

export const taskList: Deed = async ({ api, options, printer, world }) => {
  const filter = { type: options.text('type'), state: options.text('state'), batch: options.text('batch') }
  const tasks = await (await api()).all<TaskView>('/api/v1/tasks', filter, options.whole('limit'))
  printer.list(tasks, (task) => task.id, columns(world.clock.wallMs()))
  return 0
}

/**
 * Dead letters of a type whose error contains a text and that died within `--since`; the API filters by type, the rest
 * is done here.
 */
const deadLetters = async ({ options, world }: Invocation, api: Api): Promise<readonly TaskView[]> => {
  const error = options.text('error')?.toLowerCase()
  const sinceMs = options.duration('since')
  const limit = options.whole('limit') ?? 0
  const fromMs = sinceMs === undefined ? -Infinity : world.clock.wallMs() - sinceMs
  const filtered = error !== undefined || sinceMs !== undefined
  const all = await api.all<TaskView>('/api/v1/dead-letters', { type: options.text('type') }, filtered ? 0 : limit)
  const chosen = all.filter(
    (task) =>
      task.updatedMs >= fromMs &&
      (error === undefined ||
        `${task.error?.name} ${task.error?.message} ${task.error?.code ?? ''}`.toLowerCase().includes(error)),
  )
  return limit === 0 ? chosen : chosen.slice(0, limit)
}

export const deadList: Deed = async (invocation) => {
  const tasks = await deadLetters(invocation, await invocation.api())
  invocation.printer.list(tasks, (task) => task.id, columns(invocation.world.clock.wallMs()))
  return 0
}

const lines = (task: TaskDescription, nowMs: number): string[] => [
  ...facts([
    ['task', task.id],
    ['type', `${plain(task.type)}, done by agents of ${plain(task.agentType)}`],
    ['state', `${stateText(task, nowMs)} for ${age(nowMs, task.updatedMs)}`],
    ['key', task.key === null ? null : plain(task.key)],
    ['tries', `${task.attempts} of ${task.maxAttempts}`],
    ['agent', task.agent],
    ['batch', task.batch],
    ['created', at(task.createdMs)],
    ['deadline', task.deadlineMs === null ? null : at(task.deadlineMs)],
    ['payload', plain(task.payload)],
    ['result', task.result === null ? null : plain(task.result)],
  ]),
  ...(task.error === null ? [] : section('error', errorText(task.error))),
  ...section('attempts', task.history.length === 0 ? [] : attemptLines(task.history, nowMs)),
  ...task.history
    .filter((attempt) => attempt.error?.stack !== undefined)
    .slice(-1)
    .flatMap((attempt) => section(`stack of try ${attempt.number}`, plainLines(attempt.error!.stack!).slice(0, 20))),
]

export const describeTask = async (invocation: Invocation, api: Api, id: string): Promise<number> => {
  const task = await api.get<TaskDescription>(`/api/v1/tasks/${encodeURIComponent(id)}`)
  invocation.printer.show(task, () => lines(task, invocation.world.clock.wallMs()))
  return 0
}

export const taskShow: Deed = async (invocation) =>
  describeTask(invocation, await invocation.api(), required(invocation, 0))

export const deadShow: Deed = async (invocation) => {
  const task = await (
    await invocation.api()
  ).get<TaskDescription>(`/api/v1/dead-letters/${encodeURIComponent(required(invocation, 0))}`)
  invocation.printer.show(task, () => lines(task, invocation.world.clock.wallMs()))
  return 0
}

const payloadOf = async (invocation: Invocation): Promise<unknown> => {
  const given = invocation.options.text('payload')
  if (given === undefined) return {}
  const text = await textOrFile(invocation, given)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw failure('usage', `the payload is no JSON: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
      facts: { wayOut: 'write it like --payload \'{"to":"x"}\', --payload @file.json or --payload - (stdin)' },
    })
  }
}

export const taskAdd: Deed = async (invocation) => {
  const { options, printer } = invocation
  const ask = {
    type: required(invocation, 0),
    payload: await payloadOf(invocation),
    key: options.text('key'),
    priority: options.whole('priority'),
    delayMs: options.duration('delay'),
  }
  if (onlyDry(invocation, `add a task of type ${ask.type}`, ask)) return 0
  const api = await invocation.api()
  const answer = await api.post<TaskAnswer>('/api/v1/tasks', ask)
  if (!options.flag('wait')) {
    printer.show(answer, () => [
      printer.quiet
        ? answer.id
        : `${answer.id} ${answer.outcome === 'exists' ? 'was there already (same key, same payload)' : 'added'}`,
    ])
    return 0
  }
  const ended = await waitUntil(invocation, `task ${answer.id}`, async () => {
    const task = await api.get<TaskDescription>(`/api/v1/tasks/${answer.id}`)
    return isTaskEnd(task.state.state) ? task : undefined
  })
  printer.show(ended, () => lines(ended, invocation.world.clock.wallMs()))
  return ended.state.state === 'succeeded' ? 0 : 1
}

const move =
  (path: string, verb: string, past: string): Deed =>
  async (invocation) => {
    const id = required(invocation, 0)
    if (onlyDry(invocation, `${verb} ${plain(id)}`, { verb, id })) return 0
    const answer = await (await invocation.api()).post<unknown>(`${path}/${encodeURIComponent(id)}/${verb}`)
    invocation.printer.show(answer, () => [`${past}: ${plain(id)}`])
    return 0
  }

export const taskCancel = move('/api/v1/tasks', 'cancel', 'cancelled')
export const taskRetry = move('/api/v1/tasks', 'retry', 'will be tried again')

/** By id, or every dead letter that the filters choose; the person is told how many before anything moves. */
export const deadRedrive: Deed = async (invocation) => {
  const { options, printer } = invocation
  if (invocation.arguments[0] !== undefined)
    return move('/api/v1/dead-letters', 'redrive', 'will be tried again')(invocation)
  if (['type', 'error', 'since', 'limit'].every((name) => options.text(name) === undefined)) {
    throw failure('usage', 'which dead letters? Give an id, or --type, --error, --since or --limit')
  }
  const api = await invocation.api()
  const chosen = await deadLetters(invocation, api)
  if (
    onlyDry(invocation, `redrive ${counted(chosen.length, 'dead letter')}`, {
      verb: 'redrive',
      ids: chosen.map((task) => task.id),
    })
  )
    return 0
  if (chosen.length === 0) {
    printer.show({ moved: [] }, () => ['no dead letter is meant'])
    return 0
  }
  await confirm(invocation, `redrive ${counted(chosen.length, 'dead letter')}?`, String(chosen.length))
  const moved: string[] = []
  // One by one: each is its own decision in the record; at a failure the person is told how far it came.
  try {
    for (const task of chosen) {
      await api.post<unknown>(`/api/v1/dead-letters/${task.id}/redrive`)
      moved.push(task.id)
    }
  } catch (error) {
    printer.warn(`${moved.length} of ${chosen.length} were redriven before this failed:`)
    throw error
  }
  printer.show({ moved }, () => [`will be tried again: ${counted(moved.length, 'dead letter')}`])
  return 0
}
