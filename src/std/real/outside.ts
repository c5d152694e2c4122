/** Requests to the operator's own addresses, by fetch. */
import { failure } from '../failure.ts'
import type { Outside } from '../outside.ts'

/** Seconds or a date; undefined text or nonsense asks for nothing. */
const readRetryAfter = (text: string | null): number | null => {
  if (text === null) return null
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000
  const atMs = Date.parse(text)
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - Date.now())
}

const reasonOf = (error: unknown): string => {
  const { name, cause } = error as { name?: string; cause?: { code?: unknown } }
  if (name === 'TimeoutError') return 'no answer in time'
  return typeof cause?.code === 'string' ? cause.code : 'the request failed'
}

export const realOutside = (): Outside => ({
  ask: async ({ method, url, headers, body, withinMs }) => {
    try {
      const answer = await fetch(url, {
        method,
        headers,
        ...(body !== null && { body }),
        redirect: 'manual',
        signal: AbortSignal.timeout(withinMs),
      })
      // The connection is given back; nobody wants the body.
      await answer.body?.cancel()
      return { status: answer.status, retryAfterMs: readRetryAfter(answer.headers.get('retry-after')) }
    } catch (error) {
      // The error of fetch may show the whole URL, and a webhook's URL is a secret.
      throw failure('upstream-unreachable', `${URL.parse(url)?.host ?? 'the address'}: ${reasonOf(error)}`)
    }
  },
})
