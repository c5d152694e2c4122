/**
 * A gate that is killed while one of two accounts comes and goes. Whatever is refused, lost, repeated or killed in
 * between, each key is done once over both.
 */
import { between, seeded } from '../../src/std/std.ts'
import { openGateProcess, rest } from '../vault/kills.ts'
import { fetchBy, setSecret } from './harness.ts'
import { accountRules, openTwoAccounts, type Way } from './two-accounts.ts'

const keysEach = 6

const drawWay = (random: { next(): number }): Way => {
  const drawn = random.next()
  return drawn < 0.55 ? 'answer' : drawn < 0.7 ? 'lose-before' : drawn < 0.85 ? 'lose-after' : 500
}

const openAccounts = async () => {
  const provider = await openTwoAccounts()
  const gate = await openGateProcess(accountRules(provider, {}, { retries: null }))
  let tokens = 0
  const setOwn = async (): Promise<void> => {
    const token = `token-of-a-${(tokens += 1)}`
    provider.tokens.set(token, 'A')
    await setSecret(gate.sitter, token, 'bank-a')
  }
  await setOwn()
  provider.tokens.set('token-of-b', 'B')
  await setSecret(gate.sitter, 'token-of-b', 'spare')
  const post = (key: string): Promise<number> =>
    fetchBy(gate.door, {
      method: 'POST',
      path: '/bank/v1/orders',
      headers: { 'idempotency-key': key },
      body: '{}',
    }).then(
      ({ status }) => status,
      () => 0,
    )
  /** The own account is gone: to its provider, and to the gate when it was told. */
  const endOwn = async (isTold: boolean): Promise<void> => {
    for (const [token, account] of provider.tokens) if (account === 'A') provider.tokens.delete(token)
    for (let time = 0; time < 3; time += 1) await fetchBy(gate.door, { path: '/bank/v1/prices' })
    if (isTold) await gate.sitter.link.vaultRenew('compromised', 'bank-a', null, 'test')
  }
  return { provider, gate, setOwn, endOwn, post }
}

/** What went wrong, each in a sentence; empty = nothing. */
export const killBetweenAccounts = async (kills: number, seed: number): Promise<readonly string[]> => {
  const random = seeded(seed)
  const { provider, gate, setOwn, endOwn, post } = await openAccounts()
  const keys: string[] = []
  for (let kill = 0; kill < kills; kill += 1) {
    const fresh = Array.from({ length: keysEach }, (_, index) => `k${kill}-${index}`)
    const older = keys.filter(() => random.next() < 0.3)
    keys.push(...fresh)
    const isGone = kill % 2 === 1
    if (isGone) await endOwn(kill % 4 === 1)
    provider.ways(() => drawWay(random))
    const sent = Promise.all([...fresh, ...older, ...fresh].map(post))
    // At a moment of its work, or when none of it gets through.
    const reached = provider.seen.length + Math.round(between(random, 1, 2 * keysEach))
    await Promise.race([provider.reached(reached), rest(5_000)])
    if (isGone && random.next() < 0.5) await setOwn()
    await gate.again()
    await sent
    if (isGone) await setOwn()
  }
  provider.ways(() => 'answer')
  const wrong: string[] = []
  for (const key of keys) {
    const status = await post(key)
    if (status !== 201) wrong.push(`${key} was answered ${status} in the end`)
    const deeds = provider.deeds.filter((deed) => deed.endsWith(` ${key}`))
    if (deeds.length !== 1) wrong.push(`${key} was done ${deeds.length} times: ${deeds.join(', ')}`)
  }
  for (const account of ['A', 'B'])
    if (!provider.deeds.some((deed) => deed.startsWith(account))) wrong.push(`nothing was done by account ${account}`)
  await gate.close()
  await provider.close()
  return wrong
}
