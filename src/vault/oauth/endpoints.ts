/** Where token servers take requests: as configured, or found by their metadata and kept for an hour. */
import { failure, type Clock } from '../../std/std.ts'
import type { OauthRule } from '../../model/model.ts'
import type { Fetch } from '../ports.ts'
import { endpointIn, metadataAddresses } from './token.ts'

/** @throws Failure `credential-unavailable` when its server does not tell. */
export type EndpointOf = (rule: OauthRule) => Promise<string>

const metadataMs = 3_600_000

export const openEndpoints = ({ clock, fetch }: { readonly clock: Clock; readonly fetch: Fetch }): EndpointOf => {
  const endpoints = new Map<string, { readonly url: string; readonly untilMono: number }>()
  return async (rule) => {
    if (rule.token !== null) return rule.token
    const issuer = rule.issuer ?? ''
    const known = endpoints.get(issuer)
    if (known !== undefined && known.untilMono > clock.monoMs()) return known.url
    let why = 'it has no metadata of its own'
    for (const url of metadataAddresses(issuer)) {
      const headers = { accept: 'application/json' }
      const asked = await fetch({ url, method: 'GET', headers, body: null, hosts: rule.hosts })
      const found = asked.kind === 'answered' && asked.status === 200 ? endpointIn(asked.body, issuer) : undefined
      if (found !== undefined) {
        endpoints.set(issuer, { url: found, untilMono: clock.monoMs() + metadataMs })
        return found
      }
      if (asked.kind !== 'answered') why = asked.message
    }
    const where = `the token endpoint of ${new URL(issuer).host} is not known`
    throw failure('credential-unavailable', `${where}: ${why}; correct oauth.issuer, or write oauth.token`)
  }
}
