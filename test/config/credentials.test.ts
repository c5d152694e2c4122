import { expect, test } from 'vitest'
import { issue } from '../gateway/certificates.ts'
import { inspectConfig } from '../../src/config/parse.ts'

const base = (credential: object, more: object = {}): object => ({
  name: 'payouts',
  agents: {},
  upstreams: {
    bank: { url: 'https://bank.example.com', credentials: 'bank', allow: ['GET /v1/**', 'POST /v1/payouts'] },
  },
  credentials: { bank: credential },
  ...more,
})
const faultsOf = (raw: object): readonly string[] =>
  inspectConfig(raw, '/base').faults.map(({ path, expected }) => `${path}: ${expected}`)
const credentialOf = (raw: object) => inspectConfig(raw, '/base').config!.credentials['bank']!

test('each kind has what it needs, and says what is missing', () => {
  expect(credentialOf(base({ kind: 'bearer' })).signing).toEqual({ kind: 'bearer' })
  expect(credentialOf(base({ kind: 'query', parameter: 'key' })).signing).toEqual({ kind: 'query', parameter: 'key' })
  expect(credentialOf(base({ kind: 'hmac', window: '3s' })).signing).toEqual({
    kind: 'hmac',
    keyHeader: 'x-mbx-apikey',
    windowMs: 3_000,
  })
  for (const [kind, key] of [
    ['header', 'header'],
    ['query', 'parameter'],
    ['sigv4', 'region'],
    ['oauth', 'oauth'],
  ])
    expect(faultsOf(base({ kind })).join('\n')).toContain(`credentials.bank.${key}: this key for the kind "${kind}"`)
  expect(credentialOf(base({ kind: 'mtls' })).signing).toEqual({ kind: 'mtls' })
  const plain = { url: 'http://127.0.0.1:1', grant: ['127.0.0.1:1'], credentials: 'bank', allow: ['GET /v1/**'] }
  expect(faultsOf(base({ kind: 'mtls' }, { upstreams: { bank: plain } }))).toEqual([
    expect.stringMatching(/upstreams\.bank\.url: .*https/),
  ])
  const trusting = { ...plain, ca: issue('authority').certificate }
  expect(faultsOf(base({ kind: 'bearer' }, { upstreams: { bank: trusting } })).join('\n')).toMatch(/bank\.ca: .*https/)
  const wrong = { ...plain, url: 'https://bank.example.com', ca: './ca.pem' }
  expect(faultsOf(base({ kind: 'bearer' }, { upstreams: { bank: wrong } })).join('\n')).toMatch(/bank\.ca: .*as PEM/)
})

test('a rotation is by routes or by a program, and its routes are no agent’s', () => {
  const rotate = {
    mint: 'POST /keys',
    revoke: 'DELETE /keys/{id}',
    blackouts: [{ days: ['fri'], from: '16:00', to: '24:00' }],
  }
  expect(credentialOf(base({ kind: 'bearer', rotate })).rotation).toMatchObject({
    everyMs: 30 * 86_400_000,
    overlapMs: 86_400_000,
    blackouts: [{ days: [5], fromMinute: 960, toMinute: 1_440 }],
    rotator: { by: 'http', upstream: 'bank', mint: { method: 'POST', path: '/keys' }, list: null },
  })
  expect(credentialOf(base({ kind: 'bearer', rotate: { command: ['./rotate.sh', 'x'] } })).rotation.rotator).toEqual({
    by: 'command',
    command: ['/base/rotate.sh', 'x'],
    directory: '/base',
    withinMs: 60_000,
  })
  expect(credentialOf(base({ kind: 'bearer' })).rotation.rotator).toEqual({ by: 'person' })
  expect(faultsOf(base({ kind: 'bearer', rotate: {} })).join('\n')).toContain('exactly one of command and mint')
  const unlabelled = { ...rotate, list: 'GET /keys', body: { name: 'swarm' } }
  expect(faultsOf(base({ kind: 'bearer', rotate: unlabelled })).join('\n')).toContain('{label} in body')
  const open = { mint: 'POST /v1/payouts', revoke: 'DELETE /keys/{id}' }
  expect(faultsOf(base({ kind: 'bearer', rotate: open }))).toEqual([
    expect.stringMatching(/credentials\.bank\.rotate\.mint: .*agents could use it/),
  ])
  expect(faultsOf(base({ kind: 'bearer', rotate: { ...rotate, upstream: 'bnak' } }))[0]).toContain('one of upstreams')
})

test('a grant names its server one way, and its client', () => {
  const oauth = { grant: 'refresh-token', issuer: 'https://id.example.com', clientId: 'swarm' }
  expect(credentialOf(base({ kind: 'oauth', oauth })).signing).toMatchObject({
    kind: 'oauth',
    oauth: { grant: 'refresh-token', clientId: 'swarm', auth: 'basic', token: null },
  })
  expect(faultsOf(base({ kind: 'oauth', oauth: { ...oauth, token: 'https://id.example.com/t' } }))[0]).toContain(
    'exactly one of issuer and token',
  )
  expect(faultsOf(base({ kind: 'oauth', oauth: { grant: 'jwt-bearer', issuer: oauth.issuer } }))[0]).toContain(
    'clientId',
  )
  expect(faultsOf(base({ kind: 'oauth', oauth: { ...oauth, clientSecret: 'nobody' } }))[0]).toContain('credentials')
})
