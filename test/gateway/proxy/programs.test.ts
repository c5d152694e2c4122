/**
 * Unmodified programs in real cells behind a real gate: Python and Node with nothing but their standard libraries reach
 * the host of their upstream by its URL, and nothing else.
 */
import { chmodSync, copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { probeMachine, programCells, type Cell, type CellPlan } from '../../../src/cell/cell.ts'
import { realClock, realDisk, realNet, realProc } from '../../../src/std/real/real.ts'
import { Ear, runOf, seats } from '../../cell/harness.ts'
import { canary, newPlace, rulesFor, setSecret, startGate, startSitter } from '../harness.ts'
import { listenAt } from '../listeners.ts'
import { openUpstream } from '../upstream.ts'
import { openSecureUpstream } from './secure.ts'

const machine = await probeMachine({ name: `swarmsitter-programs-${process.pid}`, settle: true })
const ports = { clock: realClock(), proc: realProc(), net: realNet(), disk: realDisk() }
const agent = seats(1)[0]!.agent
let closing: (() => Promise<void> | void)[] = []
let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'proxied-'))
  chmodSync(root, 0o755)
  for (const name of ['caller.py', 'caller.mjs']) copyFileSync(join(import.meta.dirname, name), join(root, name))
})
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
  rmSync(root, { recursive: true, force: true })
})
afterAll(() => machine.limits.close())

const programs = {
  Python: ['python3', 'caller.py'],
  Node: [process.execPath, 'caller.mjs'],
} as const
const kinds = machine.bwrap === null ? (['process'] as const) : (['process', 'sandbox'] as const)
const cases = Object.keys(programs).flatMap((name) =>
  kinds.map((kind) => [name as keyof typeof programs, kind] as const),
)

/** A gate with `bank` by TLS and `shop` without, and cells that may call both. */
const world = async () => {
  const [bank, shop] = [
    await openSecureUpstream('127.0.0.2'), // Programs do not ask a proxy for 127.0.0.1.
    await openUpstream(0, '127.0.0.5'),
  ]
  const base = rulesFor(shop)
  const rule = base.upstreams['bank']!
  const place = newPlace()
  const rules = {
    ...base,
    upstreams: {
      bank: { ...rule, url: bank.url, grant: [bank.host] },
      shop: { ...rule, name: 'shop' },
    },
  }
  let running = await startGate(place, rules)
  const sitter = startSitter(place)
  await sitter.linked()
  await setSecret(sitter)
  const cells = programCells({ ...ports, machine, swarm: root, hidden: () => [] })
  closing.push(async () => {
    await sitter.link.stop()
    await running.gate.stop()
    await Promise.all([bank.close(), shop.close()])
    place.remove()
  })
  const open = async (kind: 'process' | 'sandbox', words: readonly string[], change: Partial<CellPlan> = {}) => {
    const directory = join(root, 'cells', 'cel_1')
    const ear = new Ear()
    const plan: CellPlan = {
      id: 'cel_1',
      kind,
      agentType: 'villain',
      run: { exec: words, directory: root },
      directory,
      gateSocket: join(directory, 'gate.sock'),
      sitterSocket: join(directory, 'sitter.sock'),
      seats: seats(1),
      env: {},
      memoryMb: 256,
      proxy: { placeholders: { BANK_KEY: 'placeholder' } },
      ...change,
    }
    const cell: Cell = await cells[kind].start(plan, ear.events)
    const upstreams = ['bank', 'shop']
    sitter.link.openCell({ cell: 'cel_1', socketPath: plan.gateSocket, type: 'villain', agents: [agent], upstreams })
    closing.push(async () => {
      cell.kill('the test is over')
      await ear.gone()
    })
    return { cell, ear, plan }
  }
  return {
    sitter,
    bank,
    shop,
    open,
    /** Another gate over the same data, after the one before has ended. */
    restart: async () => {
      await running.gate.stop()
      running = await startGate(place, rules)
      await sitter.linked(2)
    },
  }
}

const resultOf = async (ear: Ear): Promise<unknown> => {
  const said = await ear.until(() => ear.heard.find(({ method }) => method === 'done' || method === 'fail'))
  return said.params['result'] ?? said.params['error']
}

test.each(cases)('%s in a %s cell reaches its upstream with a placeholder, and nothing else', async (name, kind) => {
  const { open, bank, shop, sitter } = await world()
  const elsewhere = await listenAt('127.0.0.4')
  closing.push(elsewhere.close)
  bank.answer((request, response) => response.end(`key ${request.headers['authorization']}`))
  const { cell, ear } = await open(kind, programs[name])
  const other = `https://127.0.0.4:${elsewhere.port}/v1/a`
  const urls = [`${bank.url}/v1/a?b=c`, `http://${shop.host}/v1/d`, `${bank.url}/v2/a`, other]
  cell.send([runOf(agent, 'att_1', 'any', { urls, dials: [`127.0.0.4:${elsewhere.port}`] })])
  const told = (await resultOf(ear)) as Record<'urls' | 'dials', Record<string, unknown>>
  expect(told).toMatchObject({
    key: 'placeholder',
    // It has no child that it does not know of.
    children: '',
    urls: {
      [urls[0]!]: [200, `key Bearer ${'*'.repeat(canary.length)}`],
      [urls[2]!]: [403, expect.stringContaining('"code":"not-allowed"')],
      [other]: ['failed', expect.any(String)],
    },
  })
  expect(bank.seen).toMatchObject([
    { url: '/v1/a?b=c', headers: { authorization: `Bearer ${canary}`, host: bank.host } },
  ])
  expect(shop.seen).toMatchObject([{ url: '/v1/d', headers: { authorization: `Bearer ${canary}` } }])
  expect(sitter.uses.flat()).toMatchObject([
    { agent, upstream: 'bank', decision: 'allowed' },
    { agent, upstream: 'shop', decision: 'allowed' },
  ])
  // Without walls a program may leave the proxy aside; behind them there is nothing else.
  const direct = Object.values(told.dials)[0]
  if (kind === 'sandbox') expect(direct).not.toBe('connected')
  expect(elsewhere.connections()).toBe(direct === 'connected' ? 1 : 0)
})

/** What a program prints, taken apart. */
const shell = (script: string): readonly string[] => ['/bin/sh', '-c', script]

test('it is the process that was started: one thread, no signal ignored or blocked, its own exit code and output', async () => {
  const { open } = await world()
  const { cell, ear } = await open('process', shell('cat /proc/self/status >&2; exit 3'))
  cell.send([runOf(agent, 'att_1', 'any', {})])
  expect(await resultOf(ear)).toMatchObject({ code: 'exit-3', kind: 'transient' })
  const said = ear.lines.join('\n')
  expect(said).toMatch(/Threads:\t1\b/)
  expect(said).toMatch(/SigBlk:\t0+\nSigIgn:\t0+\n/)
})

test('when it ends nothing of it is left, also when it was told to end', async () => {
  const { open } = await world()
  const { cell, ear } = await open('process', shell('echo "$HTTPS_PROXY" >&2; sleep 600'))
  cell.send([runOf(agent, 'att_1', 'any', {})])
  const port = Number(new URL(await ear.until(() => ear.lines[0])).port)
  expect(await dials(port)).toBe(true)
  cell.send([{ jsonrpc: '2.0', method: 'cancel', params: { attempt: 'att_1', reason: 'test' } }])
  await resultOf(ear)
  await expect.poll(() => dials(port)).toBe(false)
})

const dials = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' }, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })

/** All that is answered to these bytes. */
const sayTo = (port: number, bytes: string): Promise<string> =>
  new Promise((resolve) => {
    let said = ''
    const socket = createConnection({ port, host: '127.0.0.1' }, () => socket.write(bytes))
    socket.on('data', (chunk) => {
      said += chunk.toString('latin1')
    })
    socket.on('error', () => {
      /* a cut is an answer */
    })
    socket.on('close', () => resolve(said))
  })

test('where others share the loopback, nobody but the program comes through', async () => {
  const { open, shop } = await world()
  const { cell, ear } = await open('process', shell('echo "$HTTPS_PROXY" >&2; sleep 600'))
  cell.send([runOf(agent, 'att_1', 'any', {})])
  const url = new URL(await ear.until(() => ear.lines[0]))
  expect([decodeURIComponent(url.username), url.password]).toEqual([agent, expect.stringMatching(/^[0-9a-f]{48}$/)])
  const get = (more: string): string =>
    `GET http://${shop.host}/v1/a HTTP/1.1\r\nhost: ${shop.host}\r\nconnection: close\r\n${more}\r\n`
  const basic = (text: string): string => `proxy-authorization: Basic ${Buffer.from(text).toString('base64')}\r\n`
  const port = Number(url.port)
  for (const more of ['', basic(agent), basic(`${agent}:`), basic(`${agent}:${'0'.repeat(48)}`), 'x-a: b\r\n'])
    expect([more, (await sayTo(port, get(more))).slice(0, 12)]).toEqual([more, 'HTTP/1.1 407'])
  // Without an end of the head nothing is passed on, however long it is.
  expect(await sayTo(port, `GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}`)).toMatch(/^HTTP\/1\.1 407/)
  expect(shop.seen).toHaveLength(0)
  expect((await sayTo(port, get(basic(`${agent}:${url.password}`)))).slice(0, 12)).toBe('HTTP/1.1 201')
  expect(shop.seen).toHaveLength(1)
})

test('a program that runs goes on with the next gate: it has the same authority', async () => {
  const { open, bank, restart } = await world()
  // Node reads what it is to trust once, when it starts.
  const script = `
    const { existsSync } = require('node:fs')
    const get = async () => (await fetch('${bank.url}/v1/a')).status
    const main = async () => {
      const first = await get()
      console.error('first', first)
      while (!existsSync('${join(root, 'again')}')) await new Promise((resolve) => setTimeout(resolve, 20))
      console.log(JSON.stringify([first, await get()]))
    }
    main()`
  const { cell, ear, plan } = await open('process', [process.execPath, '-e', script])
  cell.send([runOf(agent, 'att_1', 'any', {})])
  expect(await ear.until(() => ear.lines[0])).toBe('first 200')
  await restart()
  while (!existsSync(plan.gateSocket)) await new Promise((resolve) => setImmediate(resolve))
  writeFileSync(join(root, 'again'), '')
  expect(await resultOf(ear)).toEqual([200, 200])
  expect(bank.seen).toHaveLength(2)
})
