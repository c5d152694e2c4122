/**
 * A runaway in a whole swarm: it is slowed, shadowed and quarantined, each with its reason on record, and is tried
 * again by itself. What reached the upstream, by its own log, is what counts.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Swarm } from './swarm.ts'

const seen: { readonly url: string; readonly atMs: number }[] = []
let server: Server
let swarm: Swarm

beforeAll(async () => {
  server = createServer((request, response) => {
    seen.push({ url: request.url ?? '', atMs: Date.now() })
    request.resume().on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const agent = { run: { module: join(import.meta.dirname, 'spender-worker.ts') }, upstreams: ['api'] }
  swarm = await Swarm.start({
    name: 'runaways',
    agents: { runaway: { ...agent, count: 1 }, steady: { ...agent, count: 1 } },
    tasks: { burn: { agent: 'runaway', retry: { max: 1, base: '1s', cap: '1s' } }, steady: { agent: 'steady' } },
    upstreams: { api: { url: `http://${host}`, grant: [host], allow: ['POST /v1/**'], breaker: false } },
    degrade: { types: false, agents: false, repeats: { calls: 20, within: '4s', hold: '4s', least: 'quarantined' } },
    api: { port: 0 },
  })
}, 60_000)

afterAll(async () => {
  const left = await swarm.stop()
  server.close()
  expect(left).toEqual([])
}, 60_000)

const burnt = (fromMs = 0): number => seen.filter(({ url, atMs }) => url === '/v1/burn' && atMs >= fromMs).length
const modeOf = async (agent: string): Promise<string> => (await swarm.api(`agents/${agent}`))['mode'] as string
const stateOf = async (agent: string): Promise<string> => (await swarm.api(`agents/${agent}`))['state'] as string

test('A runaway is slowed, shadowed, quarantined, and tried again; who works beside it is not touched', async () => {
  const burn = await swarm.submit('burn', { ms: 300_000 })
  await swarm.until('it is slowed', async () => (await modeOf('runaway/1')) === 'throttled')
  const slowedMs = Date.now()
  await swarm.until('it is shadowed', async () => (await modeOf('runaway/1')) === 'shadow', 30_000)
  const shadowedMs = Date.now()
  // A quarter of 20 in each window of 4 s, and what was under way.
  expect(burnt(slowedMs)).toBeLessThanOrEqual(5 * Math.ceil((shadowedMs - slowedMs) / 4_000 + 1) + 2)
  await swarm.until('it is quarantined', async () => (await stateOf('runaway/1')) === 'quarantined', 60_000)
  expect(burnt(shadowedMs + 500), 'in shadow nothing that changes anything goes out').toBe(0)
  // What it had in hand was its doing: the only try is spent.
  expect(await swarm.ended(burn)).toMatchObject({ state: 'dead' })
  const steady = await swarm.submit('steady', { ms: 3_000 })
  expect(await swarm.ended(steady)).toMatchObject({ state: 'succeeded' })
  await swarm.until('it is tried again', async () => (await stateOf('runaway/1')) === 'idle', 60_000)
  await swarm.until('it is active again', async () => (await modeOf('runaway/1')) === 'active', 60_000)
  expect(await modeOf('steady/1')).toBe('active')
  const { items } = await swarm.api('events?subject=runaway/0001&limit=1000')
  const steps = items!
    .filter(({ kind }) => (kind as string).startsWith('mode.stepped'))
    .map(({ facts }) => facts as { from: string; to: string; why: string })
  expect(steps.map(({ from, to }) => `${from} → ${to}`).toSorted()).toEqual(
    [
      'active → throttled',
      'throttled → shadow',
      'shadow → quarantined',
      'quarantined → shadow',
      'shadow → throttled',
      'throttled → active',
    ].toSorted(),
  )
  for (const { why } of steps) expect(why).not.toBe('')
  expect(steps.find(({ to }) => to === 'quarantined')!.why).toMatch(
    /^POST \/api\/v1\/burn: \d+ times, and nothing came/,
  )
}, 300_000)
