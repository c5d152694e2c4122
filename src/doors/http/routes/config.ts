/** The configuration that runs, its versions, and a new one: checked, planned, applied, or an older one again. */
import { z } from 'zod'
import { asFailure, Failure } from '../../../std/std.ts'
import type { ConfigVersionView } from '../../../store/store.ts'
import type { ConfigAnswer, ConfigVersionAnswer } from '../../api.ts'
import { jsonText, shaped } from '../body.ts'
import { listOf, pageAsk } from '../list.ts'
import type { Once } from '../once.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'

const absolute = z
  .string()
  .max(4_096)
  .regex(/^\/[^\0]*$/, 'an absolute path')

/** A configuration as data; evaluating a file is the caller's, who has the rights to it. */
export const candidateBody = z.strictObject({ file: absolute, baseDirectory: absolute, raw: z.unknown() })
export const applyBody = z.strictObject({
  ...candidateBody.shape,
  /** Agreement that the sitter begins anew where the plan says so. */
  restart: z.boolean().default(false),
  /** Hash of the configuration that the plan was made against. */
  base: z.string().max(64).optional(),
})
export const rollbackBody = z.strictObject({
  version: z.int().min(1),
  restart: z.boolean().default(false),
  base: z.string().max(64).optional(),
})

const presented = (view: ConfigVersionView): ConfigVersionAnswer => {
  const { raw: _, ...rest } = view
  return rest
}

const current = async ({ rooms }: Ask): Promise<Reply> => {
  const { running } = rooms.configs
  const shown = rooms.configs.shown()
  const newest = (await rooms.configs.list({ limit: 1, after: null })).items[0]
  const answer: ConfigAnswer = {
    version: newest?.hash === shown.hash ? newest.version : null,
    hash: shown.hash,
    file: running.file,
    baseDirectory: running.baseDirectory,
    raw: shown.raw,
  }
  return ok(answer)
}

const one = async (ask: Ask): Promise<Reply> => {
  const view = await ask.rooms.configs.version(Number(ask.params['version']))
  return ok({ ...presented(view), raw: JSON.parse(view.raw) as unknown })
}

const numberOf = (ask: Ask, name: 'from' | 'to'): number => {
  const text = ask.query[name] ?? ''
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new Failure('invalid', `${name} must be the number of a version`)
  return Number(text)
}

const diff = async (ask: Ask): Promise<Reply> => {
  const [from, to] = [numberOf(ask, 'from'), numberOf(ask, 'to')]
  return ok({ from, to, changes: await ask.rooms.configs.diff(from, to) })
}

const validate = async (ask: Ask): Promise<Reply> => {
  const candidate = shaped(await jsonText(ask.request), candidateBody)
  return ok({ valid: true, ...(await ask.rooms.configs.check(candidate)) })
}

interface Wanted extends z.output<typeof candidateBody> {
  readonly restart: boolean
  readonly base?: string | undefined
}

/** Applies, and begins anew where the plan says so; without agreement to that, nothing is written. */
const put = async (ask: Ask, { restart, base, ...candidate }: Wanted): Promise<Reply> => {
  const { configs } = ask.rooms
  try {
    const applied = await configs.apply(candidate, ask.actor, { base, restart })
    if (applied.plan.restarts === 'none') return ok(applied)
    ask.rooms.restart(ask.actor)
    return { status: 202, body: applied }
  } catch (error) {
    if (asFailure(error).code === 'config-invalid') await configs.refused(candidate.file, ask.actor, error)
    throw error
  }
}

const apply = async (ask: Ask, once: Once): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  const body = shaped(text, applyBody)
  return once(ask, text, () => put(ask, body))
}

const rollback = async (ask: Ask, once: Once): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  const { version, ...agreed } = shaped(text, rollbackBody)
  return once(ask, text, async () => {
    const { file, baseDirectory, raw } = await ask.rooms.configs.version(version)
    return put(ask, { file, baseDirectory, raw: JSON.parse(raw) as unknown, ...agreed })
  })
}

export const configRoutes = (once: Once): readonly Route[] => [
  { method: 'GET', path: '/api/v1/config/current', run: current },
  {
    method: 'GET',
    path: '/api/v1/config/versions',
    query: ['limit', 'cursor'],
    run: async (ask) => ok(listOf(ask, await ask.rooms.configs.list(pageAsk(ask)), presented)),
  },
  { method: 'GET', path: '/api/v1/config/versions/:version{[0-9]+}', run: one },
  { method: 'GET', path: '/api/v1/config/diff', query: ['from', 'to'], run: diff },
  { method: 'POST', path: '/api/v1/config/validate', run: validate },
  { method: 'POST', path: '/api/v1/config/apply', run: (ask) => apply(ask, once) },
  { method: 'POST', path: '/api/v1/config/rollback', run: (ask) => rollback(ask, once) },
]
