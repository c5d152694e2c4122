/**
 * A real host that is stopped in the middle of its work, and goes on when another has done it: the real fleet tells the
 * real gate, and what the host then asks for does not reach the provider.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openYard } from '../fleet/yard.ts'
import { openWorld } from './harness.ts'
import { openUpstream } from './upstream.ts'

test('What a stopped host asks for when it goes on, after its work was given to another, is not sent', async () => {
  const upstream = await openUpstream()
  const opened = await openWorld(upstream)
  onTestFinished(opened.close)
  const run = { module: join(import.meta.dirname, '..', 'villains', 'order.ts') }
  // Silence is not what ends it here.
  const change = { run, count: 2, perCell: 1, upstreams: ['bank'], heartbeatMs: 30_000 }
  const yard = await openYard(change, undefined, opened.sitter.link)
  await yard.until(() => yard.fleet.freeCount('villain') === 2)
  const mark = join(yard.root, 'computes')
  const [victim, successor] = yard.fleet.take('villain', 2)
  yard.run(victim!, 'att_1', 'order', { spinMs: 1_000, mark })
  await vi.waitFor(() => expect(existsSync(mark)).toBe(true), { timeout: 60_000, interval: 5 })
  const host = yard.fleet.cells().find(({ id }) => id === victim!.cell)!.identity.pid
  process.kill(host, 'SIGSTOP')
  const [type, number] = victim!.agent.split('/')
  await yard.fleet.restart([{ type: type!, number: Number(number) }], 'ada')
  expect(yard.lost).toMatchObject([{ attempt: 'att_1' }])
  yard.run(successor!, 'att_2', 'order', { spinMs: 0 })
  await yard.until(() => yard.done.find(({ attempt }) => attempt === 'att_2'))
  process.kill(host, 'SIGCONT')
  // It answers when it has computed, and with that it has ordered; whatever is asked for after that comes later.
  await vi.waitFor(() => yard.fleet.challenge(victim!.cell), { timeout: 60_000 })
  await yard.until(() => yard.fleet.freeCount('villain') > 0)
  const [later] = yard.fleet.take('villain', 1)
  yard.run(later!, 'att_3', 'order', { spinMs: 0 })
  await yard.until(() => yard.done.find(({ attempt }) => attempt === 'att_3'))
  const third = later!.agent
  expect(upstream.seen.map(({ url, body }) => `${body} ${url}`)).toEqual([
    'villain/0001 /v1/notes?first',
    'villain/0002 /v1/notes?first',
    'villain/0002 /v1/notes?second',
    `${third} /v1/notes?first`,
    `${third} /v1/notes?second`,
  ])
}, 120_000)
