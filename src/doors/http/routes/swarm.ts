/** The swarm as a whole: at a glance, frozen or not, and its end. */
import { z } from 'zod'
import { swarmTarget } from '../../../model/model.ts'
import { Failure, parseDuration } from '../../../std/std.ts'
import { auditAllowed } from '../allowed.ts'
import { jsonText, shaped } from '../body.ts'
import { figuresMaker } from '../figures.ts'
import type { Once } from '../once.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'

const usualWithin = '30s'
const mostWithinMs = 3_600_000

export const downBody = z.strictObject({ within: z.string().max(20).default(usualWithin) })

const down = async (ask: Ask, once: Once): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  const withinMs = parseDuration(shaped(text, downBody).within)
  if (withinMs === undefined || withinMs > mostWithinMs)
    throw new Failure('invalid', 'within: a duration like 30s, at most 1h')
  return once(ask, text, async () => {
    await auditAllowed(ask, 'swarm.down', ask.rooms.name, { withinMs })
    ask.rooms.shutdown(withinMs, ask.actor)
    return { status: 202, body: { stopping: true, withinMs } }
  })
}

export const freezeBody = z.strictObject({ reason: z.string().min(1).max(500).default('no reason given') })

const freeze = async (ask: Ask): Promise<Reply> => {
  const { reason } = shaped(await jsonText(ask.request), freezeBody)
  // Freezing twice is one freeze, so a retry needs no memory; and no record that fails may keep it from its deed.
  const { note, gate } = await ask.rooms.freeze.freeze(ask.actor, reason)
  return ok({ frozen: true, gate, by: typeof note === 'string' ? null : note })
}

/** The swarm's own name, so that nobody thaws by mistake. */
export const thawBody = z.strictObject({
  confirm: z.string().max(100),
  /** In stages: the swarm is throttled for so long first, and nothing else of what is set is made milder. */
  throttledFor: z.string().max(20).optional(),
})

const mostStagedMs = 30 * 86_400_000

/** Set before the thaw, so that there is no moment at the full rate. */
const stage = async ({ rooms, actor }: Ask, text: string | undefined): Promise<void> => {
  // Without a gate the thaw is refused, and nothing has changed then.
  if (text === undefined || rooms.gatelink.gateId === null) return
  const forMs = parseDuration(text)
  if (forMs === undefined || forMs === 0 || forMs > mostStagedMs)
    throw new Failure('invalid', 'throttledFor: a duration like 5m, at most 30d')
  // Stricter already: then this would be the milder word.
  if (rooms.modes.of({ agent: null, channel: null }).mode !== 'active') return
  await rooms.modes.set(swarmTarget, 'throttled', { actor, reason: 'a thaw in stages', forMs })
}

const thaw = async (ask: Ask): Promise<Reply> => {
  const { confirm, throttledFor } = shaped(await jsonText(ask.request), thawBody)
  const { name, freeze: known } = ask.rooms
  if (confirm !== name) throw new Failure('invalid', `confirm must be the name of the swarm: ${name}`)
  await stage(ask, throttledFor)
  await known.thaw(ask.actor)
  return ok({ frozen: false })
}

export const swarmRoutes = (once: Once): readonly Route[] => {
  const figures = figuresMaker()
  return [
    { method: 'GET', path: '/api/v1/swarm', run: async (ask) => ok(await figures(ask.rooms)) },
    { method: 'POST', path: '/api/v1/swarm/down', run: (ask) => down(ask, once) },
    { method: 'POST', path: '/api/v1/swarm/freeze', run: freeze },
    { method: 'POST', path: '/api/v1/swarm/thaw', run: thaw },
  ]
}
