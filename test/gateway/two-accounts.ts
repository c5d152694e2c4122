/**
 * A provider with two accounts: it knows by its tokens who asks, does each idempotency key once for an account, and
 * keeps its own log. What was done at both was done twice.
 */
import type { ServerResponse } from 'node:http'
import type { Rules } from '../../src/gateway/gateway.ts'
import { rulesFor, type UpstreamRules } from './harness.ts'
import { openUpstream, type Seen, type TestUpstream } from './upstream.ts'

export type Account = 'A' | 'B'
/** What it does with a call that it knows: answers, loses the answer before or after the deed, or says a status. */
export type Way = 'answer' | 'lose-before' | 'lose-after' | number

export interface TwoAccounts extends TestUpstream {
  /** Tokens that it takes. */
  readonly tokens: Map<string, Account>
  /** `A k1` for each deed, in order. */
  readonly deeds: readonly string[]
  /** Accounts by which calls came, in order; `-` = it did not know the token. */
  by(): string
  /** How calls are answered from now on. */
  ways(choose: (seen: Seen, account: Account) => Way): void
}

const tokenOf = ({ headers }: Seen): string =>
  String(headers['x-api-key'] ?? String(headers['authorization'] ?? '').replace('Bearer ', ''))

export const openTwoAccounts = async (): Promise<TwoAccounts> => {
  const upstream = await openUpstream()
  const tokens = new Map<string, Account>()
  const deeds: string[] = []
  const by: string[] = []
  let choose: (seen: Seen, account: Account) => Way = () => 'answer'
  const say = (response: ServerResponse, status: number): void => {
    response.writeHead(status, status === 429 ? { 'retry-after': '60' } : {})
    response.end('{}')
  }
  upstream.answer((seen, response) => {
    const account = tokens.get(tokenOf(seen))
    by.push(account ?? '-')
    if (account === undefined) return say(response, 401)
    const way = choose(seen, account)
    if (typeof way === 'number') return say(response, way)
    if (way === 'lose-before') return void response.destroy()
    const key = seen.headers['idempotency-key']
    if (seen.method === 'POST') {
      const deed = `${account} ${String(key ?? `without ${deeds.length}`)}`
      if (!deeds.includes(deed)) deeds.push(deed)
    }
    if (way === 'lose-after') return void response.destroy()
    say(response, seen.method === 'POST' ? 201 : 200)
  })
  return Object.assign(upstream, {
    tokens,
    deeds,
    by: () => by.join(''),
    ways: (next: typeof choose) => {
      choose = next
    },
  })
}

const scopeOf = (account: string | null) => ({ account, hosts: null, methods: null, paths: null, agents: null })

/** The upstream is signed by `bank` of account A; `spare` of account B, of another kind, stands behind it. */
export const accountRules = (
  provider: { readonly host: string },
  more: { readonly fallback?: 'spare' | null; readonly account?: string | null; readonly paths?: string[] } = {},
  upstream: Partial<UpstreamRules> = {},
): Rules => {
  const { fallback = 'spare', account = 'A', paths = null } = more
  return {
    ...rulesFor(provider, { money: [], allow: ['GET /v1/**', 'POST /v1/**'], breaker: null, ...upstream }),
    credentials: {
      bank: { name: 'bank', pool: ['bank-a'], signing: { kind: 'bearer' }, scope: scopeOf(account), fallback },
      spare: {
        name: 'spare',
        pool: [],
        signing: { kind: 'header', header: 'x-api-key' },
        scope: { ...scopeOf('B'), paths },
      },
    },
  }
}
