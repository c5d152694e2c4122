import { createPublicKey, generateKeyPairSync, verify, type KeyObject } from 'node:crypto'
import { expect, test } from 'vitest'
import { secretFault, signerOf } from '../../../src/gateway/signers/signers.ts'
import { issue } from '../certificates.ts'
import { ed25519Of, hmacOf } from '../../../src/gateway/signers/binance.ts'
import type { ToSign } from '../../../src/gateway/signers/signer.ts'
import { offsetAfter, openSkew } from '../../../src/gateway/skew.ts'
import type { OauthRule, Signing } from '../../../src/model/model.ts'
import { grantFault } from '../../../src/vault/vault.ts'

const at = (text: string): number => Date.parse(text)
const request = (more: Partial<ToSign> = {}): ToSign => ({
  method: 'GET',
  path: '/v1/things',
  query: '',
  host: 'api.example.com',
  headers: [],
  body: null,
  nowMs: at('2026-01-02T03:04:05Z'),
  ...more,
})
const pair = generateKeyPairSync('ed25519')
const privateText = pair.privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64')

const client = issue('client')

/** One of each kind, with a secret of its form. */
const kinds: readonly { readonly signing: Signing; readonly secret: string; readonly wrong?: string }[] = [
  { signing: { kind: 'bearer' }, secret: 'token-of-a-bearer' },
  { signing: { kind: 'basic' }, secret: 'ann:pass-word-1', wrong: 'no-colon' },
  { signing: { kind: 'header', header: 'x-api-key' }, secret: 'token-in-a-header' },
  { signing: { kind: 'query', parameter: 'api_key' }, secret: 'token/in+a=query' },
  {
    signing: { kind: 'hmac', keyHeader: 'x-mbx-apikey', windowMs: 5_000 },
    secret: 'key-id:key-secret',
    wrong: 'only-an-id',
  },
  {
    signing: { kind: 'ed25519', keyHeader: 'x-mbx-apikey', windowMs: 5_000 },
    secret: `key-id:${privateText}`,
    wrong: 'key-id:bm8ga2V5',
  },
  { signing: { kind: 'sigv4', region: 'us-east-1', service: 's3' }, secret: 'AKID:key/secret', wrong: 'only-an-id' },
  { signing: { kind: 'mtls' }, secret: client.certificate + client.key, wrong: client.certificate },
]

test.each(kinds)(
  '$signing.kind: it names its secrets, changes only what it must, and signs each attempt anew',
  (one) => {
    const signer = signerOf(one.signing)
    const first = signer.sign(request({ query: '?a=1&b=%2F' }), one.secret)
    expect(first.secrets.length).toBeGreaterThan(0)
    for (const secret of first.secrets) expect(secret.length).toBeGreaterThan(0)
    expect(first.query.startsWith('?a=1&b=%2F')).toBe(true)
    for (const [name, value] of first.headers) {
      expect(name).toBe(name.toLowerCase())
      expect(value).toMatch(/^[\x20-\x7e]+$/)
    }
    const later = signer.sign(request({ query: '?a=1&b=%2F', nowMs: request().nowMs + 60_000 }), one.secret)
    const isTimed = ['hmac', 'ed25519', 'sigv4'].includes(one.signing.kind)
    expect(JSON.stringify(later) === JSON.stringify(first)).toBe(!isTimed)
    expect(signer.needsBody).toBe(isTimed)
    expect(secretFault(one.signing as never, one.secret)).toBe(undefined)
    // What stands around PEM is nobody's business.
    const around = [`${one.secret}\nmore`, ` ${one.secret}`, `${one.secret} `, `${one.secret}\u0007`]
    for (const wrong of ['', 'ü:ü', ...(one.signing.kind === 'mtls' ? [] : around)])
      expect(secretFault(one.signing as never, wrong)).toMatchObject({ form: signer.form })
    if (one.wrong !== undefined) {
      const { wrong } = one
      expect(JSON.stringify(secretFault(one.signing as never, wrong))).not.toContain(wrong.slice(2))
      expect(secretFault(one.signing as never, wrong)).toMatchObject({ form: signer.form })
      expect(() => signer.sign(request(), wrong)).toThrow(expect.objectContaining({ code: 'credential-unavailable' }))
      expect(() => signer.sign(request(), wrong)).not.toThrow(wrong.slice(2))
    }
  },
)

test('the HMAC of Binance is the one of its documentation, and what is signed is what is sent', () => {
  const secret = 'NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j'
  const payload =
    'symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559'
  const signature = 'c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71'
  expect(hmacOf(secret, payload)).toBe(signature)
  const [query, rest] = payload.split('&recvWindow')
  expect(rest).toBe('=5000&timestamp=1499827319559')
  const signer = signerOf({ kind: 'hmac', keyHeader: 'x-mbx-apikey', windowMs: 5_000 })
  const signed = signer.sign(request({ query: `?${query}`, nowMs: 1_499_827_319_559 }), `key:${secret}`)
  expect(signed).toMatchObject({ query: `?${payload}&signature=${signature}`, headers: [['x-mbx-apikey', 'key']] })
  // Query and body: nothing stands between them.
  const body = 'quantity=1&price=0.1'
  const mixed = signer.sign(request({ query: '?symbol=LTCBTC', body, nowMs: 1 }), `key:${secret}`)
  const expected = hmacOf(secret, `symbol=LTCBTC&recvWindow=5000&timestamp=1${body}`)
  expect(mixed.query).toBe(`?symbol=LTCBTC&recvWindow=5000&timestamp=1&signature=${expected}`)
  for (const own of ['?timestamp=1', '?signature=1'])
    expect(() => signer.sign(request({ query: own }), `key:${secret}`)).toThrow(/leave it out/)
})

test('an Ed25519 signature verifies with the public key, and goes percent-encoded', () => {
  const signer = signerOf({ kind: 'ed25519', keyHeader: 'x-mbx-apikey', windowMs: 5_000 })
  const { query } = signer.sign(request({ query: '?symbol=%EF%BC%91', nowMs: 7 }), `key:${privateText}`)
  const [payload, signature] = query.slice(1).split('&signature=')
  expect(signature).not.toMatch(/[+/=]/)
  const bytes = Buffer.from(decodeURIComponent(signature!), 'base64')
  expect(verify(null, Buffer.from(payload!), createPublicKey(pair.privateKey), bytes)).toBe(true)
  expect(ed25519Of(privateText, payload!)).toBe(decodeURIComponent(signature!))
})

const suite = { secret: 'AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', at: '2015-08-30T12:36:00Z' }
const aws: readonly [string, Partial<ToSign>, string][] = [
  ['get-vanilla', {}, '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
  [
    'get-vanilla-query-order-key-case',
    { query: '?Param2=value2&Param1=value1' },
    'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
  ],
  ['post-vanilla', { method: 'POST' }, '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b'],
  [
    'post-x-www-form-urlencoded',
    { method: 'POST', body: 'Param1=value1', headers: [['Content-Type', 'application/x-www-form-urlencoded']] },
    'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
  ],
]
test.each(aws)('SigV4 signs as the published vector %s does', (_name, more, signature) => {
  const signer = signerOf({ kind: 'sigv4', region: 'us-east-1', service: 'service' })
  const asked = request({ path: '/', host: 'example.amazonaws.com', nowMs: at(suite.at), ...more })
  const { headers } = signer.sign(asked, suite.secret)
  expect(headers.find(([name]) => name === 'authorization')![1].split('Signature=')[1]).toBe(signature)
})

const s3: readonly [string, Partial<ToSign>, string][] = [
  [
    'GET Object with a range',
    { path: '/test.txt', headers: [['Range', 'bytes=0-9']] },
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  ],
  [
    'GET Bucket lifecycle',
    { path: '/', query: '?lifecycle' },
    'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  ],
  [
    'GET Bucket with two parameters',
    { path: '/', query: '?max-keys=2&prefix=J' },
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  ],
]
test.each(s3)('SigV4 signs for S3 as its documentation does: %s', (_name, more, signature) => {
  const signer = signerOf({ kind: 'sigv4', region: 'us-east-1', service: 's3' })
  const asked = request({ host: 'examplebucket.s3.amazonaws.com', nowMs: at('2013-05-24T00:00:00Z'), ...more })
  const { headers } = signer.sign(asked, 'AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY')
  expect(headers.find(([name]) => name === 'authorization')![1].split('Signature=')[1]).toBe(signature)
})

test('the offset to an upstream moves only when its Date proves it wrong', () => {
  const now = at('2026-01-02T03:04:05.900Z')
  const date = at('2026-01-02T03:04:05Z')
  expect(offsetAfter(0, date, now - 20, now)).toBe(0)
  const ahead = offsetAfter(0, date + 30_000, now - 20, now)
  expect(ahead).toBeGreaterThan(29_000)
  expect(ahead).toBeLessThan(30_200)
  expect(offsetAfter(ahead, date + 30_000, now - 20, now)).toBe(ahead)
})

test("an upstream that has not told its time is signed for by the machine's clock, one that has by its own", () => {
  const [wallMs, civilMs] = [1_700_000_000_000, 1_700_000_600_000]
  const skew = openSkew({ wallMs: () => wallMs, civilMs: () => civilMs })
  expect(skew.of('bank')).toBe(600_000)
  skew.learn('bank', new Date(civilMs).toUTCString(), wallMs - 20, wallMs)
  expect(skew.of('bank')).toBe(600_000)
  skew.learn('other', new Date(wallMs).toUTCString(), wallMs - 20, wallMs)
  expect(Math.abs(skew.of('other'))).toBeLessThanOrEqual(1_000)
})

test('the secret of a grant has the form that its grant wants', () => {
  const grants = (grant: OauthRule['grant'], clientId: string | null = 'swarm') => ({ grant, clientId }) as OauthRule
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey
  const other = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey
  const text = (key: KeyObject): string => key.export({ format: 'der', type: 'pkcs8' }).toString('base64')
  for (const [rule, good, bad] of [
    [grants('refresh-token'), 'a-refresh-token', 'two words'],
    [grants('client-credentials'), 'a-secret', ''],
    [grants('client-credentials', null), 'client:secret', 'secret-alone'],
    [grants('jwt-bearer'), privateText, 'bm8ga2V5'],
    [grants('jwt-bearer'), text(rsa), text(other)],
  ] as const) {
    expect(grantFault(rule, good)).toBe(undefined)
    expect(grantFault(rule, bad)).toMatchObject({ form: expect.any(String) as string })
  }
})
