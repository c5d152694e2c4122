/** Cells of kind `vm`: real hosts, and agents that do to their machines what they can. */
import { readdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { openBeds, type HousedCell } from '../../src/cell/cell.ts'
import type { Ear, Heard, Yard } from './harness.ts'
import { openYard, runOf, seats, villain } from './harness.ts'

const [first, second] = seats(3).map(({ agent }) => agent) as [string, string]
const module = villain('vm-witness')
const soon = { withinMs: 5_000, leastMs: 0 }
const ends: ReadonlySet<string> = new Set(['done', 'fail', 'park'])

let yard: Yard
let cell: HousedCell
let ear: Ear
let count = 0

const endOf = (attempt: string): Promise<Heard> =>
  ear.until(() => ear.heard.find(({ method, params }) => ends.has(method) && params['attempt'] === attempt))
/** How a task of an agent ended. */
const run = async (agent: string, type: string, payload: unknown = {}): Promise<Heard> => {
  const attempt = `att_${(count += 1)}`
  cell.send([runOf(agent, attempt, type, payload)])
  return endOf(attempt)
}
const resultOf = async (agent: string, type: string, payload: unknown = {}): Promise<unknown> => {
  const { method, params } = await run(agent, type, payload)
  expect([method, params['error']]).toEqual(['done', undefined])
  return params['result']
}
const errorOf = ({ method, params }: Heard): Readonly<Record<string, unknown>> => {
  expect(method).toBe('fail')
  return params['error'] as Readonly<Record<string, unknown>>
}
const reseat = (agent: string, epoch: number): void =>
  cell.send([{ jsonrpc: '2.0', method: 'seat', params: { seats: [{ ...seats(1)[0]!, agent, epoch }] } }])

describe('an agent in a machine of its own', () => {
  beforeAll(async () => {
    yard = await openYard()
    ;({ cell, ear } = await yard.start('vm', { kind: 'vm', module }))
    await ear.ready()
  })
  afterAll(() => yard.clear())

  it('is given what a pool gives: its name, its configuration, its task, and what it imports', async () => {
    expect(await resultOf(first, 'facts')).toEqual({
      agent: first,
      config: { greeting: 'hello' },
      task: expect.objectContaining({ type: 'facts', number: 1, deadline: null }) as unknown,
      doubled: 42,
    })
    expect(ear.heard.filter(({ params }) => params['message'] === 'started')).toHaveLength(3)
  })

  it('keeps values of its own between tasks, and shares none', async () => {
    expect(await resultOf(first, 'count')).toBe(1)
    expect(await resultOf(first, 'count')).toBe(2)
    expect(await resultOf(second, 'count')).toBe(1)
  })

  it('says what it says in its own name', async () => {
    await resultOf(first, 'say', { text: 'a word' })
    const said = ear.heard.filter(({ method }) => method === 'log' || method === 'beat').map(({ params }) => params)
    expect(said).toContainEqual({ agent: first, level: 'info', message: 'a word', fields: { seen: 2 } })
    expect(said).toContainEqual({ agent: first, level: 'warn', message: 'printed a word' })
    expect(said).toContainEqual({ agent: first, progress: 'half' })
  })

  it('sees the language and its context, and nothing of the process', async () => {
    const globals = (await resultOf(first, 'globals')) as readonly string[]
    for (const name of ['process', 'require', 'fetch', 'Buffer', 'WebAssembly', 'global'])
      expect(globals).not.toContain(name)
    expect(await resultOf(first, 'escape')).toEqual({
      process: 'undefined',
      viaFunction: 'undefined',
      viaContext: 'undefined',
    })
    expect(errorOf(await run(first, 'import'))['message']).toContain('node:fs is not here')
  })

  it('pays, shares and locks through its sitter, as itself', async () => {
    const asked: Heard[] = []
    ear.reply = (heard) => {
      asked.push(heard)
      const answers: Readonly<Record<string, unknown>> = {
        settle: { settlement: 'set_1', state: 'settled' },
        'state.get': { name: 'shelf', value: null, version: 3 },
        'state.put': { name: 'shelf', value: { a: 1 }, version: 4 },
        'lock.take': { name: 'door', fence: 9, leaseMs: 1_000 },
        'lock.free': { freed: true },
      }
      heard.answer({ result: answers[heard.method] ?? null })
    }
    onTestFinished(() => {
      ear.reply = (heard) => heard.answer({ result: null })
    })
    const payment = { reference: 'r1', payee: 'p', amount: '1.00', currency: 'XTS' }
    expect(await resultOf(first, 'settle', payment)).toEqual({ settlement: 'set_1', state: 'settled' })
    expect(asked[0]).toMatchObject({ method: 'settle', params: { agent: first, ...payment } })
    expect(await resultOf(second, 'state')).toEqual([{ name: 'shelf', value: { a: 1 }, version: 4 }, 9, true])
    expect(asked.find(({ method }) => method === 'state.put')?.params).toMatchObject({ agent: second, version: 3 })
  })

  it('parks when its payment needs a person, whether or not it catches that', async () => {
    ear.reply = (heard) =>
      heard.answer({
        result: heard.method === 'settle' ? { settlement: 'set_2', state: 'unknown', reason: 'lost' } : null,
      })
    onTestFinished(() => {
      ear.reply = (heard) => heard.answer({ result: null })
    })
    const { method, params } = await run(first, 'settle', { reference: 'r2', payee: 'p', amount: '1', currency: 'XTS' })
    expect([method, params['reason']]).toEqual(['park', 'approval'])
    expect(await run(first, 'park')).toMatchObject({ method: 'park', params: { reason: 'signal', until: 1_000 } })
  })

  it('reaches upstreams through the gate alone, in its own name', async () => {
    const seen: (string | undefined)[] = []
    const gate = createServer((request, response) => {
      seen.push(`${request.method} ${request.url} ${String(request.headers['x-sitter-agent'])}`)
      request.resume()
      request.on('end', () => response.end(request.url?.includes('large') ? 'x'.repeat(3_000_000) : '{"an":"answer"}'))
    })
    await new Promise<void>((resolve) => gate.listen(join(yard.directory, 'vm', 'gate.sock'), resolve))
    onTestFinished(() => void gate.close())
    expect(await resultOf(first, 'fetch', { path: '/v1/x', how: 'text' })).toEqual([200, '{"an":"answer"}'])
    expect(seen).toEqual([`POST /bank/v1/x ${first}`])
    expect(errorOf(await run(first, 'fetch', { path: '/large', how: 'text' }))).toMatchObject({ code: 'too-large' })
    expect(await resultOf(first, 'fetch', { path: '/large', how: 'parts' })).toEqual([200, 3_000_000])
  })

  it('opens no WebSockets, and says so', async () => {
    expect(errorOf(await run(first, 'socket'))).toMatchObject({ code: 'unknown-method', kind: 'permanent' })
  })

  it('says which part is done and what is left', async () => {
    const error = errorOf(await run(first, 'part'))
    expect(error).toMatchObject({ kind: 'transient', partial: { done: [1, 2], rest: [3, 4] } })
  })

  it('fails with its own words, stack, kind and code', async () => {
    const error = errorOf(await run(first, 'fail'))
    expect(error).toMatchObject({
      name: 'TaskFailure',
      message: 'the bank is closed',
      kind: 'permanent',
      code: 'closed',
    })
    expect(error['stack']).toContain('vm-witness.ts')
  })

  it('gives up when its attempt is cancelled', async () => {
    const attempt = `att_${(count += 1)}`
    cell.send([runOf(first, attempt, 'abort')])
    cell.send([{ jsonrpc: '2.0', method: 'cancel', params: { agent: first, attempt, reason: 'enough' } }])
    expect(errorOf(await endOf(attempt))).toMatchObject({ message: 'enough', kind: 'interrupted' })
  })

  it('is refused what no frame of the sitter would take, and lives', async () => {
    expect(errorOf(await run(first, 'large'))).toMatchObject({ code: 'too-large', kind: 'permanent' })
    expect(errorOf(await run(first, 'deep'))).toMatchObject({ code: 'too-large', kind: 'permanent' })
    expect(await resultOf(first, 'count')).toBe(3)
    expect(ear.refused).toEqual([])
  })

  it.each([
    ['an endless loop', 'loop', 'vm-slice', 'more than its slice of 100 ms'],
    ['endless microtasks', 'microtasks', 'vm-slice', 'more than its slice of 100 ms'],
    ['a leak', 'leak', 'vm-memory', 'more than its 8 MB'],
    ['an error that nobody awaits', 'stray', undefined, 'nobody awaits me'],
    ['an error in a timer', 'throw-in-timer', undefined, 'thrown in a timer'],
    ['a flood of words', 'flood', 'vm-slice', 'interrupted'],
  ])('ends alone with %s, which names it, and lives again in a new machine', async (_what, task, code, words) => {
    const { pid } = cell.identity
    const before = await resultOf(second, 'count')
    const broken = ear.heard.filter(({ method }) => method === 'agent.broken').length
    const error = errorOf(await run(first, task))
    expect(error['code']).toBe(code)
    expect(error['message']).toContain(words)
    const told = ear.heard.filter(({ method }) => method === 'agent.broken').slice(broken)
    expect(told.map(({ params }) => params['agent'])).toEqual([first])
    expect(await resultOf(second, 'count')).toBe(Number(before) + 1)
    reseat(first, (count += 1))
    expect(await resultOf(first, 'count')).toBe(1)
    expect([cell.identity.pid, ear.ends]).toEqual([pid, []])
  })

  it('takes deep recursion as an error, and lives', async () => {
    expect(errorOf(await run(first, 'recursion'))).toMatchObject({ name: 'RangeError' })
    expect(await resultOf(first, 'count')).toBe(2)
  })

  it('keeps its neighbours waiting for a few slices at most, while it does its worst with timers', async () => {
    const attempt = `att_${(count += 1)}`
    cell.send([runOf(first, attempt, 'timers')])
    await ear.until(() => ear.heard.find(({ params }) => params['message'] === 'the timers are set'))
    // Each of its timers takes most of a slice, and all are due at once.
    for (let asked = 0; asked < 3; asked += 1) {
      await resultOf(second, 'count')
      const pong = (await cell.ask('ping', { nonce: 'n' }, 5_000)) as { readonly agents: readonly string[] }
      expect(pong.agents).toContain(second)
    }
    expect(ear.heard.some(({ params }) => params['attempt'] === attempt && params['result'] !== undefined)).toBe(false)
    cell.send([{ jsonrpc: '2.0', method: 'unseat', params: { agents: [first] } }])
  })
})

describe('an agent that holds its host in what the engine cannot interrupt', () => {
  beforeEach(async () => {
    yard = await openYard()
  })
  afterEach(() => yard.clear())

  it('is named by the thread that watches it when its host is ended', async () => {
    ;({ cell, ear } = await yard.start('vm', { kind: 'vm', module, watched: true }))
    await ear.ready()
    await resultOf(first, 'count')
    cell.send([runOf(second, 'blind', 'blind')])
    await ear.until(() => ear.heard.find(({ params }) => params['message'] === 'it walks'))
    // It says so before it walks, so that the first challenges may be answered. One that is not gets twice the time that
    // the watch needs to see that the loop is held, and to say so.
    const isAnswered = (): Promise<boolean> =>
      cell.ask('ping', { nonce: 'n' }, 2_000).then(
        () => true,
        () => false,
      )
    while (await isAnswered());
    cell.kill('silent', 'ask')
    const { witness } = await ear.gone()
    expect(witness).toMatchObject({ kind: 'blocked', agent: second, source: 'watch' })
  })
})

describe('an agent that sleeps', () => {
  beforeEach(async () => {
    yard = await openYard()
    ;({ cell, ear } = await yard.start('one', { kind: 'vm', module }))
    await ear.ready()
  })
  afterEach(() => yard.clear())

  const sleepHere = async (agent: string): Promise<Readonly<Record<string, unknown>>> =>
    (await cell.ask('sleep', { agent }, 5_000)) as Readonly<Record<string, unknown>>

  it('is a snapshot of a tenth of its size, and goes on where it was when work comes', async () => {
    await resultOf(first, 'count')
    const asleep = await sleepHere(first)
    expect(asleep).toMatchObject({ agent: first, parts: 0, waiting: 0, dueInMs: null })
    expect(asleep['bytes']).toBeLessThan(300_000)
    expect(await resultOf(first, 'count')).toBe(2)
    await sleepHere(first)
    expect(await cell.ask('wake', { agent: first }, 5_000)).toMatchObject({ agent: first, anew: null })
    expect(await resultOf(first, 'count')).toBe(3)
  })

  it('sleeps with a task in hand, and is woken by its timer', async () => {
    await resultOf(first, 'count')
    const attempt = `att_${(count += 1)}`
    cell.send([runOf(first, attempt, 'wait', { ms: 300 })])
    const asleep = await sleepHere(first)
    expect(asleep['dueInMs']).toBeGreaterThan(0)
    expect(asleep['dueInMs']).toBeLessThanOrEqual(300)
    expect((await endOf(attempt)).params['result']).toBe('waited')
  })

  it('sleeps while its sitter thinks about a payment, and is woken by the answer', async () => {
    ear.reply = (heard) => {
      if (heard.method !== 'settle') heard.answer({ result: null })
    }
    const attempt = `att_${(count += 1)}`
    cell.send([runOf(first, attempt, 'settle', { reference: 'r', payee: 'p', amount: '1', currency: 'XTS' })])
    const settle = await ear.frame('settle')
    expect(await sleepHere(first)).toMatchObject({ waiting: 1 })
    settle.answer({ result: { settlement: 'set_9', state: 'settled' } })
    expect((await endOf(attempt)).params['result']).toEqual({ settlement: 'set_9', state: 'settled' })
  })

  it('leaves its host, is kept by the sitter, and goes on in another host with its timer still to come', async () => {
    await resultOf(first, 'keep')
    const sleeper = await cell.sleep!(first, soon)
    expect(sleeper.dueInMs).toBeGreaterThan(0)
    expect(errorOf(await run(first, 'count'))).toMatchObject({ code: 'not-your-agent' })

    const directory = join(yard.directory, 'asleep')
    const beds = await openBeds({ directory, mostBytes: 1_000_000 })
    const hash = await beds.put(sleeper)
    expect(await readdir(directory)).toEqual(['villain.0001.asleep'])
    const again = await openBeds({ directory, mostBytes: 1_000_000 })
    expect(again.bytes).toBe(sleeper.snapshot.length)

    const other = await yard.start('two', { kind: 'vm', module, seats: [] })
    await other.ear.ready()
    ;({ cell, ear } = { cell: other.cell, ear: other.ear })
    cell.wake!({ ...seats(1)[0]!, epoch: 2 }, await again.get(first, hash))
    expect((await ear.frame('agent.woken')).params).toMatchObject({ agent: first, anew: null })
    expect(await resultOf(first, 'kept')).toBe('kept 1')
    expect(ear.heard.some(({ params }) => params['message'] === 'started')).toBe(false)
  })

  it('is not taken out of its host while it has work in hand or waits for an answer', async () => {
    ear.reply = null
    cell.send([runOf(first, 'held', 'wait', { ms: 60_000 })])
    await expect(cell.sleep!(first, soon)).rejects.toMatchObject({ code: 'conflict' })
    await expect(cell.sleep!('villain/0099', soon)).rejects.toMatchObject({ code: 'not-your-agent' })
  })

  it.each([
    [
      'was damaged',
      (bytes: Uint8Array) => bytes.map((byte, at) => (at === bytes.length - 9 ? byte ^ 1 : byte)),
      'damaged',
    ],
    ['was cut short', (bytes: Uint8Array) => bytes.subarray(0, 1_000), 'damaged'],
    ['is of another build', (bytes: Uint8Array) => replaced(bytes, 'quickjs-wasi ', 'quickjs-wasm '), 'another engine'],
    ['is of other code', (bytes: Uint8Array) => replaced(bytes, '"greeting', '"grieving'), 'has changed'],
  ])('begins anew when its snapshot %s, and says why', async (_what, harm, why) => {
    await resultOf(first, 'count')
    const { snapshot } = await cell.sleep!(first, soon)
    cell.wake!({ ...seats(1)[0]!, epoch: 2 }, harm(snapshot))
    expect((await ear.frame('agent.woken')).params['anew']).toContain(why)
    expect(await resultOf(first, 'count')).toBe(1)
    expect(ear.ends).toEqual([])
  })

  it('stays when its next timer comes before it is worth it, and is given with what it still had later', async () => {
    await resultOf(first, 'keep')
    await expect(cell.sleep!(first, { withinMs: 5_000, leastMs: 1_000 })).rejects.toMatchObject({ code: 'conflict' })
    // It sleeps in its host meanwhile: what its timer has left is counted when it goes.
    const { dueInMs } = await cell.sleep!(first, soon)
    expect(dueInMs).toBeLessThanOrEqual(200)
  })

  it('cannot sleep in a pool', async () => {
    const pool = await yard.start('pool', {})
    await pool.ear.ready()
    await expect(pool.cell.sleep!(first, soon)).rejects.toMatchObject({ code: 'unknown-method' })
  })
})

/** In the head of a snapshot, which is text. */
const replaced = (bytes: Uint8Array, from: string, to: string): Uint8Array =>
  Buffer.from(
    Buffer.from(bytes).toString('latin1').replace(from, to).replace(from.replace('"', '\\"'), to.replace('"', '\\"')),
    'latin1',
  )
