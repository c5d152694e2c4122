/**
 * Which addresses may be connected to. Public unicast is allowed; loopback, private, link-local and everything
 * unknown only where the configuration grants it. Names are resolved once, and the very address that was checked is
 * connected to.
 */

const v4 = (text: string): number | undefined => {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (!match) return undefined
  const bytes = match.slice(1).map(Number)
  return bytes.some((byte) => byte > 255) ? undefined : bytes.reduce((sum, byte) => sum * 256 + byte, 0)
}

/** First address and prefix length of what is not the public internet (IANA special-purpose registry). */
const notPublic = (
  [
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
    // Public by the registry, and Azure's wire server in each of its machines.
    ['168.63.129.16', 32],
    ['169.254.0.0', 16],
    ['172.16.0.0', 12],
    ['192.0.0.0', 24],
    ['192.0.2.0', 24],
    ['192.88.99.0', 24],
    ['192.168.0.0', 16],
    ['198.18.0.0', 15],
    ['198.51.100.0', 24],
    ['203.0.113.0', 24],
    ['224.0.0.0', 4],
    ['240.0.0.0', 4],
  ] as const
).map(([first, bits]) => ({ first: v4(first)!, size: 2 ** (32 - bits) }))

/** The eight groups of an IPv6 address without zone; undefined when it is none, or ends in dotted IPv4. */
const v6 = (text: string): readonly number[] | undefined => {
  if (!/^[0-9a-fA-F:]+$/.test(text)) return undefined
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const groups = (part: string | undefined): number[] =>
    part ? part.split(':').map((group) => Number.parseInt(group, 16)) : []
  const head = groups(halves[0])
  const tail = groups(halves[1])
  const gap = halves.length === 2 ? 8 - head.length - tail.length : 0
  const all = [...head, ...Array.from({ length: Math.max(0, gap) }, () => 0), ...tail]
  return all.length === 8 && all.every((group) => group >= 0 && group <= 0xffff) ? all : undefined
}

/** The 4 or 16 bytes of an address; undefined when the text is none. */
export const addressBytes = (address: string): Buffer | undefined => {
  const four = v4(address)
  const six = four === undefined ? v6(address) : undefined
  if (four !== undefined) return Buffer.from(four.toString(16).padStart(8, '0'), 'hex')
  return six && Buffer.from(six.map((group) => group.toString(16).padStart(4, '0')).join(''), 'hex')
}

const publicV6 = (groups: readonly number[]): boolean => {
  const [first, second] = groups as [number, number]
  // Only 2000::/3 is public unicast; v4-mapped, NAT64, ULA and link-local lie outside of it.
  if (first < 0x2000 || first > 0x3fff) return false
  // 2001::/23 (Teredo and other protocols), documentation, and 6to4, which carries an IPv4 address inside.
  return (
    !(first === 0x2001 && second < 0x200) &&
    !(first === 0x2001 && second === 0xdb8) &&
    first !== 0x2002 &&
    first !== 0x3fff
  )
}

export const isPublic = (address: string): boolean => {
  const four = v4(address)
  if (four !== undefined) return !notPublic.some(({ first, size }) => four >= first && four < first + size)
  const six = v6(address)
  return six !== undefined && publicV6(six)
}

/** Where clouds answer their machines with credentials, beside 169.254.0.0/16. */
const metadata = new Set(['100.100.100.200', 'fd00:ec2:0:0:0:0:0:254', 'fd20:ce:0:0:0:0:0:254'])

/** First address and prefix length of what a name may stand for in a private network: RFC 1918, loopback, CGNAT. */
const nameable = (
  [
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
    ['172.16.0.0', 12],
    ['192.168.0.0', 16],
  ] as const
).map(([first, bits]) => ({ first: v4(first)!, size: 2 ** (32 - bits) }))

/**
 * Whether a grant of a name covers this address when the name resolves to it. Whoever answers for the name says the
 * address, so this is a short list: nothing where clouds keep credentials, nothing that carries an address inside of
 * another (mapped, NAT64, 6to4), nothing unspecified.
 */
const coveredByName = (address: string): boolean => {
  const four = v4(address)
  if (four !== undefined)
    return !metadata.has(address) && nameable.some(({ first, size }) => four >= first && four < first + size)
  const six = v6(address)
  if (six === undefined || metadata.has(six.map((group) => group.toString(16)).join(':'))) return false
  const isLoopback = six.every((group, index) => group === (index === 7 ? 1 : 0))
  // fc00::/7, the private addresses of IPv6.
  return isLoopback || (six[0]! >= 0xfc00 && six[0]! <= 0xfdff)
}

/** `host:port` as in a grant; IPv6 in brackets. */
const place = (host: string, port: number): string =>
  (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`).toLowerCase()

/**
 * Whether `address`, which the upstream's `host` stands for, may be connected to. A grant names the address, or the
 * host: a host's name covers private addresses and loopback, never link-local and metadata.
 */
export const mayConnect = (
  to: { readonly host: string; readonly address: string; readonly port: number },
  grants: readonly string[],
): boolean => {
  if (isPublic(to.address)) return true
  const granted = grants.map((grant) => grant.toLowerCase())
  if (granted.includes(place(to.address, to.port))) return true
  return granted.includes(place(to.host, to.port)) && coveredByName(to.address)
}
