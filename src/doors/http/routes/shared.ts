/** Shared state and locks, for programs beside the swarm. A client holds locks under a name of its own choice. */
import { z } from 'zod'
import { jsonText, shaped } from '../body.ts'
import { listOf, pageAsk } from '../list.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'

export const stateBody = z.strictObject({ value: z.unknown(), version: z.int().min(0) })
const holder = z.string().min(1).max(100)
const leaseMs = z.int().min(1)
const fence = z.int().min(1)
export const takeBody = z.strictObject({ holder, leaseMs })
export const renewBody = z.strictObject({ holder, leaseMs, fence })
export const freeBody = z.strictObject({ holder, fence })

/** Two clients with tokens of their own are never the same holder, nor is one an attempt. */
const holderOf = (ask: Ask, given: string): string => `${ask.actor}/${given}`

const states = async (ask: Ask): Promise<Reply> => {
  const page = await ask.rooms.store.read.states(pageAsk(ask))
  return ok(listOf(ask, page, ({ value, ...rest }) => ({ ...rest, value: JSON.parse(value) as unknown })))
}

const put = async (ask: Ask): Promise<Reply> => {
  const { value, version } = shaped(await jsonText(ask.request), stateBody)
  return ok(await ask.rooms.work.putState({ name: ask.params['name']!, value, version }, ask.actor))
}

const take = async (ask: Ask): Promise<Reply> => {
  const asked = shaped(await jsonText(ask.request), takeBody)
  const by = { holder: holderOf(ask, asked.holder), task: null }
  return ok(await ask.rooms.work.takeLock({ name: ask.params['name']!, leaseMs: asked.leaseMs }, by))
}

const renew = async (ask: Ask): Promise<Reply> => {
  const asked = shaped(await jsonText(ask.request), renewBody)
  const { leaseMs: wanted, fence: held } = asked
  const lock = { name: ask.params['name']!, leaseMs: wanted, fence: held }
  return ok(await ask.rooms.work.renewLock(lock, holderOf(ask, asked.holder)))
}

const free = async (ask: Ask): Promise<Reply> => {
  const asked = shaped(await jsonText(ask.request), freeBody)
  return ok(
    await ask.rooms.work.freeLock({ name: ask.params['name']!, fence: asked.fence }, holderOf(ask, asked.holder)),
  )
}

export const sharedRoutes: readonly Route[] = [
  { method: 'GET', path: '/api/v1/state', query: ['limit', 'cursor'], run: states },
  {
    method: 'GET',
    path: '/api/v1/state/:name',
    run: async (ask) => ok(await ask.rooms.work.state(ask.params['name']!)),
  },
  { method: 'POST', path: '/api/v1/state/:name', run: put },
  {
    method: 'GET',
    path: '/api/v1/locks',
    query: ['limit', 'cursor'],
    run: async (ask) => ok(listOf(ask, await ask.rooms.work.locks(pageAsk(ask)), (lock) => lock)),
  },
  { method: 'POST', path: '/api/v1/locks/:name/take', run: take },
  { method: 'POST', path: '/api/v1/locks/:name/renew', run: renew },
  { method: 'POST', path: '/api/v1/locks/:name/free', run: free },
]
