/**
 * A bank with a log of its own: what reached it, when, and which payments it took, by their keys. It can be ill: then
 * it takes nothing and answers 503. And slow.
 */
import { openUpstream, type Seen, type TestUpstream } from '../gateway/upstream.ts'

export interface Bank {
  readonly upstream: TestUpstream
  ill: boolean
  latencyMs: number
  /** Requests that may change something, whatever was answered. */
  changing(): readonly Seen[]
  /** How often each key was taken. */
  readonly taken: ReadonlyMap<string, number>
}

export const openBank = async (): Promise<Bank> => {
  const upstream = await openUpstream()
  const taken = new Map<string, number>()
  const bank: Bank = {
    upstream,
    ill: false,
    latencyMs: 0,
    changing: () => upstream.seen.filter(({ method }) => method !== 'GET' && method !== 'HEAD'),
    taken,
  }
  upstream.answer(({ method, url, headers }, response) => {
    const say = (status: number, body: unknown): void => {
      setTimeout(() => {
        response.writeHead(status, { 'content-type': 'application/json' })
        response.end(JSON.stringify(body))
      }, bank.latencyMs)
    }
    if (bank.ill) return say(503, { error: 'ill' })
    const key = new URL(url, 'http://bank').searchParams.get('key')
    if (method === 'POST' && url === '/v1/payouts') {
      const sent = String(headers['idempotency-key'])
      if (!taken.has(sent)) taken.set(sent, 1)
      return say(201, { id: `b-${sent}`, status: 'settled', key: sent })
    }
    if (method === 'GET' && key !== null) {
      return say(200, { items: taken.has(key) ? [{ id: `b-${key}`, status: 'settled', key }] : [] })
    }
    return say(200, { fine: true })
  })
  return bank
}
