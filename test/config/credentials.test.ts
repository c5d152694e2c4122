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

test('a fallback is of another account that both name, has none itself, and never stands in for payments', () => {
  const own = { kind: 'bearer', scope: { account: 'A' }, fallback: 'spare' }
  const other = { kind: 'bearer', scope: { account: 'B' } }
  const plain = { bank: { url: 'https://bank.example.com', credentials: 'bank', allow: ['GET /v1/**'] } }
  const pair = (bank: object, spare: object, more: object = {}): object => ({
    ...base({}, { upstreams: plain }),
    credentials: { bank, spare },
    ...more,
  })
  expect(faultsOf(pair(own, other))).toEqual([])
  expect(credentialOf(pair(own, other))).toMatchObject({ fallback: 'spare' })
  expect(credentialOf(base({ kind: 'bearer' }))).toMatchObject({ fallback: null })
  const faults: [raw: object, expected: RegExp][] = [
    [pair({ ...own, fallback: 'spaer' }, other), /^credentials\.bank\.fallback: one of credentials/],
    [pair({ ...own, fallback: 'bank' }, other), /^credentials\.bank\.fallback: another credential than itself/],
    [
      pair(own, { ...other, fallback: 'bank' }),
      /^credentials\.bank\.fallback: .*take credentials\.spare\.fallback out/,
    ],
    [pair({ ...own, scope: {} }, other), /^credentials\.bank\.scope\.account: the name of its account/],
    [pair(own, { kind: 'bearer' }), /^credentials\.spare\.scope\.account: the name of its account/],
    [
      pair(own, { ...other, scope: { account: 'A' } }),
      /^credentials\.spare\.scope\.account: another account than that/,
    ],
    [pair({ ...own, pool: ['x', 'y'] }, { ...other, pool: ['y'] }), /^credentials\.bank\.fallback: .*y is of one acc/],
    [
      pair(own, other, {
        upstreams: { bank: { ...plain.bank, allow: ['POST /v1/pay'], money: ['POST /v1/pay'] } },
      }),
      /^credentials\.bank\.fallback: it to be left out: upstreams\.bank has money routes.*another channel/,
    ],
  ]
  for (const [raw, expected] of faults) expect(faultsOf(raw)).toContainEqual(expect.stringMatching(expected))
  const paying = pair(own, other, {
    upstreams: { bank: { ...plain.bank, allow: ['POST /v1/pay'], money: ['POST /v1/pay'] } },
    channels: { bank: { kind: 'http', upstream: 'bank', pay: 'POST /v1/pay', body: { amount: '{amount}' } } },
  })
  expect(faultsOf(paying)).toContainEqual(expect.stringMatching(/fallback: .*channels\.bank pays by it/))
})
