/**
 * As much of DER (X.690) as two certificates are made of. Written only, never read: what is read by everybody else is
 * checked by them, and in the tests by OpenSSL, Node and Python.
 */

const lengthOf = (bytes: number): Buffer => {
  if (bytes < 0x80) return Buffer.from([bytes])
  const hex = bytes.toString(16)
  const digits = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return Buffer.concat([Buffer.from([0x80 | digits.length]), digits])
}

const element = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content])
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => element(0x30, ...parts)
export const set = (...parts: readonly Uint8Array[]): Buffer => element(0x31, ...parts)
export const yes: Buffer = Buffer.from([0x01, 0x01, 0xff])
export const octets = (bytes: Uint8Array): Buffer => element(0x04, bytes)
export const utf8 = (text: string): Buffer => element(0x0c, Buffer.from(text))
/** Bits, of which the last `unused` are no part. */
export const bits = (bytes: Uint8Array, unused = 0): Buffer => element(0x03, Buffer.from([unused]), bytes)
/** [n], with an element inside of it. */
export const explicit = (number: number, ...parts: readonly Uint8Array[]): Buffer => element(0xa0 | number, ...parts)
/** [n] in place of an element's own tag. */
export const implicit = (number: number, bytes: Uint8Array): Buffer => element(0x80 | number, bytes)

/** A number that is not negative, by its bytes, highest first. */
export const integer = (bytes: Uint8Array): Buffer => {
  let from = 0
  while (from < bytes.length - 1 && bytes[from] === 0) from += 1
  const rest = bytes.subarray(from)
  return element(0x02, rest[0]! >= 0x80 ? Buffer.from([0]) : Buffer.alloc(0), rest)
}

/** An object identifier like `1.2.840.10045.4.3.2`. */
export const identifier = (dotted: string): Buffer => {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift(0x80 | (left & 0x7f))
    return groups
  })
  return element(0x06, Buffer.from(bytes))
}

/** A time to the second, as RFC 5280 wants it: two digits for years until 2049. */
export const time = (civil: { readonly year: number; readonly text: string }): Buffer =>
  civil.year < 2050 ? element(0x17, Buffer.from(civil.text.slice(2))) : element(0x18, Buffer.from(civil.text))
