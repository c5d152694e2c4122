/**
 * The address of a record may hold a password. It is in the applied configuration, which only its owner reads, and in
 * no message, plan, answer or log: whatever shows a configuration shows it through here.
 */
/** A password may hold a slash that somebody forgot to encode; digits and a slash are a port and a path. */
const inAuthority = /(:\/\/[^/@:\s"]*):(?!\d{1,5}\/)[^\s"]*@/g
const inQuery = /([?&](?:password|sslpassword)=)[^&\s"]*/gi

/** The text with the passwords of the addresses in it replaced by `***`. */
export const hidePasswords = (text: string): string => text.replace(inAuthority, '$1:***@').replace(inQuery, '$1***')

/** A copy of plain data without the passwords of addresses. */
export const withoutPasswords = (value: unknown): unknown =>
  value === undefined ? undefined : (JSON.parse(hidePasswords(JSON.stringify(value))) as unknown)

/** Top-level values whose passwords were hidden and that are otherwise those of `known`, as `known` has them. */
export const withPasswordsOf = (value: unknown, known: unknown): unknown => {
  if (typeof value !== 'object' || value === null || typeof known !== 'object' || known === null) return value
  const own = known as Readonly<Record<string, unknown>>
  const entries = Object.entries(value).map(([key, inner]) => {
    const hidden = typeof inner === 'string' && inner.includes('***') && inner === withoutPasswords(own[key])
    return [key, hidden ? own[key] : inner]
  })
  return Object.fromEntries(entries) as unknown
}
