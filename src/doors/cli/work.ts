/** `task` and `dlq`: tasks, and those that came to no good end. */
import { join, isAbsolute } from 'node:path'
import { isTaskEnd } from '../../model/model.ts'
import { failure, parseExactly, parseRate } from '../../std/std.ts'
import type { AttemptView, TaskView } from '../../store/store.ts'
import type { RedriveAnswer, TaskAnswer } from '../../work/work.ts'
import type { TaskDescription } from '../api.ts'
import { confirm, onlyDry, required, waitUntil } from './asking.ts'
import type { Api } from './client.ts'
import { attemptLines, errorText, facts, section } from './story.ts'
import type { Column } from './table.ts'
import { age, at, counted, duration, plain, plainLines } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

const longestPayload = 262_144
/** 100,000 dead letters are about 20 s. */
const redriveWithinMs = 120_000

/** What a text argument means: itself, a file's content after `@`, or stdin as `-`. */
export const textOrFile = async (invocation: Invocation, given: string): Promise<string> => {
  const { world } = invocation
  if (given === '-') return world.stdin.readAll(longestPayload)
  if (!given.startsWith('@')) return given
  const path = isAbsolute(given.slice(1)) ? given.slice(1) : join(world.directory, given.slice(1))
  try {
    return await world.disk.readText(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw failure('usage', `there is no file ${path}`, { cause: error, facts: { wayOut: 'check the path' } })
    throw failure('usage', `cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}

const stateText = (task: TaskView, nowMs: number): string => {
  const { state } = task
  const part = task.error?.partial === undefined ? '' : ', partly done'
  if (state.state !== 'waiting') return `${state.state}${part}`
  if (state.untilMs === null) return `waiting: ${state.reason}${part}`
  const left = state.untilMs <= nowMs ? 'due' : `${duration(state.untilMs - nowMs)} more`
  // What it waits for may open before.
  const most = state.waitsFor === undefined || left === 'due' ? '' : ' at most'
  return `waiting: ${state.reason}, ${left}${most}${part}`
}

const columns = (nowMs: number): readonly Column<TaskView>[] => [
  { head: 'TASK', value: (task) => task.id },
  { head: 'TYPE', value: (task) => task.type },
  { head: 'STATE', value: (task) => stateText(task, nowMs) },
  { head: 'TRIES', value: (task) => `${task.attempts}/${task.maxAttempts}`, align: 'right' },
  { head: 'AGENT', value: (task) => task.agent ?? '–' },
  { head: 'AGE', value: (task) => age(nowMs, task.createdMs), align: 'right' },
  // A key that only says which request brought it is none that anybody chose.
  { head: 'KEY', value: (task) => (task.key?.startsWith('req_') === true ? '' : (task.key ?? '')), drop: true },
  { head: 'ERROR', value: (task) => task.error?.message ?? '', shrink: true },
]

export const taskList: Deed = async ({ api, options, printer, world }) => {
  const filter = {
    type: options.text('type'),
    state: options.text('state'),
    batch: options.text('batch'),
    partial: options.flag('partial') ? 'true' : undefined,
  }
  const tasks = await (await api()).all<TaskView>('/api/v1/tasks', filter, options.whole('limit'))
  printer.list(tasks, (task) => task.id, columns(world.clock.wallMs()))
  return 0
}

interface DeadAsk {
  readonly type: string | undefined
  readonly error: string | undefined
  readonly sinceMs: number | undefined
  readonly partial: true | undefined
}

/** What the filter options select, as the API takes it. */
const deadFilter = ({ options, world }: Invocation): DeadAsk => {
  const sinceMs = options.duration('since')
  return {
    type: options.text('type'),
    error: options.text('error'),
    sinceMs: sinceMs === undefined ? undefined : Math.max(0, world.clock.wallMs() - sinceMs),
    partial: options.flag('partial') ? (true as const) : undefined,
  }
}

const queryOf = ({ partial, ...others }: ReturnType<typeof deadFilter>) => ({
  ...others,
  partial: partial === true ? 'true' : undefined,
})

const deadLetters = (invocation: Invocation, api: Api): Promise<readonly TaskView[]> =>
  api.all<TaskView>('/api/v1/dead-letters', queryOf(deadFilter(invocation)), invocation.options.whole('limit'))

export const deadList: Deed = async (invocation) => {
  const tasks = await deadLetters(invocation, await invocation.api())
  invocation.printer.list(tasks, (task) => task.id, columns(invocation.world.clock.wallMs()))
  return 0
}

const afterText = ({ task, ended }: TaskDescription['comesAfter'][number]): string => `${task} (${ended ?? 'awaited'})`

const deathText = (dead: TaskDescription['deadLetters'][number], nowMs: number): string => {
  const closed = dead.closed === null ? 'open' : `${dead.closed} by ${plain(dead.actor ?? 'nobody known')}`
  const tries = counted(dead.attempts, 'try', 'tries')
  return `life ${dead.life}: ${dead.reason} after ${tries}, ${age(nowMs, dead.diedMs)} ago; ${closed}`
}

const lines = (task: TaskDescription, nowMs: number): string[] => [
  ...facts([
    ['task', task.id],
    ['type', `${plain(task.type)}, done by agents of ${plain(task.agentType)}`],
    ['state', `${stateText(task, nowMs)} for ${age(nowMs, task.updatedMs)}`],
    ['key', task.key === null ? null : plain(task.key)],
    ['tries', `${task.attempts} of ${task.maxAttempts}${task.life > 1 ? ` in life ${task.life}` : ''}`],
    ['after', task.comesAfter.length === 0 ? null : task.comesAfter.map(afterText).join(', ')],
    ['agent', task.agent],
    ['batch', task.batch],
    ['created', at(task.createdMs)],
    ['deadline', task.deadlineMs === null ? null : at(task.deadlineMs)],
    ['payload', `${task.version > 1 ? `version ${task.version}: ` : ''}${plain(task.payload)}`],
    ['result', task.result === null ? null : plain(task.result)],
  ]),
  ...(task.error === null ? [] : section('error', errorText(task.error))),
  ...section(
    'deaths',
    task.deadLetters.map((dead) => deathText(dead, nowMs)),
  ),
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

export const describeAttempt = async (invocation: Invocation, api: Api, id: string): Promise<number> => {
  const attempt = await api.get<AttemptView>(`/api/v1/attempts/${encodeURIComponent(id)}`)
  const { stack } = attempt.error ?? {}
  invocation.printer.show(attempt, () => [
    ...facts([
      ['attempt', attempt.id],
      ['task', attempt.task],
      ['try', `${attempt.number}${attempt.life > 1 ? ` in life ${attempt.life}` : ''}, fence ${attempt.fence}`],
      ['agent', attempt.agent],
      ['cell', attempt.cell],
      ['began', at(attempt.startedMs)],
      ['ended', attempt.endedMs === null ? 'not yet' : at(attempt.endedMs)],
      ['outcome', attempt.outcome ?? 'none yet'],
    ]),
    ...(attempt.error === null ? [] : section('error', errorText(attempt.error))),
    ...(stack === undefined ? [] : section('stack', plainLines(stack).slice(0, 20))),
  ])
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
    return parseExactly(text)
  } catch (error) {
    throw failure('usage', `the payload is no JSON: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
      facts: { wayOut: 'write it like --payload \'{"to":"x"}\', --payload @file.json or --payload - (stdin)' },
    })
  }
}

/** Shows the task when it has ended. Resolves with 0 when it succeeded, else 1. */
const untilItEnds = async (invocation: Invocation, api: Api, id: string): Promise<number> => {
  const ended = await waitUntil(invocation, `task ${id}`, async () => {
    const task = await api.get<TaskDescription>(`/api/v1/tasks/${encodeURIComponent(id)}`)
    return isTaskEnd(task.state.state) ? task : undefined
  })
  invocation.printer.show(ended, () => lines(ended, invocation.world.clock.wallMs()))
  return ended.state.state === 'succeeded' ? 0 : 1
}

export const taskAdd: Deed = async (invocation) => {
  const { options, printer } = invocation
  const ask = {
    type: required(invocation, 0),
    payload: await payloadOf(invocation),
    key: options.text('key'),
    priority: options.whole('priority'),
    delayMs: options.duration('delay'),
    deadlineMs: options.duration('deadline'),
    ...(options.list('after').length === 0 ? {} : { after: options.list('after') }),
    onFailed: options.text('onFailed'),
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
  return untilItEnds(invocation, api, answer.id)
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

/** With `--payload` the task gets another payload as a new version, in the same commit. */
export const taskRetry: Deed = async (invocation) => {
  const id = required(invocation, 0)
  const body =
    invocation.options.text('payload') === undefined
      ? {}
      : { payload: await payloadOf(invocation), version: invocation.options.whole('expectVersion') }
  if (onlyDry(invocation, `retry ${plain(id)}`, { verb: 'retry', id, ...body })) return 0
  const api = await invocation.api()
  const answer = await api.post<TaskView>(`/api/v1/tasks/${encodeURIComponent(id)}/retry`, body)
  if (invocation.options.flag('wait')) return untilItEnds(invocation, api, id)
  invocation.printer.show(answer, () => [`${plain(id)} is ${answer.state.state}, payload version ${answer.version}`])
  return 0
}

const isFiltered = ({ options }: Invocation): boolean =>
  options.flag('partial') || ['type', 'error', 'since', 'limit'].some((name) => options.text(name) !== undefined)
const whichOnes = (): Error =>
  failure('usage', 'which dead letters? Give an id, or --type, --error, --since, --partial or --limit')

/** Starts a second, from `10/s` or `600/min`. */
const rateOf = ({ options }: Invocation): number | undefined => {
  const text = options.text('rate')
  if (text === undefined) return undefined
  const rate = parseRate(text)
  if (rate === undefined)
    throw failure('usage', `--rate ${JSON.stringify(text)} is no rate: write it like 10/s or 600/min`)
  return (rate.count * 1_000) / rate.windowMs
}

/** By id, or every dead letter that the filters choose; the person is told how many before anything moves. */
export const deadRedrive: Deed = async (invocation) => {
  const { options, printer, world } = invocation
  if (invocation.arguments[0] !== undefined)
    return move('/api/v1/dead-letters', 'redrive', 'will be tried again')(invocation)
  if (!isFiltered(invocation)) throw whichOnes()
  const api = await invocation.api()
  const ask = { ...deadFilter(invocation), limit: options.whole('limit'), ratePerSecond: rateOf(invocation) }
  const selected = await api.post<RedriveAnswer>('/api/v1/dead-letters:redrive', { ...ask, dryRun: true })
  const how = `${counted(selected.count, 'dead letter')}${selected.more ? ' (there are more)' : ''}`
  if (options.flag('dryRun')) {
    printer.show(selected, () => [`would redrive ${how}; nothing was done (--dry-run)`])
    return 0
  }
  if (selected.count > 0) await confirm(invocation, `redrive ${how}?`, String(selected.count))
  const answer =
    selected.count === 0
      ? { ...selected, dryRun: false }
      : await api.post<RedriveAnswer>('/api/v1/dead-letters:redrive', ask, { withinMs: redriveWithinMs })
  const until =
    answer.lastMs === null ? '' : `, the last in ${duration(Math.max(0, answer.lastMs - world.clock.wallMs()))}`
  printer.show(answer, () => [`will be tried again: ${counted(answer.count, 'dead letter')}${until}`])
  return 0
}

/** By id or filter; one by one, so that a failure tells how far it came. */
export const deadDiscard: Deed = async (invocation) => {
  const { printer } = invocation
  if (invocation.arguments[0] !== undefined) return move('/api/v1/dead-letters', 'discard', 'discarded')(invocation)
  if (!isFiltered(invocation)) throw whichOnes()
  const api = await invocation.api()
  const ids = (await deadLetters(invocation, api)).map((task) => task.id)
  const what = counted(ids.length, 'dead letter')
  if (onlyDry(invocation, `discard ${what}`, { verb: 'discard', ids })) return 0
  if (ids.length > 0) await confirm(invocation, `discard ${what} for good?`, String(ids.length))
  let discarded = 0
  try {
    for (const id of ids) {
      await api.post<unknown>(`/api/v1/dead-letters/${id}/discard`)
      discarded += 1
    }
  } catch (error) {
    printer.warn(`${discarded} of ${ids.length} were discarded before this failed:`)
    throw error
  }
  printer.show({ discarded: ids }, () => [`discarded: ${what}`])
  return 0
}
