/** Modes: those that are set, what shadow kept back, and the word of a person. */
import { z } from 'zod'
import { readTarget } from '../../../fleet/fleet.ts'
import { agentTarget, channelTarget, formatAgent, modes, swarmTarget, typeTarget } from '../../../model/model.ts'
import { Failure, parseDuration } from '../../../std/std.ts'
import { jsonText, shaped } from '../body.ts'
import { cut, listOf, pageAsk } from '../list.ts'
import type { Once } from '../once.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'

export const modeBody = z.strictObject({
  mode: z.enum(modes),
  reason: z.string().min(1).max(500).default('no reason given'),
  /** Until it ends by itself; until a person says otherwise when absent. */
  for: z.string().max(20).optional(),
})
export const modeForBody = modeBody.extend({ target: z.string().min(1).max(200).default(swarmTarget) })

const longestForMs = 366 * 86_400_000

const forMsOf = (text: string | undefined): number | null => {
  if (text === undefined) return null
  const forMs = parseDuration(text)
  if (forMs === undefined || forMs === 0 || forMs > longestForMs)
    throw new Failure('invalid', 'for: a duration like 1h, at most 366d')
  return forMs
}

/** Setting the same again changes nothing, so it may be repeated. */
const set = async (ask: Ask, once: Once, target?: string): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  const body = target === undefined ? shaped(text, modeForBody) : { ...shaped(text, modeBody), target }
  const meant = target ?? readTarget(ask.rooms.config, body.target)
  const by = { actor: ask.actor, reason: body.reason, forMs: forMsOf(body.for) }
  return once(ask, text, async () => ok(await ask.rooms.modes.set(meant, body.mode, by)), 'repeatable')
}

const agentOf = ({ params }: Ask): string =>
  agentTarget(formatAgent({ type: params['type']!, number: Number(params['number']) }))

const list = (ask: Ask): Reply => {
  const idOf = ({ target, source }: { target: string; source: string }): string => `${target} ${source}`
  return ok(listOf(ask, cut(ask.rooms.modes.list(), pageAsk(ask), idOf), (setting) => setting))
}

/** What the gate recorded of agents' own calls; payments stand among the settlements. */
const recorded = async (ask: Ask): Promise<Reply> => {
  const { limit, after } = pageAsk(ask)
  const calls = await ask.rooms.gatelink.shadowed(Number(after ?? 0), limit + 1)
  const items = calls.slice(0, limit)
  const next = calls.length > limit ? String(items.at(-1)!.number) : null
  return ok(listOf(ask, { items, next }, (call) => call))
}

export const modeRoutes = (once: Once): readonly Route[] => [
  { method: 'GET', path: '/api/v1/modes', query: ['limit', 'cursor'], run: list },
  { method: 'GET', path: '/api/v1/modes/recorded', query: ['limit', 'cursor'], run: recorded },
  { method: 'POST', path: '/api/v1/modes', run: (ask) => set(ask, once) },
  { method: 'POST', path: '/api/v1/swarm/mode', run: (ask) => set(ask, once, swarmTarget) },
  {
    method: 'POST',
    path: '/api/v1/agents/:type/mode',
    run: (ask) => set(ask, once, typeTarget(ask.params['type']!)),
  },
  {
    method: 'POST',
    path: '/api/v1/agents/:type/:number{[0-9]+}/mode',
    run: (ask) => set(ask, once, agentOf(ask)),
  },
  {
    method: 'POST',
    path: '/api/v1/channels/:name/mode',
    run: (ask) => set(ask, once, channelTarget(ask.params['name']!)),
  },
]
