/** Promise R6 at the HTTP door: 3,000 sockets that never finish a request, and honest callers beside them. */
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { openHouse } from '../doors/http/house.ts'

const slowSockets = 3_000
const honestCalls = 200

const percentile = (durations: readonly number[], share: number): number =>
  durations.toSorted((left, right) => left - right)[Math.ceil(durations.length * share) - 1]!

test('3,000 slow sockets: honest calls are answered 200 with a p99 below 500 ms, and the slow ones are told', async () => {
  await using house = await openHouse()
  const port = Number(new URL(house.door.url).port)
  const slow: Socket[] = []
  let closed = 0
  let told = 0
  const openOne = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        // A head that never ends: one more byte of it now and then.
        socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ')
        resolve()
      })
      slow.push(socket)
      socket.on('error', () => resolve())
      socket.on('data', (bytes) => {
        if (bytes.includes('503') || bytes.includes('408')) told += 1
      })
      socket.on('close', () => {
        closed += 1
      })
    })
  const durations: number[] = []
  const honest = async (): Promise<void> => {
    for (let call = 0; call < honestCalls; call += 1) {
      const startedMs = performance.now()
      const answer = await house.call('/api/v1/tasks?limit=1')
      await answer.arrayBuffer()
      durations.push(performance.now() - startedMs)
      expect(answer.status).toBe(200)
      for (const socket of slow.slice(call, call + 20)) if (socket.writable) socket.write('x')
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
  }
  const flood = async (): Promise<void> => {
    for (let opened = 0; opened < slowSockets; opened += 50) await Promise.all(Array.from({ length: 50 }, openOne))
  }
  try {
    await Promise.all([flood(), honest()])
    await honest()
    expect(percentile(durations, 0.99)).toBeLessThan(500)
    // Above the bound of 1,024 the longest silent ones had to go, each with a word.
    await expect.poll(() => closed, { timeout: 10_000 }).toBeGreaterThanOrEqual(slowSockets - 1_024 - 10)
    expect(told).toBeGreaterThanOrEqual(closed - 10)
  } finally {
    for (const socket of slow) socket.destroy()
  }
})
