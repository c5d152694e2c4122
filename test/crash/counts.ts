/** Submits tasks that count while the swarm is under fire: sent again, with the same keys, until each is acknowledged. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Place } from './swarm.ts'

const together = 500

const send = async (place: Place, from: number, count: number): Promise<boolean> => {
  try {
    const { url } = JSON.parse(readFileSync(join(place.data, 'run', 'api.json'), 'utf8')) as { url: string }
    const token = readFileSync(join(place.data, 'run', 'operator.token'), 'utf8').trim()
    const lines = Array.from({ length: count }, (_, index) => {
      const number = from + index
      return `${JSON.stringify({ type: 'count', payload: { number }, key: `count-${number}` })}\n`
    })
    const answer = await fetch(`${url}/api/v1/tasks:batch`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
      body: lines.join(''),
      signal: AbortSignal.timeout(30_000),
    })
    const last = JSON.parse((await answer.text()).trimEnd().split('\n').at(-1)!) as { end?: true; refused?: number }
    return last.end === true && last.refused === 0
  } catch {
    // The sitter was killed while it answered: what it took is not known, the keys make a second time harmless.
    return false
  }
}

export const submitCounts = async (place: Place, tasks: number): Promise<void> => {
  for (let from = 0; from < tasks; from += together) {
    while (!(await send(place, from, Math.min(together, tasks - from)))) await wait(200)
  }
}
