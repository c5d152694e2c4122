/** What the gate holds: credentials (never a secret; new ones come sealed to the gate's key) and upstreams. */
import { z } from 'zod'
import type { Channel } from '../../../model/model.ts'
import { Failure } from '../../../std/std.ts'
import type { ChannelAnswer, UpstreamAnswer } from '../../api.ts'
import { auditAllowed } from '../allowed.ts'
import { jsonText, shaped } from '../body.ts'
import { gateStatus } from '../figures.ts'
import type { Once } from '../once.ts'
import { ok, type Ask, type Reply, type Route } from '../route.ts'
import type { Rooms } from '../rooms.ts'

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

/** A version by number; the credential's own word is enough to rotate it. */
export const revokeBody = z.strictObject({ version: z.int().min(1) })
export const renewBody = z.strictObject({})

const known = async ({ rooms, params }: Ask): Promise<string> => {
  const name = params['name']!
  const { renewals } = await rooms.gatelink.vaultList()
  if (!renewals.some((one) => one.name === name))
    throw new Failure('not-found', `there is no credential ${name.slice(0, 80)}`)
  return name
}

const credential = async (ask: Ask): Promise<Reply> => {
  const name = await known(ask)
  const { credentials, renewals } = await ask.rooms.gatelink.vaultList()
  const renewal = renewals.find((one) => one.name === name)!
  return ok({ ...renewal, versions: credentials.filter((one) => one.name === name) })
}

/** Rotating twice is one rotation, and so is saying twice that it is compromised: a retry needs no memory. */
const renewed =
  (deed: 'rotate' | 'compromised') =>
  async (ask: Ask): Promise<Reply> => {
    shaped(await jsonText(ask.request), renewBody)
    const name = await known(ask)
    await auditAllowed(ask, `credential.${deed}`, name)
    await ask.rooms.gatelink.vaultRenew(deed, name, null, ask.actor)
    return { status: 202, body: { name, begun: deed } }
  }

const revoked = async (ask: Ask): Promise<Reply> => {
  const { version } = shaped(await jsonText(ask.request), revokeBody)
  const name = await known(ask)
  await auditAllowed(ask, 'credential.revoke', `${name}@${version}`)
  await ask.rooms.gatelink.vaultRenew('revoke', name, version, ask.actor)
  return ok({ name, version, state: 'revoked' })
}

export const rekeyBody = z.strictObject({ kind: z.enum(['file', 'passphrase', 'age']) })

const rekey = async (ask: Ask, once: Once): Promise<Reply | Response> => {
  const text = await jsonText(ask.request)
  const { kind } = shaped(text, rekeyBody)
  return once(ask, text, async () => {
    await auditAllowed(ask, 'vault.rekey', ask.rooms.name, { kind })
    return ok(await ask.rooms.gatelink.vaultRekey(kind, ask.actor))
  })
}

export const backupBody = z.strictObject({
  recipient: z.string().regex(/^age1[a-z0-9]{20,4000}$/, 'an age recipient begins with age1'),
})

/** What leaves is an age file; who may open it is in the audit entry before it. */
const backup = async (ask: Ask): Promise<Reply> => {
  const { recipient } = shaped(await jsonText(ask.request), backupBody)
  await auditAllowed(ask, 'vault.backup', ask.rooms.name, { recipient })
  return ok(await ask.rooms.gatelink.vaultBackup(recipient, ask.actor))
}

/** As configured, and as the gate has seen them; without the gate nobody knows, and nothing is shown as zero. */
const upstreamsOf = async (rooms: Rooms): Promise<UpstreamAnswer[]> => {
  const status = await gateStatus(rooms)
  if ('unknown' in status) throw new Failure('gate-lost', status.unknown)
  return status.upstreams.map((seen) => {
    const { url, credential, allow, money } = rooms.config.upstreams[seen.name] ?? unconfigured
    return { ...seen, url, credential, allow, money }
  })
}
/** The gate runs with a configuration that is older than ours until it begins anew. */
const unconfigured = { url: 'unknown', credential: null, allow: [], money: [] }

const upstream = async ({ rooms, params }: Ask): Promise<Reply> => {
  const found = (await upstreamsOf(rooms)).find(({ name }) => name === params['name'])
  if (found === undefined) throw new Failure('not-found', `there is no upstream ${params['name']!.slice(0, 80)}`)
  return ok({ ...found, ...(await rooms.gatelink.limits(found.name)) })
}

const resolveText = (resolve: Channel['resolve']): string | null => {
  if (resolve === null) return null
  return resolve.by === 'query' ? `${resolve.method} ${resolve.path}` : resolve.by
}

const channels = async ({ rooms }: Ask): Promise<Reply> => {
  const counts = await rooms.store.read.settlementCounts()
  const items = Object.values(rooms.config.channels).map(({ name, kind, upstream: by, payer, pay, resolve, tries }) => {
    const settlements: Record<string, number> = {}
    for (const { channel, state, count } of counts)
      if (channel === name) settlements[state] = (settlements[state] ?? 0) + count
    const way = `${pay.method} ${pay.path}`
    const answer: ChannelAnswer = {
      name,
      kind,
      upstream: by,
      payer,
      pay: way,
      resolve: resolveText(resolve),
      tries,
      settlements,
    }
    return answer
  })
  return ok({ items, next: null })
}

export const gateRoutes = (once: Once): readonly Route[] => [
  { method: 'GET', path: '/api/v1/credentials', run: async ({ rooms }) => ok(await rooms.gatelink.vaultList()) },
  { method: 'POST', path: '/api/v1/credentials', run: (ask) => setCredential(ask, once) },
  { method: 'GET', path: '/api/v1/credentials/:name', run: credential },
  { method: 'POST', path: '/api/v1/credentials/:name/rotate', run: renewed('rotate') },
  { method: 'POST', path: '/api/v1/credentials/:name/compromised', run: renewed('compromised') },
  { method: 'POST', path: '/api/v1/credentials/:name/revoke', run: revoked },
  { method: 'POST', path: '/api/v1/credentials:rekey', run: (ask) => rekey(ask, once) },
  { method: 'POST', path: '/api/v1/credentials:backup', run: backup },
  {
    method: 'GET',
    path: '/api/v1/upstreams',
    run: async ({ rooms }) => ok({ items: await upstreamsOf(rooms), next: null }),
  },
  { method: 'GET', path: '/api/v1/upstreams/:name', run: upstream },
  { method: 'GET', path: '/api/v1/channels', run: channels },
]
