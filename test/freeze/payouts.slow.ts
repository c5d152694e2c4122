/**
 * A freeze in the middle of a run of payments: what reaches the bank afterwards, whoever hangs or is killed, and that
 * the thaw finishes the run with every payment made once.
 */
import { rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Swarm } from '../live/swarm.ts'
import { openBank, type Bank } from '../modes/bank.ts'
import { configFor } from '../modes/config.ts'

const payments = 80
let bank: Bank
let swarm: Swarm

beforeAll(async () => {
  bank = await openBank()
  // Slow enough that the run lasts some seconds, and that calls are under way when it is frozen.
  bank.latencyMs = 150
  swarm = await Swarm.start(configFor(bank))
}, 60_000)
afterAll(async () => {
  await swarm.stop()
  await bank.upstream.close()
}, 60_000)

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
const newerThan = (ms: number): number => bank.upstream.seen.filter(({ atMs }) => atMs > ms).length
const gatePid = async (): Promise<number | undefined> =>
  ((await swarm.api('swarm'))['gate'] as { readonly pid?: number }).pid

test('nothing new reaches the bank later than 1 s after a freeze beside a stopped sitter, nor after the death of all', async () => {
  const payment = (number: number) => ({ reference: `f-${number}`, payee: 'ada', amount: '1.00', currency: 'XTS' })
  const tasks = await Promise.all(Array.from({ length: payments }, (_, number) => swarm.submit('pay', payment(number))))
  await swarm.until('the middle of the run', async () => bank.changing().length > payments / 4)
  const sitter = swarm.process('sitter')
  process.kill(sitter.pid, 'SIGSTOP')
  const frozenMs = performance.now()
  const { code } = await swarm.run('freeze', '--reason', 'wrong payees')
  expect(code).toBe(0)
  await pause(1_500)
  const under = bank.changing().length
  expect(under).toBeLessThan(payments)
  expect(newerThan(frozenMs + 1_000)).toBe(0)
  process.kill(sitter.pid, 'SIGKILL')
  process.kill(swarm.process('gate').pid, 'SIGKILL')
  await swarm.until(
    'others',
    async () => (await gatePid()) !== undefined && (await swarm.api('swarm'))['pid'] !== sitter.pid,
  )
  // A directory of that name says nothing and cannot be read as a file: frozen all the same.
  rmSync(join(swarm.data, 'run', 'FROZEN'))
  await mkdir(join(swarm.data, 'run', 'FROZEN'))
  await swarm.until(
    'it is unreadable',
    async () => (await swarm.api('swarm')) && ((await swarm.api('swarm'))['freeze'] as { by: unknown }).by === null,
  )
  process.kill(swarm.process('gate').pid, 'SIGKILL')
  await swarm.until('yet another', async () => (await gatePid()) !== undefined)
  expect(newerThan(frozenMs + 1_000)).toBe(0)
  expect((await swarm.api('swarm'))['freeze']).toMatchObject({ frozen: true })
  // What was under way when it froze was taken by the bank or not; each is found out, and nothing is paid twice.
  rmSync(join(swarm.data, 'run', 'FROZEN'), { recursive: true })
  expect((await swarm.run('thaw', '--yes', '--throttled', '3s')).code).toBe(0)
  expect((await swarm.api('modes')).items).toMatchObject([{ target: 'swarm', mode: 'throttled' }])
  for (const id of tasks) expect((await swarm.ended(id)).state).toBe('succeeded')
  expect(bank.taken.size).toBe(payments)
  const settled = (await swarm.api('settlements?limit=1000')).items!.filter(({ state }) => state === 'settled')
  expect(settled).toHaveLength(payments)
  expect(await swarm.api('ledger/check')).toMatchObject({ ok: true })
}, 180_000)
