/**
 * AWS Signature Version 4 in the Authorization header, over the whole body. The secret is
 * `accessKeyId:secretAccessKey`. Paths are encoded twice but for S3, which encodes once and wants the body's hash as a
 * header too.
 */
import { createHash, createHmac } from 'node:crypto'
import type { HeaderPairs } from '../headers.ts'
import { partsFault } from './form.ts'
import { partsOf, type Signer, type ToSign } from './signer.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/** Every byte but RFC 3986's unreserved ones. */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    // Bytes that are no UTF-8 stay as they were written.
    return text
  }
}

const canonicalPath = (path: string, service: string): string =>
  path
    .split('/')
    .map((part) => (service === 's3' ? encode(decode(part)) : encode(part)))
    .join('/')

const canonicalQuery = (query: string): string =>
  query
    .replace(/^\?/, '')
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const at = pair.indexOf('=')
      const [name, value] = at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)]
      return [encode(decode(name)), encode(decode(value))] as const
    })
    .toSorted(([name, value], [otherName, otherValue]) =>
      name === otherName ? (value < otherValue ? -1 : 1) : name < otherName ? -1 : 1,
    )
    .map(([name, value]) => `${name}=${value}`)
    .join('&')

/** What is signed of the request's own headers: those that change what it means. */
const isSigned = (name: string): boolean => name === 'content-type' || name === 'range' || name.startsWith('x-amz-')

const signedHeaders = (request: ToSign, added: HeaderPairs): HeaderPairs => {
  const own = request.headers.map(([name, value]) => [name.toLowerCase(), value] as const)
  // What is added takes the place of what was there.
  const isOwn = (name: string): boolean => isSigned(name) && !added.some(([other]) => other === name)
  const all = [['host', request.host] as const, ...own.filter(([name]) => isOwn(name)), ...added]
  const byName = Map.groupBy(all, ([name]) => name)
  return [...byName]
    .map(([name, pairs]) => [name, pairs.map(([, value]) => value.trim().replace(/ +/g, ' ')).join(',')] as const)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
}

export const sigv4 = (region: string, service: string): Signer => ({
  needsBody: true,
  form: 'accessKeyId:secretAccessKey',
  fault: (secret) => partsFault(secret),
  own: { headers: ['x-amz-date', 'x-amz-content-sha256', 'x-amz-security-token'] },
  sign: (request, secret) => {
    const [keyId, key] = partsOf(secret, 'accessKeyId:secretAccessKey')
    const time = new Date(request.nowMs).toISOString().replace(/[:-]|\.\d{3}/g, '')
    const day = time.slice(0, 8)
    const bodyHash = sha256(request.body ?? '')
    const added: HeaderPairs = [
      ['x-amz-date', time],
      ...(service === 's3' ? ([['x-amz-content-sha256', bodyHash]] as const) : []),
    ]
    const headers = signedHeaders(request, added)
    const names = headers.map(([name]) => name).join(';')
    const canonical = [
      request.method,
      canonicalPath(request.path, service),
      canonicalQuery(request.query),
      ...headers.map(([name, value]) => `${name}:${value}`),
      '',
      names,
      bodyHash,
    ].join('\n')
    const scope = `${day}/${region}/${service}/aws4_request`
    const derived = [region, service, 'aws4_request'].reduce(hmac, hmac(`AWS4${key}`, day))
    const signature = hmac(derived, `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`).toString('hex')
    const by = `Credential=${keyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`
    return { query: request.query, headers: [...added, ['authorization', `AWS4-HMAC-SHA256 ${by}`]], secrets: [key] }
  },
})
