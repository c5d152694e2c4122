/** Which hosts a scope lets a credential go to, with the port of the upstream's scheme written or not. */
import { expect, test } from 'vitest'
import type { CallInHand, Room } from '../../src/gateway/call.ts'
import { scope } from '../../src/gateway/stages/scope.ts'

const asked = async (url: string, host: string): Promise<string> => {
  const bounds = { account: null, hosts: [host], methods: null, paths: null, agents: null }
  const credential = { name: 'bank', pool: [], scope: bounds }
  const call = {
    upstream: { rule: { url }, credential },
    credential: { name: 'bank', version: 1 },
    credentialRule: credential,
    grant: { grant: 'a granted request, whose refusal is told by whoever has it' },
    method: 'GET',
    plain: { segments: ['v1'] },
    agent: 'a/0001',
  } as unknown as CallInHand
  return (await scope(call, {} as Room)) === undefined ? 'let' : 'refused'
}

test('a host with the port that its scheme has anyway is that host, and with another one it is another', async () => {
  for (const host of ['api.test', 'api.test:443']) expect(await asked('https://api.test', host)).toBe('let')
  for (const host of ['api.test:80', 'api.test:8443', 'other.test'])
    expect(await asked('https://api.test/base', host)).toBe('refused')
  for (const host of ['api.test', 'api.test:80']) expect(await asked('http://api.test', host)).toBe('let')
  expect(await asked('http://api.test', 'api.test:443')).toBe('refused')
  expect(await asked('https://api.test:8443', 'api.test:8443')).toBe('let')
})
