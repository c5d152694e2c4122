import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pace } from 'node:timers/promises'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { afterEach, expect, test } from 'vitest'
import type { Rules } from '../../../src/gateway/gateway.ts'
import type { OauthRule, RotationRule } from '../../../src/model/model.ts'
import { fetchBy, newPlace, rulesFor, setSecret, startGate, startSitter, type Fetched } from '../../gateway/harness.ts'
import { rotation, until, untilOpen } from '../rotation/world.ts'
import { openOauthServer } from './server.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const pair = generateKeyPairSync('rsa', { modulusLength: 2_048 })
const publicKey = pair.publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
const privateKey = pair.privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64')

/** By the routes of the resource; the first secret of the client is known there as `cs_1`. */
const byRoutes = (): RotationRule => {
  const base = rotation({ canaryMs: 60_000 })
  return { ...base, rotator: { ...base.rotator, test: null, whoami: null, idAt: 'id' } as typeof base.rotator }
}

const world = async (
  grant: OauthRule['grant'],
  tokenSeconds: number,
  { token = null, rotates }: { readonly token?: string | null; readonly rotates?: 'bank' | 'swarm-client' } = {},
) => {
  const server = await openOauthServer(tokenSeconds, publicKey)
  const oauth: OauthRule = {
    grant,
    issuer: server.issuer,
    token,
    hosts: [server.host, ...(token === null ? [] : [new URL(token).host])],
    clientId: 'swarm',
    auth: 'basic',
    clientSecret: grant === 'client-credentials' ? null : 'swarm-client',
    scope: grant === 'refresh-token' ? null : 'work',
    audience: null,
    subject: null,
  }
  const turns = (name: string) => (rotates === name ? { rotation: byRoutes() } : {})
  const bank = { name: 'bank', pool: [], signing: { kind: 'oauth', oauth }, ...turns('bank') } as const
  const client = { name: 'swarm-client', pool: [], ...turns('swarm-client') }
  const rules: Rules = { ...rulesFor({ host: server.resource }), credentials: { bank, 'swarm-client': client } }
  const place = newPlace()
  const running = await startGate(place, rules)
  const sitter = startSitter(place)
  await sitter.linked()
  const door = join(place.directory, 'cell.sock')
  sitter.link.openCell({ cell: 'cel_1', socketPath: door, type: 'payer', agents: ['payer/0001'], upstreams: ['bank'] })
  await untilOpen(door)
  await setSecret(sitter, server.clientSecret, 'swarm-client')
  closing.push(async () => {
    await sitter.link.stop()
    await running.gate.stop()
    await server.close()
    place.remove()
  })
  return {
    server,
    sitter,
    set: (secret: string, name = 'bank') => setSecret(sitter, secret, name),
    renewal: async (of: string) => (await sitter.link.vaultList()).renewals.find(({ name }) => name === of)!,
    rotate: (name: string) => sitter.link.vaultRenew('rotate', name, null, 'test'),
    uses: (of: 'calls' | 'tokens') =>
      sitter.uses
        .flat()
        .filter(({ upstream }) => (upstream === 'bank') === (of === 'calls'))
        .map((use) => `${use.agent} ${use.credential}@${use.version} ${of === 'calls' ? '' : use.upstream}`.trim()),
    rekey: () => sitter.link.vaultRekey('file', 'test'),
    call: () => fetchBy(door, { path: '/bank/v1/work' }),
    view: async () => (await sitter.link.vaultList()).renewals.find(({ name }) => name === 'bank')!.grant!,
  }
}
type World = Awaited<ReturnType<typeof world>>

/** So many tokens were asked for, and calls go on by the last one. */
const renewedTo = ({ server }: World, tokens: number): (() => boolean) => {
  let since: number | undefined
  return () => {
    const { tokenRequests, calls } = server.figures()
    if (tokenRequests >= tokens) since ??= calls
    return since !== undefined && calls >= since + 60
  }
}

/**
 * Each agent calls until it is over, and again 20 ms after it was answered: at any moment many are under way, and the
 * machine is not full of them.
 */
const load = async ({ call }: World, agents: number, isOver: () => boolean): Promise<Record<number, number>> => {
  const statuses: Record<number, number> = {}
  const agent = async (): Promise<void> => {
    while (!isOver()) {
      const { status } = await call()
      statuses[status] = (statuses[status] ?? 0) + 1
      await pace(20)
    }
  }
  await Promise.all(Array.from({ length: agents }, agent))
  return statuses
}

test('client credentials: tokens are found by discovery, shared by all calls, and renewed before they end', async () => {
  const one = await world('client-credentials', 5)
  await one.set(one.server.clientSecret)
  const begun = performance.now()
  expect(Object.keys(await load(one, 20, renewedTo(one, 2)))).toEqual(['200'])
  const { most, tokenRequests, refused } = one.server.figures()
  expect({ most, refused }).toEqual({ most: 1, refused: 0 })
  expect(tokenRequests).toBeGreaterThan(1)
  // One for all calls, and again before it ends: never one a second.
  expect(tokenRequests).toBeLessThan(2 + (performance.now() - begun) / 1_000)
  expect(await one.view()).toMatchObject({ state: 'fresh' })
})

test('refresh tokens rotate, with one refresh under way at most, and a lost answer ends no grant', async () => {
  const one = await world('refresh-token', 5)
  await one.set(await one.server.newRefreshToken())
  const loading = load(one, 20, renewedTo(one, 3))
  one.server.lose(1)
  expect(Object.keys(await loading)).toEqual(['200'])
  const { most, refused, reused, tokenRequests } = one.server.figures()
  expect({ most, refused, reused }).toEqual({ most: 1, refused: 0, reused: 0 })
  expect(tokenRequests).toBeGreaterThan(2)
  expect(JSON.stringify(await one.sitter.link.vaultList())).not.toContain('+oauth')
})

test('an assertion is signed with the private key, by the clock of its server', async () => {
  const one = await world('jwt-bearer', 60)
  await one.set(privateKey)
  expect(await one.call()).toMatchObject({ status: 200, body: '{"ok":true}' })
  expect((await one.call()).status).toBe(200)
  expect(one.server.figures().tokenRequests).toBe(1)
})

/** A token of two seconds may end on its way where the machine is slow: such a call is answered 401, and the next one 200. */
const served = (one: World): Promise<Fetched> => until(one.call, ({ status }) => status !== 401)

test('a grant that is refused is quarantined, and says so, until a person sets another', async () => {
  const one = await world('refresh-token', 2)
  await one.set(await one.server.newRefreshToken())
  expect((await served(one)).status).toBe(200)
  one.server.revokeAll()
  // Until it is known, the token that is left is used to its end.
  expect(await until(one.call, ({ status }) => status !== 200 && status !== 401)).toMatchObject({
    status: 503,
    body: expect.stringContaining('invalid_grant') as string,
  })
  expect(await one.view()).toMatchObject({ state: 'quarantined' })
  const asked = one.server.figures().tokenRequests
  await one.call()
  expect(one.server.figures().tokenRequests).toBe(asked)
  const notes = await one.sitter.link.vaultNotes(0)
  expect(notes.map(({ kind }) => kind)).toContain('credential.quarantined')
  await one.set(await one.server.newRefreshToken())
  expect((await served(one)).status).toBe(200)
})

test('tokens outlive a rekey, are no credential that anybody sees or exports, and each use of them is told', async () => {
  const one = await world('refresh-token', 5)
  await one.set(await one.server.newRefreshToken())
  expect((await one.call()).status).toBe(200)
  const before = one.server.figures().tokenRequests
  await one.rekey()
  expect((await one.call()).status).toBe(200)
  expect(one.server.figures().tokenRequests).toBe(before)
  expect(await load(one, 2, renewedTo(one, before + 1))).toEqual({ 200: expect.any(Number) })
  expect(one.server.figures()).toMatchObject({ refused: 0, reused: 0 })
  const { credentials, vault } = await one.sitter.link.vaultList()
  expect(credentials.map(({ name }) => name)).toEqual(['bank', 'swarm-client'])
  expect(vault.faults).toEqual([])
  const recipient = await identityToRecipient(await generateIdentity())
  const backup = await one.sitter.link.vaultBackup(recipient, 'test')
  expect(backup.credentials.map(({ name }) => name)).toEqual(['bank', 'swarm-client'])
  const { calls, tokenRequests } = one.server.figures()
  await until(
    async () => [one.uses('calls').length, one.uses('tokens').length] as const,
    ([byCalls, byTokens]) => byCalls >= calls && byTokens >= 2 * tokenRequests,
  )
  expect(one.uses('calls')).toEqual(Array(calls).fill('payer/0001 bank@1'))
  // Each request shows the server two secrets: the grant's own, and that of its client.
  const [grant, client] = ['bank', 'swarm-client'].map((name) => `null ${name}@1 token:${one.server.host}`)
  expect(one.uses('tokens')).toEqual(Array(tokenRequests).fill([grant, client]).flat())
})

test('A token server that fails is asked again at its pauses, however many calls wait for a token', async () => {
  let asked = 0
  const broken = createServer((_request, response) => {
    asked += 1
    response.writeHead(503).end()
  })
  await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve))
  closing.push(async () => void broken.close())
  const { port } = broken.address() as AddressInfo
  const { set, call, view } = await world('client-credentials', 60, { token: `http://127.0.0.1:${port}/token` })
  await set('swarm:secret')
  const begun = performance.now()
  for (let count = 0; count < 30; count += 1) {
    const refused = await call()
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'credential-unavailable' })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1)
  }
  // After pauses of 1, 2, 4 s, twice each time: the first answer could have been lost on its way.
  const pauses = Math.floor(Math.log2((performance.now() - begun) / 1_000 + 1))
  expect(asked).toBeLessThanOrEqual(2 * (pauses + 1))
  expect((await view()).why).toContain('503')
})

test('a client secret that is wrong is no word against the grant: it is kept, and goes on when the right one is set', async () => {
  const one = await world('refresh-token', 2)
  await one.set(await one.server.newRefreshToken())
  expect((await one.call()).status).toBe(200)
  await one.set('a-client-secret-with-a-slip', 'swarm-client')
  const refused = await until(one.call, ({ status }) => status !== 200)
  expect(JSON.parse(refused.body)).toMatchObject({
    code: 'credential-unavailable',
    detail: expect.stringMatching(/invalid_client; sitter vault set swarm-client$/) as string,
  })
  const asked = one.server.figures().tokenRequests
  expect((await one.call()).status).toBe(503)
  expect(one.server.figures().tokenRequests).toBe(asked)
  expect(await one.view()).toMatchObject({ state: expect.not.stringMatching('quarantined') as string })
  expect(await one.renewal('swarm-client')).toMatchObject({
    concern: { severity: 'critical', what: expect.stringContaining('invalid_client') as string },
  })
  expect((await one.renewal('bank')).concern).toBe(null)
  const notes = await one.sitter.link.vaultNotes(0)
  expect(notes.map(({ kind, subject }) => `${kind} ${subject}`)).toEqual(['credential.refused swarm-client'])
  await one.set(one.server.clientSecret, 'swarm-client')
  expect((await one.call()).status).toBe(200)
  expect((await one.renewal('swarm-client')).concern).toBe(null)
  expect(one.server.figures()).toMatchObject({ reused: 0 })
})

test('a client secret is rotated under load: its server says whether it takes the new one before the old one ends', async () => {
  const one = await world('refresh-token', 5, { rotates: 'swarm-client' })
  await one.set(await one.server.newRefreshToken())
  expect((await one.call()).status).toBe(200)
  let isOver = false
  const loading = load(one, 10, () => isOver)
  await one.rotate('swarm-client')
  await until(
    () => one.renewal('swarm-client'),
    ({ phase, doneMs }) => phase === 'idle' && doneMs !== null,
  )
  const isRenewed = renewedTo(one, one.server.figures().tokenRequests + 1)
  await until(async () => isRenewed(), Boolean)
  isOver = true
  expect(Object.keys(await loading)).toEqual(['200'])
  expect(one.server.figures()).toMatchObject({ refused: 0, reused: 0, most: 1 })
  expect((await one.renewal('swarm-client')).active).toBe(2)
  const [made] = one.server.clients.slice(1)
  expect(one.server.seenBy.at(-1)).toBe(made!.id)
  // The refresh by which it was tried is a use of it like any.
  expect(one.uses('tokens')).toContain(`null swarm-client@2 token:${one.server.host}`)
})

test('a client secret that took over untried, and is not known, gives way to the one before, and no call is refused', async () => {
  const one = await world('refresh-token', 60, { rotates: 'swarm-client' })
  one.server.mintKnown(false)
  await one.rotate('swarm-client')
  // Nobody has a grant with which it could be tried.
  await until(
    () => one.renewal('swarm-client'),
    ({ phase }) => phase === 'draining',
  )
  await one.set(await one.server.newRefreshToken())
  expect((await one.call()).status).toBe(200)
  await until(
    () => one.renewal('swarm-client'),
    ({ phase, why }) => phase === 'idle' && why !== null,
  )
  expect(await one.renewal('swarm-client')).toMatchObject({ active: 1, old: [] })
  expect(one.server.clients.map(({ isAlive }) => isAlive)).toEqual([true, false])
  expect((await one.renewal('bank')).concern).toBe(null)
})

test('tokens are audited by the version that they were got with, also while that one is replaced', async () => {
  const one = await world('client-credentials', 60, { rotates: 'bank' })
  await one.set(one.server.clientSecret)
  expect((await one.call()).status).toBe(200)
  let isOver = false
  const loading = load(one, 1, () => isOver)
  await one.rotate('bank')
  await until(
    () => one.renewal('bank'),
    ({ phase, doneMs }) => phase === 'idle' && doneMs !== null,
  )
  await until(
    async () => one.server.seenBy.at(-1),
    (id) => id === 'cs_2',
  )
  isOver = true
  expect(Object.keys(await loading)).toEqual(['200'])
  const { seenBy } = one.server
  const uses = await until(
    async () => one.uses('calls').filter((use) => use.startsWith('payer/')),
    ({ length }) => length >= seenBy.length,
  )
  expect(new Set(seenBy)).toEqual(new Set(['cs_1', 'cs_2']))
  expect(uses).toEqual(seenBy.map((id) => `payer/0001 bank@${id!.slice(3)}`))
})
