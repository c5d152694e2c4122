/** What a credential may be used for, by its scope in the configuration. */
import type { CallInHand } from './call.ts'
import { parseRoute, routeMatches } from './path.ts'
import type { CredentialRule } from './ports.ts'

/** What of the call a credential may not be used for; undefined when it may. */
export const outsideOf = (call: CallInHand, credential: CredentialRule): string | undefined => {
  const { rule } = call.upstream!
  const { scope } = credential
  if (scope === undefined) return undefined
  const url = new URL(rule.url)
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  const isHost = (one: string): boolean => one === url.host || one === `${url.hostname}:${port}`
  if (scope.hosts !== null && !scope.hosts.some(isHost)) return `the host ${url.host}`
  if (scope.methods !== null && !scope.methods.includes(call.method)) return `the method ${call.method}`
  const isPath = (one: string): boolean =>
    routeMatches(parseRoute(`${call.method} ${one}`), call.method, call.plain!.segments)
  if (scope.paths !== null && !scope.paths.some(isPath)) return 'this path'
  const type = call.agent?.split('/')[0]
  // What the sitter asks by itself (a query, a resend) has no agent.
  if (scope.agents !== null && type !== undefined && !scope.agents.includes(type)) return `agents of type ${type}`
  return undefined
}
