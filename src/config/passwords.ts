/**
 * The address of a record may hold a password. It is in the applied configuration, which only its owner reads, and in
 * no message, plan, answer or log: whatever shows a configuration shows it through here.
 */
/** A password may hold a slash that somebody forgot to encode; digits and a slash are a port and a path. */
const inAuthority = /(:\/\/[^/@:\s"]*):(?!\d{1,5}\/)[^\s"]*@/g
const inQuery = /([?&](?:password|sslpassword)=)[^&\s"]*/gi

/** The text with the passwords of the addresses in it replaced by `***`. */
export const hidePasswords = (text: string): string => text.replace(inAuthority, '$1:***@').replace(inQuery, '$1***')

/** What somebody who knows it could post to: all of it but where it is. */
const hideAddress = (address: string): string => {
  const url = URL.parse(address)
  return url === null || (url.pathname === '/' && url.search === '') ? address : `${url.origin}/***`
}

/** Addresses of people who are told: to know one is to be able to tell them anything. */
const isTellingAddress = (path: readonly string[]): boolean =>
  path[0] === 'alerts' && (path.at(-1) === 'webhook' || (path[1] === 'deadman' && path[2] === 'url'))

const deepest = 64

const hidden = (value: unknown, path: readonly string[]): unknown => {
  if (typeof value === 'string') return isTellingAddress(path) ? hideAddress(value) : hidePasswords(value)
  if (typeof value !== 'object' || value === null || path.length > deepest) return value
  if (Array.isArray(value)) return value.map((one: unknown, index) => hidden(one, [...path, String(index)]))
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, hidden(inner, [...path, key])]))
}

/**
 * A copy of plain data without the passwords of addresses, and without the secret part of those that people are told
 * at. `path` is where it stands in the configuration.
 */
export const withoutPasswords = (value: unknown, path: readonly string[] = []): unknown => hidden(value, path)

/** What was hidden in a value, and is otherwise that of `known`, is as `known` has it. */
export const withPasswordsOf = (value: unknown, known: unknown, path: readonly string[] = []): unknown => {
  if (typeof value === 'string') return value.includes('***') && value === withoutPasswords(known, path) ? known : value
  if (typeof value !== 'object' || value === null || typeof known !== 'object' || known === null) return value
  const own = known as Readonly<Record<string, unknown>>
  const within = (key: string, inner: unknown): unknown =>
    withPasswordsOf(inner, Object.hasOwn(own, key) ? own[key] : undefined, [...path, key])
  if (Array.isArray(value)) return value.map((one: unknown, index) => within(String(index), one))
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, within(key, inner)]))
}
