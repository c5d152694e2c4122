/** What a hand-made client can do to the sitter through a cell's socket. The process of the cell is a mute program. */
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { realProc } from '../../src/std/real/real.ts'
import { toLine, type Frame } from '../../src/wire/wire.ts'
import { openYard, villain, type Ear, type Yard } from './harness.ts'

let yard: Yard
let ear: Ear
let send: (frames: readonly Frame[]) => void
let clients: Client[] = []

interface Answer {
  readonly id: unknown
  readonly result?: { readonly seats: readonly unknown[] }
  readonly error?: { readonly message: string; readonly data: { readonly code: string } }
}

class Client {
  readonly socket: Socket
  readonly answers: Answer[] = []
  readonly closed: Promise<void>
  #look: () => void = () => {}

  constructor(path: string) {
    this.socket = connect(path)
    this.socket.on('error', () => {
      /* being cut off while writing is what is tested */
    })
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()))
    const lines = createInterface({ input: this.socket, terminal: false })
    lines.on('error', () => {
      /* as above */
    })
    lines.on('line', (line) => {
      this.answers.push(JSON.parse(line) as Answer)
      this.#look()
    })
  }

  put(...frames: readonly (object | string)[]): void {
    this.socket.write(frames.map((frame) => (typeof frame === 'string' ? frame : toLine(frame))).join(''))
  }

  hello(change: object = {}): void {
    const params = { protocol: 1, agents: [], tasks: [], version: 't', open: [], ...change }
    this.put({ jsonrpc: '2.0', id: 1, method: 'hello', params })
  }

  until(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#look = () => {
        if (this.answers.length >= count) resolve()
      }
      this.#look()
    })
  }
}

const newClient = (): Client => {
  const client = new Client(yard.plan('cel_1').sitterSocket)
  clients.push(client)
  return client
}

const greeted = async (): Promise<Client> => {
  const client = newClient()
  client.hello()
  await client.until(1)
  return client
}

beforeEach(async () => {
  const proc = realProc()
  yard = await openYard({ proc: { ...proc, spawn: (options) => proc.spawn({ ...options, args: [villain('mute')] }) } })
  const started = await yard.start('cel_1')
  ear = started.ear
  send = (frames) => started.cell.send(frames)
})
afterEach(async () => {
  for (const client of clients) client.socket.destroy()
  clients = []
  await yard.clear()
})

test('A client that says hello gets the seats, and a second client is turned away', async () => {
  const first = await greeted()
  expect(first.answers[0]?.result?.seats).toHaveLength(3)
  expect(ear.readies).toBe(1)
  const second = newClient()
  await second.closed
  expect(second.answers).toMatchObject([{ id: null, error: { data: { code: 'conflict' } } }])
  first.put({ jsonrpc: '2.0', id: 2, method: 'done', params: {} })
  await first.until(2)
  expect(first.answers[1]).toMatchObject({ id: 2, result: null })
})

test.each([
  ['another protocol', { protocol: 2 }, /it speaks protocol 2, this sitter speaks 1/],
  ['a wrong field', { tasks: 'all' }, /hello: tasks: must be a list/],
])('A hello with %s is answered with an error and ends the start', async (_what, change, why) => {
  const client = newClient()
  client.hello(change)
  expect(await ear.gone()).toMatchObject({ cause: 'start-failed', detail: expect.stringMatching(why) as string })
  await client.closed
  expect(client.answers[0]?.error?.message).toMatch(why)
  expect(ear.readies).toBe(0)
})

test('A first frame that is no hello reaches nobody', async () => {
  const client = newClient()
  client.put({ jsonrpc: '2.0', id: 7, method: 'done', params: { agent: 'villain/0001', attempt: 'att_1' } })
  expect(await ear.gone()).toMatchObject({ cause: 'start-failed' })
  expect(ear.heard).toEqual([])
})

test.each([
  ['garbage', 'this is no JSON\n', 'frame-invalid'],
  ['a list', '[1,2,3]\n', 'frame-invalid'],
  ['bytes that are no UTF-8', '\u0000', 'frame-invalid'],
  [
    'deep nesting',
    `{"jsonrpc":"2.0","method":"log","params":${'['.repeat(5_000)}${']'.repeat(5_000)}}\n`,
    'frame-too-deep',
  ],
  ['another protocol version', '{"jsonrpc":"1.0","id":3,"method":"log"}\n', 'frame-invalid'],
  ['a method that is no text', '{"jsonrpc":"2.0","id":3,"method":{"a":1}}\n', 'frame-invalid'],
  ['an id that is an object', '{"jsonrpc":"2.0","id":{},"method":"log"}\n', 'frame-invalid'],
])('%s is answered with an error, and the twentieth cuts the link', async (what, frame, code) => {
  const client = await greeted()
  const bytes = what.startsWith('bytes') ? Buffer.from([0xc3, 0x28, 0x0a]) : Buffer.from(frame)
  client.socket.write(bytes)
  await client.until(2)
  expect(client.answers[1]).toMatchObject({ error: { data: { code } } })
  client.put({ jsonrpc: '2.0', id: 9, method: 'done', params: {} })
  await client.until(3)
  expect(client.answers[2]).toMatchObject({ id: 9, result: null })
  for (let count = 0; count < 30; count += 1) client.socket.write(bytes)
  expect(await ear.gone()).toMatchObject({
    cause: 'link-lost',
    detail: expect.stringMatching(/20 of its frames were refused/) as string,
  })
  expect(ear.refused).toHaveLength(20)
  expect(ear.ends).toHaveLength(1)
})

test('A frame beyond 256 KiB is refused without being kept, whatever its length', async () => {
  const client = await greeted()
  const before = process.memoryUsage().rss
  const chunk = 'x'.repeat(1_048_576)
  for (let megabyte = 0; megabyte < 192; megabyte += 1) {
    if (!client.socket.write(chunk)) await new Promise((resolve) => client.socket.once('drain', resolve))
  }
  client.put('\n', { jsonrpc: '2.0', id: 5, method: 'done', params: {} })
  await client.until(3)
  expect(client.answers.slice(1)).toMatchObject([
    { id: null, error: { data: { code: 'frame-too-large' } } },
    { id: 5, result: null },
  ])
  // The client's own buffers are in this process too; what must not be there is the frame.
  expect(process.memoryUsage().rss - before).toBeLessThan(96 * 1_048_576)
})

test('A flood is dropped and counted, requests in it are told, and it is cut when it does not stop', async () => {
  const client = await greeted()
  const flood = toLine({ jsonrpc: '2.0', method: 'beat', params: { agent: 'villain/0001' } }).repeat(1_000)
  for (let count = 0; count < 6; count += 1) client.socket.write(flood)
  client.put({ jsonrpc: '2.0', id: 8, method: 'done', params: {} })
  await ear.until(() => ear.refused[0])
  expect(ear.refused[0]).toMatchObject({ code: 'frame-flood' })
  for (let count = 0; count < 30 && !client.socket.destroyed; count += 1) client.socket.write(flood)
  expect(await ear.gone()).toMatchObject({ cause: 'link-lost', detail: expect.stringMatching(/it floods/) as string })
  expect(ear.heard.length).toBeLessThan(9_000)
  expect(ear.refused).toHaveLength(3)
})

test('A client that does not read is ended when 8 MiB wait for it', async () => {
  const client = await greeted()
  client.socket.pause()
  const line: Frame = { jsonrpc: '2.0', method: 'run', params: { payload: 'x'.repeat(200_000) } }
  const pump = (): void => {
    if (ear.ends.length > 0) return
    send([line, line, line, line])
    setImmediate(pump)
  }
  pump()
  expect(await ear.gone()).toMatchObject({
    cause: 'link-lost',
    detail: expect.stringMatching(/it does not read/) as string,
  })
})

test('A closed connection ends a process that lives on', async () => {
  const client = await greeted()
  client.socket.destroy()
  expect(await ear.gone()).toMatchObject({ cause: 'link-lost', end: { signal: 'SIGKILL' } })
})

test('An error of the sitter is an answer, and answers are given once', async () => {
  ear.reply = (heard) => {
    if (heard.method === 'throw') throw new Error('a bug in a handler')
    heard.answer({ result: 1 })
    heard.answer({ result: 2 })
  }
  const client = await greeted()
  client.put({ jsonrpc: '2.0', id: 2, method: 'throw' }, { jsonrpc: '2.0', id: 3, method: 'twice' })
  client.put({ jsonrpc: '2.0', id: 4, method: 'hello', params: {} })
  await client.until(4)
  expect(client.answers.slice(1)).toMatchObject([
    { id: 2, error: { data: { code: 'bug' } } },
    { id: 3, result: 1 },
    { id: 4, error: { data: { code: 'conflict' } } },
  ])
})
