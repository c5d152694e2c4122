/** When a record may be thrown away: what was paid at a rehearsal was paid to nobody. */
import type { SwarmConfig } from './types.ts'

const isRehearsed = (config: SwarmConfig, upstream: string): boolean => {
  const { hostname, port } = new URL(config.upstreams[upstream]!.url)
  return (
    (hostname === '127.0.0.1' || hostname === 'localhost') &&
    Object.values(config.rehearsals).some((one) => String(one.port) === port)
  )
}

/** Why a run by this configuration never begins anew on its record, in words; undefined when it may. */
export const whyNotFresh = (config: SwarmConfig): string | undefined => {
  if (config.store !== 'embedded')
    return (
      'the record lies in a PostgreSQL database, which others may read: name another database, or drop its schema ' +
      'swarmsitter there by hand'
    )
  const real = Object.values(config.channels).find((channel) => !isRehearsed(config, channel.upstream))
  return (
    real &&
    `the channel ${real.name} pays at a provider that is no rehearsal: without the record a second run could pay ` +
      'again; choose another --data-dir instead'
  )
}
