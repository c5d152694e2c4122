/** Somebody writes gate.db while no gate runs, and has not the key. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, expect, test } from 'vitest'
import type { Rules } from '../../src/gateway/gateway.ts'
import type { OauthRule } from '../../src/model/model.ts'
import { fetchBy, newPlace, rulesFor, setSecret, startGate, startSitter } from '../gateway/harness.ts'
import { openUpstream } from '../gateway/upstream.ts'
import { openKeyProvider } from './rotation/provider.ts'
import { rotation, rulesOf, until, untilOpen } from './rotation/world.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = (rules: Rules) => {
  const place = newPlace()
  closing.push(() => place.remove())
  let epoch = 0
  const start = async () => {
    const running = await startGate(place, rules)
    epoch += 1
    const sitter = startSitter(place, epoch)
    await sitter.linked()
    const door = join(place.directory, 'cell.sock')
    const cell = { cell: 'cel_1', type: 'payer', agents: ['payer/0001'], upstreams: ['bank'] }
    sitter.link.openCell({ ...cell, socketPath: door })
    await untilOpen(door)
    const stop = async (): Promise<void> => {
      await sitter.link.stop()
      await running.gate.stop()
    }
    closing.push(stop)
    return {
      sitter,
      stop: async () => {
        closing = closing.filter((one) => one !== stop)
        await stop()
      },
      call: () => fetchBy(door, { path: '/bank/v1/work' }),
      renewal: async (name = 'bank') => (await sitter.link.vaultList()).renewals.find((one) => one.name === name)!,
      notes: async () => (await sitter.link.vaultNotes(0)).map(({ kind, subject }) => `${kind} ${subject}`),
    }
  }
  const tamper = (sql: string): void => {
    const db = new DatabaseSync(join(place.data, 'gate', 'gate.db'))
    db.exec(sql)
    db.close()
  }
  return { start, tamper }
}

test('a rotation whose state was put back makes no second key: a person looks, and begins it anew', async () => {
  const provider = await openKeyProvider()
  closing.push(provider.close)
  const { start, tamper } = world(rulesOf(provider, rotation()))
  const first = await start()
  await setSecret(first.sitter, provider.first.secret)
  provider.breakRevoke(true)
  await first.sitter.link.vaultRenew('rotate', 'bank', null, 'test')
  await until(first.renewal, ({ phase }) => phase === 'revoking')
  await first.stop()
  const made = provider.keys.length
  tamper(`UPDATE renewals SET state = json_set(state, '$.phase', 'minting', '$.next', NULL) WHERE kind = 'rotation'`)
  const second = await start()
  const { phase, concern } = await second.renewal()
  expect({ phase, severity: concern?.severity }).toEqual({ phase: 'person', severity: 'warning' })
  expect(concern!.what).toContain('without the vault')
  expect(await until(second.notes, (told) => told.length > 0)).toContain('credential.tampered bank')
  expect((await second.call()).status).toBe(200)
  expect(provider.keys.length).toBe(made)
  provider.breakRevoke(false)
  await second.sitter.link.vaultRenew('rotate', 'bank', null, 'test')
  await until(second.renewal, (one) => one.phase === 'idle' && one.doneMs !== null)
  expect((await second.call()).status).toBe(200)
  expect(provider.keys.filter(({ revokedMs }) => revokedMs === null).length).toBe(1)
})

const openTokenServer = async () => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      asked.push(new URLSearchParams(body).get('refresh_token') ?? 'none')
      response.setHeader('content-type', 'application/json')
      const tokens = {
        access_token: `access-${asked.length}`,
        refresh_token: `refresh-${asked.length}`,
        expires_in: 3_600,
      }
      response.end(JSON.stringify(tokens))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => server.close())
  return { asked, host: `127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const oauthOf = (host: string, grant: OauthRule['grant']): OauthRule => ({
  grant,
  issuer: null,
  token: `http://${host}/token`,
  hosts: [host],
  clientId: 'swarm',
  auth: 'post',
  clientSecret: null,
  scope: null,
  audience: null,
  subject: null,
})

test.each(['refresh-token', 'client-credentials'] as const)(
  'a grant (%s) whose state was put back shows its server no older refresh token',
  async (grant) => {
    const server = await openTokenServer()
    const upstream = await openUpstream()
    closing.push(upstream.close)
    const oauth = oauthOf(server.host, grant)
    const bank = { name: 'bank', pool: [], signing: { kind: 'oauth', oauth } } as const
    const { start, tamper } = world({ ...rulesFor(upstream), credentials: { bank } })
    const first = await start()
    await setSecret(first.sitter, 'refresh-0')
    expect((await first.call()).status).toBe(201)
    await first.stop()
    expect(server.asked.length).toBe(1)
    // As if it had never been refreshed: the first refresh token, which the server has replaced, would be shown again.
    tamper(`UPDATE renewals SET state = json_set(state, '$.of', 0, '$.expiresMs', 0) WHERE kind = 'oauth'`)
    const second = await start()
    if (grant === 'client-credentials') {
      expect((await second.call()).status).toBe(201)
      expect(server.asked.length).toBe(2)
      return
    }
    expect(await second.call()).toMatchObject({ status: 503, body: expect.stringContaining('quarantined') as string })
    expect(server.asked.length).toBe(1)
    expect((await second.renewal()).grant).toMatchObject({ state: 'quarantined' })
    expect(await second.notes()).toEqual(['credential.tampered bank', 'credential.quarantined bank'])
    await setSecret(second.sitter, 'refresh-of-a-person')
    expect((await second.call()).status).toBe(201)
    expect(server.asked.at(-1)).toBe('refresh-of-a-person')
  },
)

test('of a pool a member that was tampered with is left alone, and the others go on', async () => {
  const upstream = await openUpstream()
  closing.push(upstream.close)
  const pool = ['bank-a', 'bank-b']
  const { start, tamper } = world(rulesOf(upstream, rotation({ rotator: { by: 'person' } }), pool))
  const first = await start()
  for (const name of pool) await setSecret(first.sitter, `secret-of-${name}`, name)
  await first.stop()
  tamper("UPDATE secrets SET actor = 'somebody else' WHERE name = 'bank-a'")
  const second = await start()
  expect((await second.call()).status).toBe(201)
  expect(upstream.seen.map(({ headers }) => headers['authorization'])).toEqual(['Bearer secret-of-bank-b'])
  const faults = async () => (await second.sitter.link.vaultList()).vault.faults
  expect(await faults()).toEqual([{ name: 'bank-a', version: 1, fault: 'changed' }])
  expect(await second.notes()).toContain('credential.tampered bank-a')
  // Set anew, it is nobody's business any more.
  await setSecret(second.sitter, 'another-secret-of-bank-a', 'bank-a')
  expect(await faults()).toEqual([])
  expect((await second.call()).status).toBe(201)
  expect(upstream.seen.at(-1)!.headers['authorization']).toBe('Bearer another-secret-of-bank-a')
})
