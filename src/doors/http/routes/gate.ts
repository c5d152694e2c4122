/** What the gate holds: credentials (never a secret; new ones come sealed to the gate's key) and upstreams. */
import { z } from 'zod'
import { Failure } from '../../../std/std.ts'
import { auditAllowed } from '../allowed.ts'
import { jsonText, shaped } from '../body.ts'
import { gateStatus } from '../figures.ts'
import type { Once } from '../once.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'

export const credentialBody = z.strictObject({
  name: z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/, 'a credential name has letters, digits, . _ -'),
  sealed: z
    .string()
    .min(1)
    .max(65_536)
    .regex(/^sealed:v1:[A-Za-z0-9_.-]+$/, 'sealed must be what `sitter vault set` makes of a secret'),
})

/** The same sealed secret twice is a new version of the same value: harmless, so it may be repeated. */
const setCredential = async (ask: Ask, once: Once): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  const { name, sealed } = shaped(text, credentialBody)
  return once(
    ask,
    text,
    async () => {
      await auditAllowed(ask, 'credential.set', name)
      return { status: 201, body: await ask.rooms.gatelink.vaultSet(name, sealed, ask.actor) }
    },
    'repeatable',
  )
}

const upstreams = async ({ rooms }: Ask): Promise<Reply> => {
  const status = await gateStatus(rooms)
  if ('unknown' in status) throw new Failure('gate-lost', status.unknown)
  return ok({ items: status.upstreams, next: null })
}

export const gateRoutes = (once: Once): readonly Route[] => [
  { method: 'GET', path: '/api/v1/credentials', run: async ({ rooms }) => ok(await rooms.gatelink.vaultList()) },
  { method: 'POST', path: '/api/v1/credentials', run: (ask) => setCredential(ask, once) },
  { method: 'GET', path: '/api/v1/upstreams', run: upstreams },
]
