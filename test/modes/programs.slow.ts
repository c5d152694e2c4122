/**
 * The ladder over agents that are programs, one process a task: what the bank saw, and what it cost their tasks. What one
 * process is told is quick (cell/process-exec.test.ts), and so is what a refusal costs a task (work/modes.test.ts).
 */
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Swarm } from '../live/swarm.ts'
import { openBank, type Bank } from './bank.ts'
import { configFor } from './config.ts'

let bank: Bank
let swarm: Swarm
let directory: string
let begun: string

beforeAll(async () => {
  bank = await openBank()
  directory = await mkdtemp(join(tmpdir(), 'programs-'))
  begun = join(directory, 'begun')
  const config = configFor(bank) as Record<string, object>
  const exec = [process.execPath, join(import.meta.dirname, 'caller.mjs'), begun]
  swarm = await Swarm.start({
    ...config,
    agents: { caller: { run: { exec }, count: 2, upstreams: ['bank'], cell: { kind: 'process', user: 'swarm' } } },
    tasks: { call: { agent: 'caller', retry: { max: 1, base: '50ms', cap: '200ms' } } },
  })
}, 60_000)
afterAll(async () => {
  await swarm.stop()
  await bank.upstream.close()
  await rm(directory, { recursive: true, force: true })
}, 60_000)

interface Told {
  readonly state: { readonly state: string; readonly reason?: string }
  readonly attempts: number
  readonly error: { readonly code?: string } | null
}
const begins = (task: string): readonly string[] =>
  existsSync(begun)
    ? readFileSync(begun, 'utf8')
        .split('\n')
        .flatMap((line) => (line.startsWith(task) ? [line.slice(task.length + 1)] : []))
    : []
const mode = async (...words: readonly string[]): Promise<void> => {
  const { code, err } = await swarm.run('mode', ...words)
  expect([code, err]).toEqual([0, expect.any(String)])
}
const taskIs = (id: string, state: string, reason?: string): Promise<Told> =>
  swarm.until(`${id} ${state}`, async () => {
    const told = (await swarm.api(`tasks/${id}`)) as unknown as Told
    return told.state.state === state && (reason === undefined || told.state.reason === reason) && told
  })

test.each(['shadow', 'readonly'])(
  'in %s a program looks and changes nothing; what is refused is no try',
  async (name) => {
    await mode(name, 'caller', '--reason', 'on trial')
    const before = bank.changing().length
    const looks = await swarm.submit('call', { method: 'GET' })
    await taskIs(looks, 'succeeded')
    expect(begins(looks)).toEqual([name])
    const changes = await swarm.submit('call', { method: 'POST' })
    expect(await taskIs(changes, 'waiting', 'maintenance')).toMatchObject({ attempts: 0 })
    expect([begins(changes), bank.changing().length]).toEqual([[name], before])
    await mode('active', 'caller')
    await swarm.run('task', 'retry', changes)
    await taskIs(changes, 'succeeded')
    expect([begins(changes), bank.changing().length]).toEqual([[name, 'active'], before + 1])
  },
  60_000,
)

test('parked begins no process', async () => {
  await mode('parked', 'caller')
  const task = await swarm.submit('call', { method: 'GET' })
  expect(await taskIs(task, 'waiting', 'maintenance')).toMatchObject({ attempts: 0 })
  expect(begins(task)).toEqual([])
  await mode('active', 'caller')
  await taskIs(task, 'succeeded')
  expect(begins(task)).toEqual(['active'])
}, 60_000)
