/** Through the real gate: what an incarnation or an attempt that is over asks for, is not sent. */
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { fetchBy, openWorld } from './harness.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

interface Fence {
  readonly epochs?: readonly number[]
  readonly ended?: readonly string[]
}

const world = async () => {
  const upstream = await openUpstream()
  const opened = await openWorld(upstream, {
    limits: [{ per: 'upstream', concurrent: 1, match: [] }],
    parkAfterMs: 60_000,
  })
  closing.push(opened.close)
  const door = join(opened.place.directory, 'cell.sock')
  const { link } = opened.sitter
  /** Frames and questions of one link are taken in their order. */
  const seat = async (agents: readonly string[], fence: Fence = {}): Promise<void> => {
    link.openCell({ cell: 'cel_1', socketPath: door, type: 'payer', agents, upstreams: ['bank'], ...fence })
    while ((await link.status()).cells === 0);
  }
  const post = (agent: string, who: Record<string, string> = {}) =>
    fetchBy(door, { method: 'POST', path: '/bank/v1/notes', headers: { 'x-sitter-agent': agent, ...who }, body: '{}' })
  return { upstream, link, seat, post }
}

const codeOf = ({ status, body }: { readonly status: number; readonly body: string }): string =>
  status === 201 ? 'sent' : String((JSON.parse(body) as { code: unknown }).code)

test('An older incarnation is refused as stale; the one of now, a newer one, and who names none, are not', async () => {
  const { seat, post, upstream } = await world()
  await seat(['payer/0001', 'payer/0002'], { epochs: [3, 1] })
  const asked = ['2', '3', '4', 'x', ''].map((epoch) => ['payer/0001', { 'x-sitter-epoch': epoch }] as const)
  const codes: string[] = []
  for (const [agent, who] of [...asked, ['payer/0001', {}], ['payer/0002', { 'x-sitter-epoch': '1' }]] as const)
    codes.push(codeOf(await post(agent, who)))
  expect(codes).toEqual(['stale', 'sent', 'sent', 'stale', 'stale', 'sent', 'sent'])
  expect(upstream.seen).toHaveLength(4)
})

test('Who was taken out of its cell sends nothing, and neither does the last one of a cell', async () => {
  const { seat, post, upstream } = await world()
  await seat(['payer/0001', 'payer/0002'], { epochs: [1, 1] })
  expect(codeOf(await post('payer/0002', { 'x-sitter-epoch': '1' }))).toBe('sent')
  await seat(['payer/0001'], { epochs: [1] })
  expect(codeOf(await post('payer/0002', { 'x-sitter-epoch': '1' }))).toBe('stale')
  expect(codeOf(await post('payer/0002'))).toBe('not-your-agent')
  await seat([], { epochs: [] })
  expect(codeOf(await post('payer/0001', { 'x-sitter-epoch': '1' }))).toBe('stale')
  expect(upstream.seen).toHaveLength(1)
})

test('An attempt that was ended sends nothing, while the next one of the same incarnation does', async () => {
  const { seat, post, upstream } = await world()
  await seat(['payer/0001'], { epochs: [1], ended: ['tsk_1.1'] })
  const by = (attempt: string) => post('payer/0001', { 'x-sitter-epoch': '1', 'x-sitter-attempt': attempt })
  expect([codeOf(await by('tsk_1.1')), codeOf(await by('tsk_1.2'))]).toEqual(['stale', 'sent'])
  expect(upstream.seen).toHaveLength(1)
})

test('What waits in the gate for a limit when its incarnation ends does not leave when its turn comes', async () => {
  const { seat, post, upstream, link } = await world()
  const held: ServerResponse[] = []
  upstream.answer((_seen, response) => held.push(response))
  await seat(['payer/0001', 'payer/0002'], { epochs: [1, 1] })
  const first = post('payer/0001', { 'x-sitter-epoch': '1' })
  await upstream.reached(1)
  const waiting = post('payer/0002', { 'x-sitter-epoch': '1' })
  while ((await link.status()).queued === 0);
  await seat(['payer/0001', 'payer/0002'], { epochs: [1, 2] })
  held[0]!.writeHead(201).end()
  expect([codeOf(await first), codeOf(await waiting)]).toEqual(['sent', 'stale'])
  expect(upstream.seen).toHaveLength(1)
})
