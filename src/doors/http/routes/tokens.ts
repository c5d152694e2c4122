/**
 * Tokens: made, listed, revoked. The value stands in one answer, and nowhere else: not in the memory of writes either.
 */
import { z } from 'zod'
import { roles } from '../../../record/record.ts'
import { Failure, parseDuration } from '../../../std/std.ts'
import type { TokenAnswer } from '../../api.ts'
import { jsonText, nothing, shaped } from '../body.ts'
import { cut, listOf, pageAsk } from '../list.ts'
import type { Once } from '../once.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'

const longestLifeMs = 10 * 365 * 86_400_000

export const tokenBody = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/, 'a token name has small letters, digits and hyphens, a letter first'),
  role: z.enum(roles),
  expires: z.string().max(20).optional(),
})

const lifeOf = (expires: string | undefined): number | null => {
  if (expires === undefined) return null
  const lifeMs = parseDuration(expires)
  if (lifeMs === undefined || lifeMs === 0 || lifeMs > longestLifeMs)
    throw new Failure('invalid', 'expires: a duration over zero like 30d, at most 3650d')
  return lifeMs
}

/** Not kept for repetition: a remembered answer would be the token in the record. Its name is what makes it once. */
const create = async (ask: Ask): Promise<Reply> => {
  const { name, role, expires } = shaped(await jsonText(ask.request), tokenBody)
  const made = await ask.rooms.tokens.create({ name, role, lifeMs: lifeOf(expires) }, ask.actor)
  return { status: 201, body: { ...made, name, role } }
}

const revoke = async (ask: Ask, once: Once): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  shaped(text, nothing)
  return once(ask, text, async () => ok({ revoked: await ask.rooms.tokens.revoke(ask.params['id']!, ask.actor) }))
}

const list = async (ask: Ask): Promise<Reply> => {
  const tokens: readonly TokenAnswer[] = await ask.rooms.tokens.list()
  const page = cut(tokens, pageAsk(ask, 1_000), (token) => token.id)
  return ok(listOf(ask, page, (token) => token))
}

export const tokenRoutes = (once: Once): readonly Route[] => [
  { method: 'GET', path: '/api/v1/tokens', query: ['limit', 'cursor'], run: list },
  { method: 'POST', path: '/api/v1/tokens', run: create },
  { method: 'POST', path: '/api/v1/tokens/:id/revoke', run: (ask) => revoke(ask, once) },
]
