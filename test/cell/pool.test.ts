import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { canDieWithParent } from '../../src/std/real/real.ts'
import { openYard, runOf, seats, villain, type Yard } from './harness.ts'

let yard: Yard
beforeEach(async () => {
  yard = await openYard()
})
afterEach(() => yard.clear())

interface Pong {
  readonly nonce: string
  readonly agents: readonly string[]
  readonly open: readonly { readonly attempt: string }[]
}

test('A hundred agents in one host answer a challenge with the list of them all, again and again', async () => {
  const { cell, ear } = await yard.start('cel_1', { seats: seats(100) })
  await ear.ready()
  const pongs = await Promise.all(
    ['n1', 'n2', 'n3'].map((nonce) => cell.ask('ping', { nonce }, 5_000) as Promise<Pong>),
  )
  const all = seats(100).map((seat) => seat.agent)
  expect(pongs).toEqual(['n1', 'n2', 'n3'].map((nonce) => ({ nonce, agents: all, open: [] })))
  expect(yard.ports.proc.startTime(cell.identity.pid)).toBe(cell.identity.startTime)
})

test('Work goes in as run and comes back as done, from the process that the cell says it is', async () => {
  const { cell, ear } = await yard.start('cel_1')
  await ear.ready()
  cell.send([runOf('villain/0002', 'att_1', 'echo', { text: 'hi' })])
  const { params } = await ear.frame('done')
  expect(params).toEqual({
    agent: 'villain/0002',
    attempt: 'att_1',
    result: {
      agent: 'villain/0002',
      said: 'hi',
      task: { id: 'tsk_att_1', type: 'echo', attempt: 'att_1', number: 1, deadline: null, key: 'key-att_1' },
      config: { greeting: 'hello' },
      pid: cell.identity.pid,
    },
  })
})

const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)])

test.each([
  ['of 262,144 bytes', { text: 'x'.repeat(262_144 - '{"text":""}'.length) }],
  ['of 262,144 bytes, as deep as it may be', [nested(63), 'x'.repeat(262_144 - 132)]],
  ['that nests 63 levels', nested(63)],
  ['that nests 64 levels', nested(64)],
])('A payload %s, which the sitter takes, reaches its agent with all that is around it', async (_, payload) => {
  const { cell, ear } = await yard.start('cel_1')
  await ear.ready()
  const { params } = runOf('villain/0001', 'att_1', 'measure', payload)
  cell.send([{ jsonrpc: '2.0', method: 'run', params: { ...params, key: '"'.repeat(255) } }])
  const bytes = Buffer.byteLength(JSON.stringify(payload))
  expect((await ear.frame('done', 'att_1')).params['result']).toBe(bytes)
})

test('Work that is sent the moment a cell is ready reaches its agents', async () => {
  const { cell, ear } = await yard.start('cel_1', { seats: seats(50) })
  await ear.ready()
  cell.send(seats(50).map((seat) => runOf(seat.agent, `att_${seat.agent}`, 'echo')))
  await ear.until(() => (ear.heard.length >= 50 ? true : undefined))
  expect(ear.heard.filter((heard) => heard.method === 'done')).toHaveLength(50)
})

test.each([
  ['throwInTimer', 'thrown in a timer'],
  ['throwInMicrotask', 'thrown in a microtask'],
  ['floatingPromise', 'nobody awaits me'],
])(
  '%s of one agent fails that agent alone, with its stack; its cell-mates go on in the same process',
  async (type, message) => {
    const { cell, ear } = await yard.start('cel_1')
    await ear.ready()
    cell.send([
      runOf('villain/0001', 'att_1', type),
      runOf('villain/0002', 'att_2', 'patient'),
      runOf('villain/0003', 'att_3', 'echo', { waitMs: 300 }),
    ])
    const failed = await ear.frame('fail', 'att_1')
    expect(failed.params['error']).toMatchObject({
      message,
      stack: expect.stringContaining('villains/witness.ts') as string,
    })
    expect((await ear.frame('agent.broken')).params).toMatchObject({ agent: 'villain/0001', error: { message } })
    expect((await ear.frame('done', 'att_3')).params['result']).toMatchObject({ pid: cell.identity.pid })
    expect(await cell.ask('ping', { nonce: 'n' }, 5_000)).toEqual({
      nonce: 'n',
      agents: ['villain/0002', 'villain/0003'],
      open: [{ agent: 'villain/0002', attempt: 'att_2' }],
    })
    expect(ear.heard.filter((heard) => heard.method === 'agent.broken')).toHaveLength(1)
    // The next life of the broken agent, in the same process.
    cell.send([
      { jsonrpc: '2.0', method: 'seat', params: { seats: seats(1, 2) } },
      runOf('villain/0001', 'att_4', 'echo'),
    ])
    expect((await ear.frame('done', 'att_4')).params['result']).toMatchObject({ pid: cell.identity.pid })
  },
)

test('process.exit of one agent is an error of that agent', async () => {
  const { cell, ear } = await yard.start('cel_1')
  await ear.ready()
  cell.send([runOf('villain/0001', 'att_1', 'exit')])
  const failed = await ear.frame('fail', 'att_1')
  expect(failed.params['error']).toMatchObject({
    message: expect.stringMatching(/^process\.exit would end the other agents/) as string,
  })
  expect(await cell.ask('ping', { nonce: 'n' }, 5_000)).toMatchObject({ agents: seats(3).map((seat) => seat.agent) })
})

test('A host that ends by itself is told once, with its exit code', async () => {
  const { cell, ear } = await yard.start('cel_1')
  await ear.ready()
  cell.send([runOf('villain/0001', 'att_1', 'die')])
  const asked = cell.ask('ping', { nonce: 'n' }, 60_000)
  await expect(asked).rejects.toMatchObject({ code: 'cell-lost' })
  expect(await ear.gone()).toMatchObject({ cause: 'exit', end: { code: 3, signal: null } })
  cell.kill('too late')
  cell.send([runOf('villain/0001', 'att_2', 'echo')])
  await expect(cell.ask('ping', { nonce: 'n' }, 1_000)).rejects.toMatchObject({ code: 'cell-lost' })
  expect(ear.ends).toHaveLength(1)
  expect(await yard.ports.disk.exists(yard.plan('cel_1').directory)).toBe(false)
})

test('An endless loop answers no challenge, and SIGKILL ends it', async () => {
  const { cell, ear } = await yard.start('cel_1', { module: villain('stubborn') })
  await ear.ready()
  cell.send([runOf('villain/0001', 'att_1', 'loop')])
  await expect(cell.ask('ping', { nonce: 'n' }, 300)).rejects.toMatchObject({ code: 'timed-out' })
  cell.kill('it does not answer')
  expect(await ear.gone()).toMatchObject({
    cause: 'killed-by-us',
    detail: 'it does not answer (signal SIGKILL)',
    end: { code: null, signal: 'SIGKILL' },
  })
  expect(yard.ports.proc.startTime(cell.identity.pid)).toBeUndefined()
})

test('A host that somebody else kills, or that runs out of memory, is told as killed', async () => {
  const first = await yard.start('cel_1')
  const second = await yard.start('cel_2', { memoryMb: 32 })
  await Promise.all([first.ear.ready(), second.ear.ready()])
  process.kill(first.cell.identity.pid, 'SIGKILL')
  expect(await first.ear.gone()).toMatchObject({ cause: 'killed', end: { signal: 'SIGKILL' } })
  second.cell.send([runOf('villain/0001', 'att_1', 'leak')])
  expect(await second.ear.gone()).toMatchObject({ cause: 'killed', detail: expect.stringMatching(/heap/i) as string })
})

test('What agents print becomes log lines of theirs, and a flood of them drowns nobody', async () => {
  const { cell, ear } = await yard.start('cel_1')
  await ear.ready()
  const begunMs = performance.now()
  cell.send([runOf('villain/0001', 'att_1', 'print'), runOf('villain/0002', 'att_2', 'chatter')])
  await Promise.all([ear.frame('done', 'att_1'), ear.frame('done', 'att_2')])
  const printed = ear.heard.filter((heard) => heard.method === 'log' && heard.params['agent'] === 'villain/0001')
  expect(printed.map((heard) => [heard.params['level'], heard.params['message']])).toEqual([
    ['info', 'printed by an agent'],
    ['error', 'and an error'],
  ])
  // Its burst of 100 and its end; 20 a second more, and one that tells of the dropped ones, for as long as it took.
  const more = Math.ceil(((performance.now() - begunMs) / 1_000) * 20) * 2
  const heard = ear.heard.filter((one) => one.params['agent'] === 'villain/0002').length
  expect(heard).toBeGreaterThanOrEqual(101)
  expect(heard).toBeLessThanOrEqual(101 + more)
  expect(ear.refused).toEqual([])
})

test('An agent asks to settle and gets the answer; refused, it gets the code', async () => {
  const { cell, ear } = await yard.start('cel_1')
  ear.reply = (heard) => {
    if (heard.method !== 'settle') heard.answer({ result: null })
    else if (heard.params['reference'] === 'good') heard.answer({ result: { settlement: 'set_1', state: 'settled' } })
    else heard.answer({ error: new Error('the record is closed') })
  }
  await ear.ready()
  cell.send([
    runOf('villain/0001', 'att_1', 'settle', { reference: 'good' }),
    runOf('villain/0002', 'att_2', 'settle', { reference: 'bad' }),
  ])
  expect((await ear.frame('done', 'att_1')).params['result']).toEqual({ settlement: 'set_1', state: 'settled' })
  expect((await ear.frame('fail', 'att_2')).params['error']).toMatchObject({
    code: 'bug',
    message: 'the record is closed',
  })
})

test('An agent reaches its upstream through the gate socket of its cell, by name', async () => {
  const { cell, ear } = await yard.start('cel_1')
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (part) => (body += String(part)))
    request.on('end', () => {
      const { method, url, headers } = request
      response.setHeader('content-type', 'application/json')
      response.end(
        JSON.stringify({
          method,
          url,
          agent: headers['x-sitter-agent'],
          life: [headers['x-sitter-epoch'], headers['x-sitter-attempt']],
          type: headers['content-type'],
          body,
        }),
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(yard.plan('cel_1').gateSocket, resolve))
  await ear.ready()
  cell.send([
    runOf('villain/0001', 'att_1', 'fetch', { path: '/v1/payouts?key=k' }),
    runOf('villain/0002', 'att_2', 'fetch', { path: '/v1/notes', body: { a: 1 } }),
  ])
  expect((await ear.frame('done', 'att_1')).params['result']).toEqual({
    status: 200,
    json: { method: 'GET', url: '/northbank/v1/payouts?key=k', agent: 'villain/0001', life: ['1', 'att_1'], body: '' },
  })
  expect((await ear.frame('done', 'att_2')).params['result']).toMatchObject({
    json: { method: 'POST', url: '/northbank/v1/notes', type: 'application/json', body: '{"a":1}' },
  })
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  cell.send([runOf('villain/0003', 'att_3', 'fetch', { path: '/v1/payouts' })])
  expect((await ear.frame('fail', 'att_3')).params['error']).toMatchObject({ code: 'gate-lost', kind: 'transient' })
})

test('A WebSocket goes by the same way, in the agent’s name, and one that is left open ends with its attempt', async () => {
  const { cell, ear } = await yard.start('cel_1')
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: ([name]) => name ?? false })
  const server = createServer()
  const ends: Promise<string>[] = []
  const asked: string[] = []
  server.on('upgrade', (request, socket, head) => {
    asked.push(`${request.url} ${String(request.headers['x-sitter-agent'])}`)
    sockets.handleUpgrade(request, socket, head, (far) => {
      far.on('message', (data, isBinary) => far.send(data as Buffer, { binary: isBinary }))
      ends.push(once(far, 'close').then(([code, reason]) => `${code} ${String(reason)}`))
    })
  })
  await new Promise<void>((resolve) => server.listen(yard.plan('cel_1').gateSocket, resolve))
  await ear.ready()
  cell.send([
    runOf('villain/0001', 'att_1', 'socket', { say: ['a', 'b'] }),
    runOf('villain/0002', 'att_2', 'socket', { say: ['c'], leave: true }),
  ])
  expect((await ear.frame('done', 'att_1')).params['result']).toEqual({
    heard: ['a', 'b', { code: 1000, reason: 'thanks' }],
    protocol: 'plain',
  })
  expect((await ear.frame('done', 'att_2')).params['result']).toEqual({ heard: ['c'], protocol: 'plain' })
  expect((await Promise.all(ends)).toSorted()).toEqual(['1000 thanks', '1000 the attempt has ended'])
  expect(asked.toSorted()).toEqual(['/northbank/v1/stream villain/0001', '/northbank/v1/stream villain/0002'])
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

test('A call that comes before the gate has made the socket waits for it', async () => {
  const { cell, ear } = await yard.start('cel_1')
  await ear.ready()
  cell.send([runOf('villain/0001', 'att_1', 'fetch', { path: '/v1/payouts' })])
  // It answers in order: by now the call has been made, and has found no socket.
  await cell.ask('ping', { nonce: 'n' }, 5_000)
  const server = createServer((_request, response) => response.end('{}'))
  await new Promise<void>((resolve) => server.listen(yard.plan('cel_1').gateSocket, resolve))
  expect((await ear.frame('done', 'att_1')).params['result']).toEqual({ status: 200, json: {} })
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

test('A module that cannot be loaded ends the start, and the end says why', async () => {
  const { ear } = await yard.start('cel_1', { module: villain('nowhere') })
  expect(await ear.gone()).toMatchObject({
    cause: 'start-failed',
    detail: expect.stringMatching(/exit code 78.*nowhere\.ts/s) as string,
  })
  // The next cell of the module does not wait for the one that failed.
  const again = await yard.start('cel_2', { module: villain('nowhere') })
  expect(await again.ear.gone()).toMatchObject({ cause: 'start-failed' })
})

test('A host that does not say hello in time is ended as a failed start', async () => {
  const { ear } = await yard.start('cel_1', { startWithinMs: 1 })
  expect(await ear.gone()).toMatchObject({ cause: 'start-failed', detail: 'no hello within 1 ms (signal SIGKILL)' })
})

test('A socket path that no Unix socket can have is refused before anything is started', async () => {
  const sitterSocket = `/tmp/${'x'.repeat(100)}/sitter.sock`
  await expect(yard.start('cel_1', { sitterSocket })).rejects.toMatchObject({ code: 'cell-start' })
})

test('A program that cannot be started rejects the start', async () => {
  const own = await openYard({ node: '/nowhere/node' })
  await expect(own.start('cel_1').then(({ ear }) => ear.gone()))
    .rejects.toMatchObject({ code: 'cell-start' })
    .catch((error: unknown) => {
      // With setpriv the missing program is seen by it: the start succeeds and the cell ends at once.
      if (!canDieWithParent) throw error
    })
  await own.clear()
})
