/** The rehearsal of a provider of language models, as its clients see it, and as its log tells it. */
import { expect, onTestFinished, test } from 'vitest'
import { profiles } from '../../src/config/profiles.ts'
import { openUsage } from '../../src/gateway/cost/usage.ts'
import { lengthOf, tokensOf, tokenWindow } from '../../src/rehearsal/llm/tokens.ts'
import { startRehearsal, type RehearsalOptions } from '../../src/rehearsal/rehearsal.ts'
import { linesIn, newDirectory } from './bank.ts'

const open = async (options: Partial<RehearsalOptions> = {}) => {
  const directory = await newDirectory()
  const running = await startRehearsal({
    name: 'llm',
    kind: 'llm',
    port: 0,
    rate: 100,
    seed: 1,
    tokens: { count: 1_000_000, windowMs: 60_000 },
    ...options,
    directory,
  })
  onTestFinished(() => running.stop())
  const say = (more: object = {}, headers: Record<string, string> = { 'x-api-key': running.token() }) =>
    fetch(`${running.url}/v1/messages`, {
      method: 'POST',
      headers,
      body: JSON.stringify({
        model: 'rehearsal-small',
        max_tokens: 60,
        messages: [{ role: 'user', content: 'Say something about the third note.' }],
        ...more,
      }),
    })
  return { running, say, lines: () => linesIn(directory) }
}

test('What it bills stands in its log before it answers, and is what a body and a stream tell', async () => {
  const { say, lines } = await open()
  for (const stream of [false, true]) {
    const answer = await say({ stream })
    expect(answer.status).toBe(200)
    const type = answer.headers.get('content-type')!
    const reader = openUsage(profiles['anthropic']!.usage!, type)
    reader.data(Buffer.from(await answer.arrayBuffer()))
    const line = (await lines()).at(-1)!
    expect(line).toMatchObject({
      kind: 'answered',
      model: 'rehearsal-small',
      input: tokensOf('\nSay something about the third note.'),
    })
    expect(reader.end()).toMatchObject({ model: 'rehearsal-small', input: line.input, output: line.output })
  }
  const text = (await (await say()).json()) as { content: { text: string }[] }
  expect(text.content[0]!.text.split(' ').length).toBe((await lines()).at(-1)!.output)
})

test('Beyond its tokens it says no, for how long, and what is left; refusals bill nothing', async () => {
  const { say, lines } = await open({ tokens: { count: 120, windowMs: 60_000 } })
  const first = await say()
  expect(Number(first.headers.get('anthropic-ratelimit-tokens-remaining'))).toBeLessThan(120)
  await first.text()
  const over = await say({ max_tokens: 400 })
  expect(over.status).toBe(429)
  expect(await over.json()).toMatchObject({ type: 'error', error: { type: 'rate_limit_error' } })
  expect(Number(over.headers.get('retry-after'))).toBeGreaterThan(50)
  expect((await lines()).at(-1)).toMatchObject({ kind: 'over-limit' })
  expect((await lines()).at(-1)).not.toHaveProperty('output')
})

test('Faults: overloaded and errors bill nothing, a stream that is cut is billed whole', async () => {
  const sick = await open({ faults: { overloaded: 0.5, error: 0.5 } })
  const statuses = new Set<number>()
  for (let at = 0; at < 20; at += 1) statuses.add((await sick.say()).status)
  expect(statuses).toEqual(new Set([500, 529]))
  expect((await sick.lines()).every(({ output }) => output === undefined)).toBe(true)
  const cutting = await open({ faults: { acceptThenCut: 1 } })
  const answer = await cutting.say({ stream: true })
  await expect(answer.text()).rejects.toThrow()
  expect((await cutting.lines())[0]).toMatchObject({ kind: 'cut', output: expect.any(Number) })
})

test('Without its token nothing is answered, and nonsense is refused', async () => {
  const { say, lines, running } = await open()
  expect((await say({}, {})).status).toBe(401)
  expect((await say({}, { authorization: `Bearer ${running.token()}` })).status).toBe(200)
  for (const wrong of [
    { model: '' },
    { max_tokens: 0 },
    { messages: [] },
    { stream: 'yes' },
    { messages: [{ content: 7 }] },
  ])
    expect((await say(wrong)).status, JSON.stringify(wrong)).toBe(400)
  expect((await fetch(`${running.url}/v2`, { headers: { 'x-api-key': running.token() } })).status).toBe(404)
  expect((await lines()).filter(({ kind }) => kind === 'invalid')).toHaveLength(6)
})

test('A window of tokens is exact, and what is larger than all of it goes when nothing is taken', () => {
  const window = tokenWindow(100, 1_000)
  expect(window.enter(0, 60)).toBe(0)
  expect(window.enter(100, 50)).toBe(900)
  expect(window.enter(100, 40)).toBe(0)
  expect([window.left(100), window.resetMs(100)]).toEqual([0, 900])
  expect(window.enter(999, 1)).toBe(1)
  expect(window.enter(1_000, 60)).toBe(0)
  expect(tokenWindow(10, 1_000).enter(0, 500)).toBe(0)
  expect(lengthOf(1, 'x', 50)).toBe(lengthOf(1, 'x', 50))
})
