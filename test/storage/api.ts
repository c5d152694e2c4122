/** A swarm of the crash tests, and its API as an operator's program sees it. */
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Place } from '../crash/swarm.ts'

export const newDirectory = (): string => mkdtempSync(join(tmpdir(), 'sitter-storage-'))

/** Looks every 50 ms; what is waited for lives in other processes. */
export const until = async (what: string, truth: () => boolean | Promise<boolean>, mostMs = 30_000): Promise<void> => {
  const startedMs = performance.now()
  while (!(await truth())) {
    if (performance.now() - startedMs > mostMs) throw new Error(`not within ${mostMs} ms: ${what}`)
    await wait(50)
  }
}

export interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  readonly retryAfter: string | null
}

/** One request with the operator's token; `lost` when no answer came back. */
export const ask = async (place: Place, path: string, body?: object): Promise<Answer | 'lost'> => {
  const api = join(place.data, 'run', 'api.json')
  if (!existsSync(api)) return 'lost'
  try {
    const { url } = JSON.parse(readFileSync(api, 'utf8')) as { url: string }
    const token = readFileSync(join(place.data, 'run', 'operator.token'), 'utf8').trim()
    const answer = await fetch(`${url}${path}`, {
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      signal: AbortSignal.timeout(10_000),
    })
    return {
      status: answer.status,
      body: (await answer.json()) as Record<string, unknown>,
      retryAfter: answer.headers.get('retry-after'),
    }
  } catch {
    // A connection that broke: what became of the request is not known.
    return 'lost'
  }
}

export const isReady = async (place: Place): Promise<boolean> => {
  const answer = await ask(place, '/readyz')
  return answer !== 'lost' && answer.status === 200
}
