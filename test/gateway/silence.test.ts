/** How long an exchange may be silent, by a clock that is moved: what gets on lives, what falls silent is lost. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { openOutbound } from '../../src/gateway/outbound.ts'
import { movedClock } from '../worlds/clock.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const timeoutMs = 1_000

test('a stream that says something within its timeout goes on for many of them, and is lost when it falls silent', async () => {
  const answering = Promise.withResolvers<ServerResponse>()
  const server = createServer((_request, response) => {
    response.writeHead(200).flushHeaders()
    answering.resolve(response)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const clock = movedClock()
  const outbound = openOutbound({ url: `http://${host}`, grant: [host] }, clock)
  closing.push(
    () => server.close(),
    () => outbound.close(),
  )
  let heard: () => void = () => {}
  const next = (): Promise<void> =>
    new Promise((resolve) => {
      heard = resolve
    })
  const head = next()
  const flow = outbound.send(
    { method: 'GET', target: '/', headers: [], body: null, timeoutMs },
    {
      started: () => {},
      head: () => heard(),
      data: () => {
        heard()
        return true
      },
    },
  )
  await head
  const response = await answering.promise
  for (let told = 0; told < 5; told += 1) {
    await clock.move(timeoutMs - 1)
    const data = next()
    response.write('.')
    await data
  }
  let isOver = false
  void flow.ended.then(() => {
    isOver = true
  })
  await clock.move(timeoutMs - 1)
  expect(isOver).toBe(false)
  await clock.move(1)
  expect(await flow.ended).toMatchObject({ kind: 'lost', code: 'timed-out' })
})
