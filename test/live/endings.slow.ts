/**
 * An end that comes, by the real swarm: a client certificate that ends in two days is told in the log, by the API and to
 * a webhook, once for each bound that is passed, and all of it is over when another certificate is set.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sealTo } from '../../src/wire/seal.ts'
import { issue } from '../gateway/certificates.ts'
import { Swarm } from './swarm.ts'

const day = 86_400_000
const hooks: { readonly status: string; readonly key: string; readonly severity: string; readonly text: string }[] = []
let server: Server
let swarm: Swarm

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk as string
  return text
}

const setCertificate = async (endsMs: number): Promise<void> => {
  const { certificate, key } = issue('bank-client', undefined, endsMs)
  const { sealingKey } = await swarm.api('credentials')
  await swarm.api('credentials', { name: 'bank', sealed: sealTo(String(sealingKey), `${certificate}${key}`) })
}

const openKeys = async (): Promise<readonly string[]> =>
  ((await swarm.api('incidents?open=true')).items ?? []).map(({ key }) => String(key)).toSorted()

beforeAll(async () => {
  server = createServer((request, response) => {
    void bodyOf(request).then((text) => {
      hooks.push(JSON.parse(text) as (typeof hooks)[number])
      response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  swarm = await Swarm.start({
    name: 'live',
    agents: { worker: { run: { module: join(import.meta.dirname, 'worker.ts') } } },
    upstreams: { bank: { url: 'https://bank.example.com', credentials: 'bank', allow: ['GET /v1/**'] } },
    credentials: { bank: { kind: 'mtls' } },
    alerts: { to: [{ webhook: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` }] },
    api: { port: 0 },
  })
}, 120_000)

afterAll(async () => {
  const left = await swarm.stop()
  server.close()
  expect(left).toEqual([])
}, 60_000)

test('An end that comes is told in the log, by the API and to the webhook, and is over with a new secret', async () => {
  await setCertificate(Date.now() + 2 * day)
  const bounds = ['14d', '30d', '3d', '7d'].map((bound) => `credential-ends/bank/${bound}`)
  await swarm.until('the API tells of it', async () => (await openKeys()).length >= bounds.length, 60_000)
  expect(await openKeys()).toEqual(bounds)
  const { renewals } = (await swarm.api('credentials')) as unknown as { renewals: { expiresMs: number }[] }
  expect(Math.abs(renewals[0]!.expiresMs - Date.now() - 2 * day)).toBeLessThan(day / 24)
  await swarm.until('the webhook tells of it', async () => hooks.length >= bounds.length, 60_000)
  expect(hooks.map(({ status, key }) => `${status} ${key}`).toSorted()).toEqual(
    bounds.map((key) => `firing live/${key}`).toSorted(),
  )
  expect(hooks.find(({ key }) => key.endsWith('/3d'))).toMatchObject({
    severity: 'critical',
    text: expect.stringContaining('credential bank ends at its provider in 3 days or less') as string,
  })
  const logged = async (): Promise<string> => (await swarm.run('logs')).out
  await swarm.until('the log tells of it', async () => (await logged()).includes('ends at its provider in 3 days'))
  await setCertificate(Date.now() + 90 * day)
  await swarm.until('the webhook tells that it is over', async () => hooks.length >= 2 * bounds.length, 120_000)
  expect(hooks.slice(bounds.length).map(({ status }) => status)).toEqual(bounds.map(() => 'resolved'))
  expect(await openKeys()).toEqual([])
}, 300_000)
