/**
 * Requests to token servers. Like upstreams they are reached by an origin of the configuration, on addresses that may
 * be connected to, with nothing retried and no redirect followed; unlike them nobody's calls go there. They count in no
 * limit (decision 0043), but whoever bans this address is not asked for a token either.
 */
import type { Clock } from '../std/std.ts'
import type { Asked, Fetch } from '../vault/vault.ts'
import type { Room } from './call.ts'
import { openOutbound, type Outbound } from './outbound.ts'

const keptBytes = 256 * 1024
const withinMs = 20_000

export interface TokenCalls {
  readonly fetch: Fetch
  close(): Promise<void>
}

/** For how many ms all who come from here are banned at this host, as `host:port`; 0 = they are not. */
export const bannedForMs = (
  { upstreams, buckets, clock }: Pick<Room, 'upstreams' | 'buckets' | 'clock'>,
  host: string,
): number => {
  // Hosts of one domain are banned together.
  const place = [...upstreams.values()].find((one) => one.host === host)?.place ?? host
  const untilMs = buckets.pausedUntil({ upstream: '', host: place, credential: null, agent: null })
  return Math.max(0, untilMs - clock.monoMs())
}

export const openTokenCalls = (clock: Clock, bannedMs: (host: string) => Promise<number>): TokenCalls => {
  const opened = new Map<string, Outbound>()
  const outboundOf = (origin: string, hosts: readonly string[]): Outbound => {
    const key = `${origin}\n${hosts.join('\n')}`
    const known = opened.get(key) ?? openOutbound({ url: origin, grant: hosts }, clock)
    opened.set(key, known)
    return known
  }
  return {
    fetch: async ({ url, method, headers, body, hosts }) => {
      const at = new URL(url)
      // A token in the clear on a network is everybody's: only addresses that were granted may be asked so.
      if (at.protocol !== 'https:' && !hosts.includes(at.host))
        return { kind: 'not-sent', code: 'not-allowed', message: `${at.host} is neither https nor granted` }
      const leftS = Math.ceil((await bannedMs(at.host)) / 1_000)
      if (leftS > 0) {
        const message = `${at.host} has banned who comes from here, for ${leftS} s more: it is not asked before`
        return { kind: 'not-sent', code: 'limited', message }
      }
      const chunks: Buffer[] = []
      let kept = 0
      let answer: { status: number; headers: Record<string, string> } | undefined
      const flow = outboundOf(at.origin, hosts).send(
        { method, target: at.pathname + at.search, headers: Object.entries(headers), body, timeoutMs: withinMs },
        {
          started: () => {},
          head: (status, pairs) => {
            answer = { status, headers: Object.fromEntries(pairs.map(([name, value]) => [name.toLowerCase(), value])) }
          },
          data: (chunk) => {
            kept += chunk.length
            if (kept <= keptBytes) chunks.push(chunk)
            return true
          },
        },
      )
      const ended = await flow.ended
      if (ended.kind !== 'answered') return ended
      return { kind: 'answered', ...answer!, body: Buffer.concat(chunks).toString('utf8') } satisfies Asked
    },
    close: async () => {
      await Promise.all([...opened.values()].map((one) => one.close()))
    },
  }
}
