/** A batch of lines at its bounds: of lines, and of the time that it may take to arrive. */
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import type { Ask } from '../../../src/doors/http/route.ts'
import { mostItems, submitLines } from '../../../src/doors/http/submit-lines.ts'
import { openHouse, token } from './house.ts'

const raw = (url: string, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      answer += chunk
    })
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
  })

test('after the last line that a batch may have nothing is read, and that is said in its place', async () => {
  expect(mostItems).toBe(1_000_000)
  let sent = 0
  const body = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        sent += 1
        // Lines that are no tasks count like any other; they never end.
        controller.enqueue(Buffer.from('x\n'))
      },
    },
    { highWaterMark: 0 },
  )
  const headers = { 'content-type': 'application/x-ndjson' }
  const request = new Request('http://localhost/', { method: 'POST', headers, body, duplex: 'half' } as RequestInit)
  const answer = await submitLines({ request } as Ask, 1_200).text()
  const lines = answer.trimEnd().split('\n')
  expect(lines).toHaveLength(1_202)
  expect(JSON.parse(lines.at(-2)!)).toMatchObject({ item: 1_201, code: 'too-large' })
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ end: true, items: 1_201, created: 0, refused: 1_201 })
  expect(sent).toBeLessThan(1_210)
})

test('a batch that takes too long to arrive is cut: no other answer is written into its own', async () => {
  await using house = await openHouse({ bounds: { headersMs: 100, requestMs: 300, checkMs: 50 } })
  const lines = 'x\n'.repeat(600)
  const headers = `Authorization: Bearer ${token}\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked`
  const begun = `${lines.length.toString(16)}\r\n${lines}\r\n`
  const said = await raw(
    house.door.url,
    `POST /api/v1/tasks:batch HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n${begun}`,
  )
  expect(said).toMatch(/^HTTP\/1\.1 200 /)
  expect(said).toContain('"item":500')
  expect(said).not.toContain('Request Timeout')
})
