/**
 * 100,000 garbage frames over the link of one cell: the link is cut and the cell ended, its neighbour works on and is
 * not slowed, the sitter's memory comes back. (That a cell which ends so again and again is quarantined, and nobody
 * else, is test/fleet.)
 */
import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { realProc } from '../../src/std/real/real.ts'
import { openYard, runOf, villain, type Yard } from '../cell/harness.ts'

const frames = 100_000
/** Less than what the garbage weighs with an object for each frame. */
const leftBytes = 16 * 1_048_576

let yards: Yard[] = []
afterEach(async () => {
  for (const yard of yards.splice(0)) await yard.clear()
})

const used = (): number => {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

test.each([
  ['no JSON', '{"this is":no frame\n', /20 of its frames were refused/],
  ['a flood of good form', '{"jsonrpc":"2.0","method":"beat","params":{}}\n', /it floods/],
])(
  '100,000 frames of %s cost only their sender its cell, and memory is back within 60 s',
  async (_, line, why) => {
    const proc = realProc()
    const mute = await openYard({
      proc: { ...proc, spawn: (options) => proc.spawn({ ...options, args: [villain('mute')] }) },
    })
    const yard = await openYard()
    yards = [mute, yard]
    const [bad, good] = [await mute.start('cel_1'), await yard.start('cel_2')]
    await good.ear.ready()
    const beforeBytes = used()
    const client = connect(mute.plan('cel_1').sitterSocket)
    client.on('error', () => {
      /* to be cut off while writing is what is tested */
    })
    client.resume()
    const hello = { protocol: 1, agents: [], tasks: [], version: 't', open: [] }
    client.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'hello', params: hello })}\n`)
    await bad.ear.ready()
    const turns: number[] = []
    for (let sent = 0; sent < frames; sent += 1_000) {
      if (!client.destroyed) client.write(line.repeat(1_000))
      const startedMs = performance.now()
      const attempt = `att_${sent}`
      good.cell.send([runOf('villain/0001', attempt, 'echo', { text: 'hello' })])
      await good.ear.frame('done', attempt)
      turns.push(performance.now() - startedMs)
    }
    expect(await bad.ear.gone()).toMatchObject({ cause: 'link-lost', detail: expect.stringMatching(why) as string })
    expect(bad.ear.refused.length).toBeLessThan(50)
    expect(good.ear.ends).toEqual([])
    expect(good.ear.refused).toEqual([])
    // One task of the neighbour after each 1,000 frames: its slowest but one stays well under a beat.
    expect(turns.toSorted((left, right) => right - left)[1]).toBeLessThan(500)
    await expect.poll(() => used() - beforeBytes, { timeout: 60_000, interval: 500 }).toBeLessThan(leftBytes)
  },
  90_000,
)
