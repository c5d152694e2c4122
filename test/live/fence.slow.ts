/**
 * An agent's process is stopped in the middle of its work, and goes on when another has done it: what it says then is
 * refused, what it asks the gate for is not sent, and bank and shop have one of each by their own logs. All of it from
 * outside.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../port.ts'
import { isThere, processes, type Process } from '../crash/machine.ts'
import { Swarm } from './swarm.ts'

const start = async (heartbeat: string, shop = '127.0.0.1:9'): Promise<Swarm> => {
  const port = await freePort()
  const address = `127.0.0.1:${port}`
  const swarm = await Swarm.start({
    name: 'fence',
    agents: {
      payer: {
        run: { module: join(import.meta.dirname, 'fence-worker.ts') },
        count: 2,
        perCell: 1,
        cell: { kind: 'pool', standby: 0 },
        upstreams: ['bank', 'shop'],
        heartbeat,
        restart: { base: '10s', cap: '10s' },
      },
    },
    tasks: { pay: { agent: 'payer' }, order: { agent: 'payer' } },
    upstreams: {
      shop: { url: `http://${shop}`, grant: [shop], allow: ['POST /orders', 'POST /looks'] },
      bank: {
        url: `http://${address}`,
        grant: [address],
        credentials: 'bank',
        allow: ['GET /v1/**', 'POST /v1/payouts'],
        money: ['POST /v1/payouts'],
      },
    },
    credentials: { bank: { kind: 'bearer' } },
    channels: {
      bank: {
        kind: 'http',
        upstream: 'bank',
        pay: 'POST /v1/payouts',
        body: { reference: '{reference}', payee: '{payee}', amount: '{amount}', currency: '{currency}' },
        resolve: { query: 'GET /v1/payouts?key={key}', absentAfter: '2s' },
      },
    },
    rehearsal: { bank: { port, rate: '400/s', credential: 'bank' } },
    api: { port: 0 },
  })
  onTestFinished(async () => {
    expect(await swarm.stop()).toEqual([])
  })
  return swarm
}

const accepted = (swarm: Swarm): readonly string[] =>
  readFileSync(join(swarm.data, 'rehearsal', 'bank', 'log.ndjson'), 'utf8')
    .split('\n')
    .filter((line) => line.includes('"accepted"'))

interface Stopped {
  readonly task: string
  readonly victim: string
  readonly stopped: readonly Process[]
  readonly cell: string
}
/** Gives a task, and stops the process of whoever has it with everything in its walls. */
const stopInTheMiddle = async (swarm: Swarm, type = 'pay'): Promise<Stopped> => {
  const payment = { reference: 'row-1', payee: 'Ada', amount: '1.00', currency: 'XTS' }
  const task = await swarm.submit(type, { ...(type === 'pay' && payment), spinMs: 2_000 })
  const busy = await swarm.until('one at work', async () => {
    const found = (await swarm.agents('payer')).find(({ state }) => state === 'busy')
    return found ?? false
  })
  const family = [busy.cell!.pid]
  const all = processes()
  for (const pid of family) family.push(...all.filter(({ parent }) => parent === pid).map((one) => one.pid))
  const stopped = all.filter(({ pid }) => family.includes(pid))
  for (const { pid } of stopped) process.kill(pid, 'SIGSTOP')
  return { task, victim: busy.id, stopped, cell: busy.cell!.id }
}

const events = async (swarm: Swarm, kind: string, subject: string) =>
  (await swarm.api(`events?limit=1000&subject=${subject}`)).items!.filter((event) => event['kind'] === kind)

const historyOf = async (swarm: Swarm, task: string): Promise<readonly unknown[]> =>
  ((await swarm.api(`tasks/${task}`)) as { readonly history?: readonly { readonly outcome: string }[] }).history!.map(
    ({ outcome }) => outcome,
  )

test('Who goes on after its work was given to another is refused as stale: one payment, one result', async () => {
  // Silence is not what ends it here.
  const swarm = await start('10s')
  const { task, victim, stopped, cell } = await stopInTheMiddle(swarm)
  await swarm.api(`agents/${victim}/restart`, {})
  expect(await swarm.ended(task)).toMatchObject({ state: 'succeeded', attempts: 2 })
  expect(accepted(swarm).length).toBe(1)
  for (const one of stopped) if (isThere(one)) process.kill(one.pid, 'SIGCONT')
  const [refused] = await swarm.until('its late word is refused', async () => {
    const all = await events(swarm, 'frame.refused', cell)
    return all.length > 0 && all
  })
  expect(refused).toMatchObject({ facts: { code: 'stale' } })
  await swarm.until('both are free', async () => (await swarm.agents()).every(({ state }) => state === 'idle'))
  expect(await historyOf(swarm, task)).toEqual(['interrupted', 'succeeded'])
  expect(accepted(swarm).length).toBe(1)
}, 90_000)

test('Who is stopped for longer than three beats is ended, and never goes on: its successor has paid once', async () => {
  const swarm = await start('1s')
  const { task, stopped, cell } = await stopInTheMiddle(swarm)
  const stoppedMs = performance.now()
  await swarm.until('the loss of its cell', async () => (await events(swarm, 'cell.lost', cell)).length > 0)
  const foundMs = performance.now() - stoppedMs
  // Three beats; the rest is what this machine does beside.
  expect(foundMs).toBeLessThan(3_000 + 5_000)
  for (const one of stopped) if (isThere(one)) process.kill(one.pid, 'SIGCONT')
  expect(await swarm.ended(task)).toMatchObject({ state: 'succeeded' })
  expect(stopped.filter(isThere)).toEqual([])
  expect(accepted(swarm).length).toBe(1)
}, 90_000)

/** Answers every order, and keeps who ordered. */
const openShop = async () => {
  const ordered: string[] = []
  const server = createServer((request, response) => {
    request.setEncoding('utf8').on('data', (chunk: string) => {
      if (request.url === '/orders') ordered.push(chunk)
    })
    request.on('end', () => response.end('{}'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => {
      server.close(resolve)
    })
  })
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, ordered }
}

test("What it asks for by itself after its work was given to another is refused in the gate: the shop has one's order", async () => {
  const { address, ordered } = await openShop()
  const swarm = await start('10s', address)
  const { task, victim, stopped, cell } = await stopInTheMiddle(swarm, 'order')
  await swarm.api(`agents/${victim}/restart`, {})
  expect(await swarm.ended(task)).toMatchObject({ state: 'succeeded', attempts: 2 })
  expect(ordered).toEqual(['payer/0002'])
  const goesOnMs = Date.now()
  for (const one of stopped) if (isThere(one)) process.kill(one.pid, 'SIGCONT')
  // It answers when it has computed, and with that it has ordered; what others ask for after that comes later.
  await swarm.until('its host answers', async () => {
    const { items } = await swarm.api(`cells`)
    return items!.some((one) => one['id'] === cell && (one['answeredMs'] as number) > goesOnMs)
  })
  const later = await swarm.submit('order', { spinMs: 0 })
  await swarm.ended(later)
  expect([victim, ordered[0], ordered.length]).toEqual(['payer/0001', 'payer/0002', 2])
}, 90_000)
