import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { streamBounds } from '../../../src/doors/http/event-stream.ts'
import { addEvents, openHouse, token, type TestHouse } from './house.ts'

/** Opens the stream; `until` reads on until the text has what it waits for. */
const open = async (
  house: TestHouse,
  headers: Record<string, string> = {},
  query = '',
): Promise<{ until(text: string): Promise<string>; close(): Promise<void> }> => {
  const stop = new AbortController()
  const answer = await house.call(`/api/v1/events${query}`, {
    headers: { accept: 'text/event-stream', ...headers },
    signal: stop.signal,
  })
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toContain('text/event-stream')
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader()
  let seen = ''
  return {
    until: async (text) => {
      // Megabytes come in thousands of pieces: what was looked through is not joined and looked through again.
      let unseen = seen
      while (!unseen.includes(text)) {
        const { value, done } = await reader.read()
        if (done) throw new Error(`the stream ended before ${text}: ${seen.slice(-300)}`)
        seen += value
        unseen = unseen.slice(-text.length) + value
      }
      return seen
    },
    close: async () => {
      stop.abort()
      await reader.closed.catch(() => {})
    },
  }
}
const idsOf = (text: string): number[] => [...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]))

test('a new client gets what happens from now on, a resumed one all that it missed, once and in order', async () => {
  await using house = await openHouse()
  await addEvents(house.store, 3)
  const fresh = await open(house)
  await fresh.until(': connected')
  await addEvents(house.store, 2)
  expect(idsOf(await fresh.until('id: 5'))).toEqual([4, 5])
  await fresh.close()
  await addEvents(house.store, 700)
  const resumed = await open(house, { 'last-event-id': '5' })
  await resumed.until('id: 705\n')
  await addEvents(house.store, 1)
  expect(idsOf(await resumed.until('id: 706\n'))).toEqual(Array.from({ length: 701 }, (_, index) => index + 6))
  await resumed.close()
  const byQuery = await open(house, {}, '?after=704')
  expect(idsOf(await byQuery.until('id: 706\n'))).toEqual([705, 706])
  await byQuery.close()
})

test('a Last-Event-ID that is none is refused', async () => {
  await using house = await openHouse()
  for (const id of ['x', '-1', '1;2', '9'.repeat(20)]) {
    const answer = await house.call('/api/v1/events', { headers: { accept: 'text/event-stream', 'last-event-id': id } })
    expect(answer.status).toBe(422)
  }
})

test('a client that does not read is cut at the bound; its last event says how to resume, and it can', async () => {
  await using house = await openHouse()
  const socket = connect(Number(new URL(house.door.url).port), '127.0.0.1')
  socket.write(
    `GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n` +
      'Accept: text/event-stream\r\n\r\n',
  )
  await new Promise<void>((resolve) => {
    socket.once('readable', resolve)
  })
  // The kernel takes a few MB on its own; more than the bound must lie here before the client is slow.
  for (let round = 0; round < 40; round += 1) await addEvents(house.store, 50, 'x'.repeat(8_000))
  let text = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    text += chunk
  })
  await new Promise<void>((resolve) => {
    socket.once('end', resolve)
  })
  expect(text).toContain('event: cut')
  const seen = Number(/Last-Event-ID (\d+)/.exec(text)![1])
  expect(idsOf(text)).toEqual(Array.from({ length: seen }, (_, index) => index + 1))
  expect(seen).toBeLessThan(2_000)
  expect(text.length).toBeGreaterThan(streamBounds.behindBytes)
  const resumed = await open(house, { 'last-event-id': String(seen) })
  expect(idsOf(await resumed.until('id: 2000\n'))[0]).toBe(seen + 1)
  await resumed.close()
})

test('a stopping sitter says goodbye to its streams and closes', async () => {
  const house = await openHouse()
  const stream = await open(house)
  await stream.until(': connected')
  await house[Symbol.asyncDispose]()
  expect(await stream.until('event: bye')).toContain('stream.bye')
  await expect(fetch(`${house.door.url}/livez`)).rejects.toThrow()
})

test('a stream is taken up after a restart of the sitter, and nothing of the time between is lost', async () => {
  await using house = await openHouse()
  const first = await open(house)
  await first.until(': connected')
  await addEvents(house.store, 2)
  await first.until('id: 2\n')
  await house.door.stop()
  expect(await first.until('event: bye')).not.toContain('id: 3')
  await addEvents(house.store, 3, 'while nobody listened')
  await house.reopen()
  const second = await open(house, { 'last-event-id': '2' })
  await second.until('id: 5\n')
  await addEvents(house.store, 1)
  expect(idsOf(await second.until('id: 6\n'))).toEqual([3, 4, 5, 6])
  await second.close()
})

test('HEAD asks for the head only and holds no stream open', async () => {
  await using house = await openHouse()
  const answer = await house.call('/api/v1/events', { method: 'HEAD', headers: { accept: 'text/event-stream' } })
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toContain('application/json')
})
