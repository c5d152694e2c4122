/** Tasks: submit one or many, look, cancel, retry, with another payload too. */
import { isTaskEnd, taskStates } from '../../../model/model.ts'
import { Failure } from '../../../std/std.ts'
import type { TaskView } from '../../../store/store.ts'
import type { TaskAsk } from '../../../work/work.ts'
import type { TaskDescription } from '../../api.ts'
import { jsonText, nothing, shaped } from '../body.ts'
import { listOf, pageAsk, truth } from '../list.ts'
import { keyOf, type Once } from '../once.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'
import { submitLines } from '../submit-lines.ts'
import { retryBody, submitAudit, taskBody } from '../task-body.ts'

const submitOne = async (ask: Ask, once: Once): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  const body = shaped(text, taskBody)
  // The header's key becomes the task's where it has none, so that even a crash between deed and memory makes no
  // second task.
  const task: TaskAsk = { ...body, key: body.key ?? keyOf(ask) }
  return once(
    ask,
    text,
    async () => {
      const [answer] = await ask.rooms.work.submit([task], [submitAudit(ask.rooms, ask.actor, [task])])
      return { status: answer!.outcome === 'created' ? 201 : 200, body: answer! }
    },
    'repeatable',
  )
}

/** @throws Failure `not-found`. */
export const taskAsked = async (ask: Ask): Promise<TaskView> => {
  const view = await ask.rooms.store.read.task(ask.params['id']!)
  if (view === undefined) throw new Failure('not-found', `there is no task ${ask.params['id']!.slice(0, 80)}`)
  return view
}

export const describe = async (ask: Ask): Promise<Reply> => {
  const view = await taskAsked(ask)
  const { read } = ask.rooms.store
  const [history, deadLetters, comesAfter, payloads] = await Promise.all([
    read.attempts(view.id),
    read.deadLettersOf(view.id),
    read.dependencies(view.id),
    read.payloadsOf(view.id),
  ])
  const description: TaskDescription = { ...view, history, deadLetters, comesAfter, payloads }
  return ok(description)
}

const attempt = async (ask: Ask): Promise<Reply> => {
  const view = await ask.rooms.store.read.attempt(ask.params['id']!)
  if (view === undefined) throw new Failure('not-found', `there is no attempt ${ask.params['id']!.slice(0, 80)}`)
  return ok(view)
}

const list = async (ask: Ask): Promise<Reply> => {
  const { type, state, batch } = ask.query
  const partial = truth('partial', ask.query['partial'])
  if (state !== undefined && !(taskStates as readonly string[]).includes(state)) {
    throw new Failure('invalid', `state must be one of ${taskStates.join(' ')}`)
  }
  const filter = {
    ...(type !== undefined && { type }),
    ...(state !== undefined && { state }),
    ...(batch !== undefined && { batch }),
    ...(partial === true && { partial }),
  }
  return ok(listOf(ask, await ask.rooms.store.read.tasks(filter, pageAsk(ask)), (task) => task))
}

/** `retry` means: go on now. What waits is woken, what is dead is redriven, what runs or ended well is left alone. */
const retryEvent = (view: TaskView): 'wake' | 'redrive' => {
  if (view.state.state === 'waiting') return 'wake'
  if (view.state.state === 'dead') return 'redrive'
  throw new Failure('conflict', `task ${view.id} is ${view.state.state}: only a waiting or dead task can be retried`)
}

const cancelEvent = (view: TaskView): 'cancel' => {
  if (!isTaskEnd(view.state.state)) return 'cancel'
  throw new Failure('conflict', `task ${view.id} is ${view.state.state}: it has ended already`)
}

const cancel = async (ask: Ask, once: Once): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  shaped(text, nothing)
  return once(ask, text, async () => {
    const view = await taskAsked(ask)
    await ask.rooms.work.move(view.id, cancelEvent(view), ask.actor)
    return ok(await taskAsked(ask))
  })
}

/** With a payload: the new version and the next try are one commit. */
const retry = async (ask: Ask, once: Once): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  const body = shaped(text, retryBody)
  return once(ask, text, async () => {
    const view = await taskAsked(ask)
    if (!('payload' in body)) {
      await ask.rooms.work.move(view.id, retryEvent(view), ask.actor)
      return ok(await taskAsked(ask))
    }
    const { state } = view.state
    const next = state === 'dead' || state === 'waiting' ? { followedBy: retryEvent(view) } : {}
    await ask.rooms.work.edit(view.id, { payload: body.payload, expectVersion: body.version, ...next }, ask.actor)
    return ok(await taskAsked(ask))
  })
}

export const taskRoutes = (once: Once): readonly Route[] => [
  { method: 'GET', path: '/api/v1/tasks', query: ['limit', 'cursor', 'type', 'state', 'batch', 'partial'], run: list },
  { method: 'POST', path: '/api/v1/tasks', run: (ask) => submitOne(ask, once) },
  { method: 'POST', path: '/api/v1/tasks:batch', run: submitLines },
  { method: 'GET', path: '/api/v1/tasks/:id', run: describe },
  { method: 'GET', path: '/api/v1/attempts/:id', run: attempt },
  { method: 'POST', path: '/api/v1/tasks/:id/cancel', run: (ask) => cancel(ask, once) },
  { method: 'POST', path: '/api/v1/tasks/:id/retry', run: (ask) => retry(ask, once) },
]
