/** Token servers are asked for nothing while their host, or its domain, bans who comes from here. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { Room } from '../../src/gateway/call.ts'
import { bannedForMs, openTokenCalls } from '../../src/gateway/token-calls.ts'
import { domainPlace, openBuckets } from '../../src/limit/limit.ts'
import { realClock } from '../../src/std/real/real.ts'
import { seeded } from '../../src/std/std.ts'
import { handClock } from '../limit/clock.ts'

const openServer = async () => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.end('{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { asked, host: `127.0.0.1:${(server.address() as AddressInfo).port}` }
}

test.each([['its host'], ['the domain of its host']])(
  'a ban of this address by %s is obeyed by token requests',
  async (by) => {
    const { asked, host } = await openServer()
    const clock = handClock()
    const buckets = openBuckets({ clock, random: seeded(1), saved: [] })
    const place = by === 'its host' ? host : domainPlace('exchange')
    const upstreams = new Map([['exchange', { host, place }]]) as unknown as Room['upstreams']
    const tokens = openTokenCalls(realClock(), async (at) => bannedForMs({ upstreams, buckets, clock }, at))
    onTestFinished(() => tokens.close())
    const ask = () =>
      tokens.fetch({ url: `http://${host}/token`, method: 'POST', headers: {}, body: 'a=b', hosts: [host] })
    expect(await ask()).toMatchObject({ kind: 'answered', status: 200 })

    const scope = { upstream: 'exchange', host: place, credential: 'a', agent: null }
    const banned = { status: 418, headers: [['retry-after', '60']], bans: { 418: 'host' } } as const
    buckets.answered(scope, { gauges: [], sentMs: clock.monoMs(), learn: true, knownLimits: {}, ...banned })
    expect(await ask()).toMatchObject({
      kind: 'not-sent',
      code: 'limited',
      message: expect.stringMatching(/banned .* 6\d s/),
    })
    expect(asked).toHaveLength(1)

    // Up to a tenth is added by chance.
    clock.advance(70_000)
    expect(await ask()).toMatchObject({ kind: 'answered', status: 200 })
    expect(asked).toHaveLength(2)
  },
)
