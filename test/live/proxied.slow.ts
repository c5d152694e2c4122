/**
 * A whole swarm of unmodified programs, by the real command: the configuration gives them a proxy and a placeholder,
 * and the vault the secret.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { listenAt } from '../gateway/listeners.ts'
import { openSecureUpstream } from '../gateway/proxy/secure.ts'
import { Swarm } from './swarm.ts'

const programs = join(import.meta.dirname, '..', 'gateway', 'proxy')
const secret = 'canary-8be2f1aa90c7'
let closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

test('unmodified Python and Node programs of a swarm reach their upstream with a placeholder, and nothing else', async () => {
  const bank = await openSecureUpstream('127.0.0.2')
  const elsewhere = await listenAt('127.0.0.4')
  const beside = mkdtempSync(join(tmpdir(), 'beside-'))
  closing.push(bank.close, elsewhere.close, async () => rmSync(beside, { recursive: true }))
  bank.answer((request, response) => response.end(`key ${request.headers['authorization']}`))
  // The gate of that swarm is to trust this upstream, as it trusts the world's.
  const before = process.env['NODE_EXTRA_CA_CERTS']
  writeFileSync(join(beside, 'ca.pem'), bank.pem)
  process.env['NODE_EXTRA_CA_CERTS'] = join(beside, 'ca.pem')
  closing.push(async () => {
    if (before === undefined) delete process.env['NODE_EXTRA_CA_CERTS']
    else process.env['NODE_EXTRA_CA_CERTS'] = before
  })
  const agent = (...exec: readonly string[]): object => ({
    run: { exec },
    upstreams: ['bank'],
    proxy: { placeholders: { BANK_KEY: 'placeholder' } },
    cell: { kind: 'sandbox', orWeaker: true },
  })
  const swarm = await Swarm.start({
    name: 'proxied',
    agents: {
      python: agent('python3', join(programs, 'caller.py')),
      node: agent(process.execPath, join(programs, 'caller.mjs')),
    },
    tasks: { python: { agent: 'python', retry: { max: 1 } }, node: { agent: 'node', retry: { max: 1 } } },
    upstreams: { bank: { url: bank.url, grant: [bank.host], credentials: 'bank', allow: ['GET /v1/**'] } },
    credentials: { bank: { kind: 'bearer' } },
    api: { port: 0 },
  })
  closing.push(() => swarm.stop())
  writeFileSync(join(beside, 'secrets.env'), `bank=${secret}\n`)
  expect(await swarm.run('vault', 'import', join(beside, 'secrets.env'), '--yes')).toMatchObject({ code: 0 })
  const url = `${bank.url}/v1/a`
  const other = `https://127.0.0.4:${elsewhere.port}/v1/a`
  const tasks = ['python', 'node'].map((type) => swarm.submit(type, { urls: [url, other], dials: [] }))
  for (const id of await Promise.all(tasks))
    expect(await swarm.ended(id)).toMatchObject({
      state: 'succeeded',
      result: {
        key: 'placeholder',
        urls: { [url]: [200, `key Bearer ${'*'.repeat(secret.length)}`], [other]: ['failed', expect.any(String)] },
      },
    })
  expect(bank.seen.map(({ headers }) => headers['authorization'])).toEqual([`Bearer ${secret}`, `Bearer ${secret}`])
  expect(elsewhere.connections()).toBe(0)
})
