/** Drills on a canary of a swarm that works: what is found, who is left alone, and when it is refused. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DrillRun } from '../../src/drill/drill.ts'
import { Swarm } from '../live/swarm.ts'
import { openBank, type Bank } from '../modes/bank.ts'
import { configFor } from '../modes/config.ts'

let bank: Bank
let swarm: Swarm
const canary = join(import.meta.dirname, '..', '..', 'src', 'drill', 'canary.ts')

beforeAll(async () => {
  const cell = { kind: 'pool', standby: 0 }
  bank = await openBank()
  const { upstreams, channels } = configFor(bank) as Record<'upstreams' | 'channels', object>
  const restart = { base: '100ms', cap: '500ms', max: 20 }
  swarm = await Swarm.start({
    name: 'alive',
    agents: {
      canary: { run: { module: canary }, count: 2, cell, restart, heartbeat: '1s', stuckAfter: '2s', canary: true },
      worker: { run: { module: canary }, count: 3, cell, restart, heartbeat: '1s' },
    },
    tasks: {
      harm: { agent: 'canary', retry: { max: 5, base: '100ms', cap: '500ms' } },
      pay: { agent: 'canary', retry: { max: 1, base: '100ms', cap: '500ms' } },
    },
    upstreams,
    channels,
    api: { port: 0 },
  })
  await mkdir(join(swarm.data, 'drills'), { recursive: true })
}, 60_000)
afterAll(async () => {
  await swarm.stop()
  await bank.upstream.close()
}, 60_000)

const drill = (...words: readonly string[]) => swarm.run('drill', ...words, '--live', '--json')
const epochs = async (type: string): Promise<readonly number[]> => (await swarm.agents(type)).map(({ epoch }) => epoch)

test.each(['kill', 'stop', 'silence'])(
  'the drill %s is found and mended, and whoever is no canary keeps its life',
  async (name) => {
    const before = await epochs('worker')
    const { code, out, err } = await drill(name, '--agent', 'canary', '--yes')
    expect(code, `${out}${err}`).toBe(0)
    const run = JSON.parse(out) as DrillRun
    expect(run).toMatchObject({
      held: true,
      live: { swarm: 'alive', agent: expect.stringMatching(/^canary\//) as string },
    })
    expect(run.drills).toMatchObject([{ name, held: true, falseKills: 0, leftovers: [] }])
    expect(await epochs('worker')).toEqual(before)
    const { items } = await swarm.api('events?newestFirst=true&limit=100')
    const kinds = items!.map(({ kind }) => kind)
    expect(kinds.indexOf('drill.ended')).toBeLessThan(kinds.indexOf('drill.began'))
    expect((JSON.parse((await swarm.run('drill', 'ls', '--json')).out) as { items: DrillRun[] }).items[0]).toEqual(run)
  },
  90_000,
)

test('it is refused by name: no canary, no answer, a harm to all, a freeze, and something that is wrong already', async () => {
  const why = async (...words: readonly string[]): Promise<[number | null, string]> => {
    const { code, err } = await drill(...words)
    return [code, (JSON.parse(err.trim().split('\n').at(-1)!) as { error: { what: string } }).error.what]
  }
  const before = await epochs('worker')
  expect(await why('kill', '--agent', 'worker', '--yes')).toEqual([5, expect.stringContaining('worker is no canary')])
  expect(await why('kill', '--agent', 'worker/0001', '--yes')).toEqual([5, expect.stringContaining('no canary')])
  expect(await why('kill', '--agent', 'nobody', '--yes')).toEqual([3, expect.stringContaining('nobody')])
  expect(await why('storm', '--agent', 'canary', '--yes')).toEqual([5, expect.stringContaining('harm all of it')])
  expect(await why('kill', '--agent', 'canary')).toEqual([2, expect.stringContaining('of alive, which works')])
  await swarm.run('freeze', '--reason', 'a test')
  expect(await why('kill', '--agent', 'canary', '--yes')).toEqual([6, 'the swarm is frozen'])
  await swarm.run('thaw', '--yes')
  // Somebody has quarantined all workers: that is an incident.
  await swarm.run('quarantine', 'worker', '--yes')
  await swarm.until('the incident', async () => ((await swarm.api('incidents?open=true')).items?.length ?? 0) > 0)
  expect(await why('kill', '--agent', 'canary', '--yes')).toEqual([6, expect.stringContaining('wrong already')])
  await swarm.run('release', 'worker', '--yes')
  expect((await epochs('canary')).length).toBe(2)
  expect(before.length).toBe(3)
}, 90_000)

test('a canary that asks for a payment is refused, and its bank hears nothing', async () => {
  const payment = { reference: 'r-1', payee: 'ada', amount: '1.00', currency: 'XTS' }
  const task = await swarm.submit('pay', payment)
  const told = await swarm.until('its end', async () => {
    const found = (await swarm.api(`tasks/${task}`)) as {
      state: { state: string }
      error: { code: string; message: string }
    }
    return found.state.state === 'dead' && found
  })
  expect(told.error).toMatchObject({ code: 'not-allowed', message: expect.stringContaining('pays nobody') as string })
  expect((await swarm.api('settlements')).items).toEqual([])
  expect(bank.upstream.seen).toEqual([])
}, 30_000)
