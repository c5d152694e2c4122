/**
 * Who is woken, by the real swarm: a webhook and a command that note what they are told, and an address that notes the
 * dead-man's ping. Looked at from where they stand.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Swarm } from './swarm.ts'

const directory = mkdtempSync(join(tmpdir(), 'alerts-'))
const noted = join(directory, 'noted')
const script = join(directory, 'page.sh')

interface Told {
  readonly status: string
  readonly key: string
  readonly severity: string
  readonly incident: string
  readonly text: string
}
const hooks: Told[] = []
/** When each ping came. */
const pings: number[] = []
let refuse = 0
let server: Server
let swarm: Swarm

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk as string
  return text
}

beforeAll(async () => {
  writeFileSync(
    script,
    `#!/bin/sh\nprintf '%s %s ' "$SITTER_ALERT_STATUS" "$SITTER_ALERT_KEY" >> ${noted}\ncat >> ${noted}\necho >> ${noted}\n`,
  )
  chmodSync(script, 0o755)
  server = createServer((request, response) => {
    void (async () => {
      if (request.url === '/ping') pings.push(performance.now())
      else if (refuse > 0) {
        refuse -= 1
        response.statusCode = 503
      } else hooks.push(JSON.parse(await bodyOf(request)) as Told)
      response.end()
    })()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  swarm = await Swarm.start({
    name: 'live',
    agents: { worker: { run: { module: join(import.meta.dirname, 'worker.ts') }, count: 2 } },
    tasks: { wait: { agent: 'worker', retry: { max: 2, base: '50ms', cap: '200ms' } } },
    alerts: {
      to: [{ webhook: `${url}/hook/secret-part` }, { command: [script], least: 'critical' }],
      deadman: { url: `${url}/ping`, every: '10s' },
    },
    api: { port: 0 },
  })
}, 60_000)

afterAll(async () => {
  const left = await swarm.stop()
  server.close()
  rmSync(directory, { recursive: true, force: true })
  expect(left).toEqual([])
}, 60_000)

test('Agents in quarantine wake somebody once, also through a webhook that refuses first; released, it is over', async () => {
  refuse = 1
  await swarm.api('agents/worker/quarantine', { reason: 'a drill' })
  await swarm.until('the command was run', async () => existsSync(noted) && readFileSync(noted, 'utf8').endsWith('}\n'))
  expect(readFileSync(noted, 'utf8')).toMatch(
    /^firing live\/agents\/worker \{"version":1,"swarm":"live","status":"firing"/,
  )
  await swarm.until('the webhook was told', async () => hooks.length === 1)
  expect(hooks[0]).toMatchObject({
    status: 'firing',
    key: 'live/agents/worker',
    severity: 'critical',
    text: expect.stringContaining('2 of 2 agents of worker are quarantined') as string,
  })
  await swarm.api('agents/worker/release', {})
  await swarm.until('the end was told', async () => hooks.length === 2, 60_000)
  expect(hooks[1]).toMatchObject({ status: 'resolved', key: 'live/agents/worker', incident: hooks[0]!.incident })
  await swarm.until('the command too', async () => readFileSync(noted, 'utf8').split('\n').length === 3)
  // What could be posted to by whoever reads it is shown by nobody.
  expect(JSON.stringify(await swarm.api('config/current'))).not.toContain('secret-part')
}, 120_000)

test('The dead-man is told at its pace while the sitter works', async () => {
  // The first goes out as soon as there is progress, the others at their pace.
  await swarm.until('three pings', async () => pings.length >= 3, 60_000)
  expect(pings[2]! - pings[1]!).toBeGreaterThan(9_000)
}, 120_000)
