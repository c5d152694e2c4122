/** What becomes of an agent's calls while its gate is away: killed, and started again. */
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, createServer as createNetServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { gateFetch } from '../../src/cell/pool/gatefetch.ts'

let socketPath: string
beforeEach(() => {
  const directory = mkdtempSync(join(tmpdir(), 'away-'))
  socketPath = join(directory, 'gate.sock')
  onTestFinished(() => rmSync(directory, { recursive: true }))
})

type Handle = (request: IncomingMessage, response: ServerResponse) => void

const gate = async (handle: Handle, backlog?: number): Promise<Server> => {
  const server = createServer(handle)
  rmSync(socketPath, { force: true })
  await once(server.listen({ path: socketPath, backlog }), 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return server
}

/** A socket file at which nobody listens, as a gate that was killed leaves it. */
const leaveSocket = async (): Promise<void> => {
  const elsewhere = `${socketPath}.moved`
  const server = createNetServer()
  await once(server.listen(elsewhere), 'listening')
  renameSync(elsewhere, socketPath)
  server.close()
}

const ask = (fetch: ReturnType<typeof gateFetch>, method: string, signal = new AbortController().signal) =>
  fetch({ agent: 'a/0001', epoch: 1, attempt: null, upstream: 'bank', path: '/v1/x', init: { method }, signal })

test('what finds nobody there is sent when a gate listens again, once each', async () => {
  const fetch = gateFetch(socketPath)
  await leaveSocket()
  const calls = ['GET', 'POST', 'POST'].map((method) => ask(fetch, method))
  const seen: string[] = []
  // As long as they need to find that out.
  for (let time = 0; time < 3; time += 1) await once(connect(socketPath), 'error')
  await gate(({ method }, response) => {
    seen.push(method!)
    response.end('ok')
  })
  expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200, 200])
  expect(seen.toSorted()).toEqual(['GET', 'POST', 'POST'])
})

test('what finds more before it than the gate can hear waits as well', async () => {
  await gate((_, response) => response.end('ok'), 1)
  // On a busy machine the turns of them all may take some time.
  const fetch = gateFetch(socketPath, 60_000)
  const calls = Array.from({ length: 10 }, () => ask(fetch, 'POST'))
  expect((await Promise.all(calls)).map(({ status }) => status)).toEqual(calls.map(() => 200))
})

test('what a gate had not taken in when it died is sent to the next one', async () => {
  const first = await gate((_, response) => response.end('the first'))
  const call = ask(gateFetch(socketPath), 'POST')
  // Before anything else is done in this process: it stands at the socket, and no more.
  first.close()
  await gate((_, response) => response.end('the second'))
  expect(await (await call).text()).toBe('the second')
})

test('a read that was under way is asked once more; what may have changed something is unknown, and is not', async () => {
  const fetch = gateFetch(socketPath)
  const seen: string[] = []
  const first = await gate(({ method }) => {
    seen.push(method!)
    if (seen.length < 2) return
    // As the kernel does with those of a process that is killed.
    first.closeAllConnections()
    first.close()
  })
  const [read, write] = [ask(fetch, 'GET'), ask(fetch, 'POST')]
  await expect(write).rejects.toMatchObject({ code: 'outcome-unknown', kind: 'unknown' })
  await gate(({ method }, response) => {
    seen.push(`${method} again`)
    response.end('ok')
  })
  expect((await read).status).toBe(200)
  expect(seen.toSorted()).toEqual(['GET', 'GET again', 'POST'])
})

test('a read that is cut twice is no more asked', async () => {
  let times = 0
  await gate((request) => {
    times += 1
    request.socket.destroy()
  })
  await expect(ask(gateFetch(socketPath), 'GET')).rejects.toMatchObject({ code: 'gate-lost', kind: 'transient' })
  expect(times).toBe(2)
})

test('who gives up while it waits for a gate is told at once', async () => {
  const giving = new AbortController()
  const call = ask(gateFetch(socketPath), 'GET', giving.signal)
  const fromMs = performance.now()
  giving.abort()
  await expect(call).rejects.toMatchObject({ name: 'AbortError' })
  expect(performance.now() - fromMs).toBeLessThan(2_000)
})

test('a gate that stays away is waited for no longer than that, also by who comes while others wait', async () => {
  await leaveSocket()
  const fetch = gateFetch(socketPath, 100)
  const first = ask(fetch, 'POST')
  const ends = [expect(first).rejects.toMatchObject({ code: 'gate-lost', kind: 'transient' })]
  for (let time = 0; time < 3; time += 1) await once(connect(socketPath), 'error')
  const second = ask(fetch, 'GET')
  ends.push(expect(second).rejects.toMatchObject({ code: 'gate-lost', kind: 'transient' }))
  await Promise.all(ends)
})
