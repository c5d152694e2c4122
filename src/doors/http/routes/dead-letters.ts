/** Dead letters: look, redrive one or those of a filter, discard. */
import { Failure } from '../../../std/std.ts'
import type { DeadFilter, TaskView } from '../../../store/store.ts'
import { jsonText, nothing, shaped } from '../body.ts'
import { listOf, pageAsk, truth } from '../list.ts'
import type { Once } from '../once.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'
import { redriveBody } from '../task-body.ts'
import { describe, taskAsked } from './tasks.ts'

const deadLetterAsked = async (ask: Ask): Promise<TaskView> => {
  const view = await taskAsked(ask)
  if (view.state.state !== 'dead')
    throw new Failure('not-found', `task ${view.id} is ${view.state.state}, not in the dead letters`)
  return view
}

const wallMs = (text: string | undefined): number | undefined => {
  if (text === undefined) return undefined
  if (/^[0-9]{1,15}$/.test(text)) return Number(text)
  throw new Failure('invalid', 'sinceMs is a wall time in milliseconds')
}

const filterOf = (given: {
  readonly type?: string | undefined
  readonly error?: string | undefined
  readonly sinceMs?: number | undefined
  readonly partial?: boolean | undefined
}): DeadFilter => ({
  ...(given.type === undefined ? {} : { type: given.type }),
  ...(given.error === undefined ? {} : { error: given.error }),
  ...(given.sinceMs === undefined ? {} : { sinceMs: given.sinceMs }),
  ...(given.partial === true ? { partial: true } : {}),
})

const list = async (ask: Ask): Promise<Reply> => {
  const { type, error, sinceMs, partial } = ask.query
  const filter = filterOf({ type, error, sinceMs: wallMs(sinceMs), partial: truth('partial', partial) })
  return ok(listOf(ask, await ask.rooms.store.read.deadLetters(filter, pageAsk(ask)), (task) => task))
}

const end = async (ask: Ask, once: Once, event: 'redrive' | 'discard'): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  shaped(text, nothing)
  return once(ask, text, async () => {
    const { id } = await deadLetterAsked(ask)
    await ask.rooms.work.move(id, event, ask.actor)
    return ok(await taskAsked(ask))
  })
}

const redriveSelected = async (ask: Ask, once: Once): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  const { all, dryRun = false, limit, ratePerSecond, ...asked } = shaped(text, redriveBody)
  const filter = filterOf(asked)
  if (Object.keys(filter).length === 0 && limit === undefined && all !== true)
    throw new Failure(
      'invalid',
      'which dead letters? Say type, error, sinceMs, partial or limit; {"all": true} means all',
    )
  return once(ask, text, async () =>
    ok(await ask.rooms.work.redrive({ filter, limit, ratePerSecond, dryRun }, ask.actor)),
  )
}

export const deadLetterRoutes = (once: Once): readonly Route[] => [
  {
    method: 'GET',
    path: '/api/v1/dead-letters',
    query: ['limit', 'cursor', 'type', 'error', 'sinceMs', 'partial'],
    run: list,
  },
  { method: 'POST', path: '/api/v1/dead-letters:redrive', run: (ask) => redriveSelected(ask, once) },
  {
    method: 'GET',
    path: '/api/v1/dead-letters/:id',
    run: async (ask) => {
      await deadLetterAsked(ask)
      return describe(ask)
    },
  },
  { method: 'POST', path: '/api/v1/dead-letters/:id/redrive', run: (ask) => end(ask, once, 'redrive') },
  { method: 'POST', path: '/api/v1/dead-letters/:id/discard', run: (ask) => end(ask, once, 'discard') },
]
