/**
 * A gate that is killed just when its token server is asked: before the request, before its answer, before what it gave
 * is durable, and after. Whatever is left, the next gate serves calls by one grant that has not ended.
 */
import { between, seeded } from '../../src/std/std.ts'
import { fetchBy, setSecret } from '../gateway/harness.ts'
import { grantRules, openGateProcess, rest } from './kills.ts'
import { openOauthServer } from './oauth/server.ts'

/** A request is answered after about 5 ms here, and what it gave is durable 5 to 20 ms later. */
const longestMs = 40

/** What went wrong, each in a sentence; empty = nothing. */
export const killAtRefreshes = async (kills: number, seed: number): Promise<readonly string[]> => {
  const random = seeded(seed)
  const wrong: string[] = []
  const server = await openOauthServer(3, '')
  const gate = await openGateProcess(grantRules(server))
  const call = async (): Promise<string> => {
    const { status, body } = await fetchBy(gate.door, { path: '/bank/v1/work' })
    return status === 200 ? 'well' : `${status} ${body}`
  }
  try {
    await setSecret(gate.sitter, server.clientSecret, 'swarm-client')
    await setSecret(gate.sitter, await server.newRefreshToken())
    const before = await call()
    if (before !== 'well') return [`the first call was answered ${before}`]
    for (let kill = 1; kill <= kills; kill += 1) {
      await new Promise<void>((resolve) => server.whenAsked(resolve))
      await rest(between(random, 0, longestMs))
      await gate.again()
      const said = await call()
      if (said !== 'well') wrong.push(`kill ${kill}: a call was answered ${said}`)
      const { credentials, renewals, vault } = await gate.sitter.link.vaultList()
      const active = credentials.filter(({ name, state }) => name === 'bank' && state === 'active')
      const { state } = renewals.find(({ name }) => name === 'bank')!.grant!
      if (active.length !== 1) wrong.push(`kill ${kill}: ${active.length} versions are active`)
      if (state === 'quarantined') wrong.push(`kill ${kill}: the grant was quarantined`)
      if (vault.faults.length > 0) wrong.push(`kill ${kill}: rows are taken for tampered`)
    }
    const { refused, reused, tokenRequests } = server.figures()
    console.log(`  ${kills} kills at ${tokenRequests} token requests`)
    if (refused > 0) wrong.push(`the resource refused ${refused} calls`)
    if (reused > 0) wrong.push(`${reused} refresh tokens were used again after their grace`)
    return wrong
  } finally {
    await gate.close()
    await server.close()
  }
}
