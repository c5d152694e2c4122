import { expect, test } from 'vitest'
import { boundOf, decide, type Standing, type Wanted } from '../../src/vault/accounts.ts'
import { afterRefusal, healthy, isUnknownThere } from '../../src/vault/health.ts'

const standing = (more: Partial<Standing> = {}): Standing => ({
  name: 'bank',
  account: 'A',
  members: ['bank-a', 'bank'],
  whyNot: null,
  canBeTried: true,
  toSet: 'bank-a',
  ...more,
})
const own = standing()
const gone = standing({ whyNot: 'bank-a has no active version', canBeTried: false })
const resting = standing({ whyNot: 'bank-a is refused by its provider (401)' })
const other = standing({ name: 'spare', account: 'B', members: ['spare'], toSet: 'spare' })
const otherGone = { ...other, whyNot: 'spare has no active version', canBeTried: false }

const read: Wanted = {
  changes: false,
  isKeyed: false,
  bound: null,
  forgottenUntilMs: null,
  pausedMs: 0,
  outside: undefined,
}
const change: Wanted = { ...read, changes: true }
const keyed: Wanted = { ...change, isKeyed: true }
const by = (...of: Parameters<typeof decide>): string => {
  const decided = decide(...of)
  if (decided.by === null) return `refused: ${decided.why}`
  return decided.isFree ? decided.by : `${decided.by}, not free`
}

test('while the own account serves, everything that is not bound goes by it, whatever its pauses', () => {
  for (const wanted of [read, change, keyed, { ...keyed, pausedMs: 60_000 }, { ...read, pausedMs: 1e9 }])
    expect(by(own, other, wanted)).toBe('own')
})

test('when it does not serve, reads and fresh keys go by the other one, and what has no proof stays', () => {
  for (const away of [gone, resting]) {
    expect(by(away, other, read)).toBe('other')
    expect(by(away, other, keyed)).toBe('other')
  }
  expect(by(gone, other, change)).toMatch(
    /refused: bank-a has no active version: sitter vault set bank-a; without an id/,
  )
  expect(by(gone, other, { ...keyed, forgottenUntilMs: 0 })).toMatch(/of before .* named .* until 1970-01-01T00:00Z/)
  expect(by(gone, other, { ...read, forgottenUntilMs: 0 })).toBe('other')
  expect(by(gone, other, { ...read, outside: 'this path' })).toMatch(
    /spare \(account B\) may not be used for this path/,
  )
  expect(by(gone, otherGone, read)).toMatch(/set bank-a; spare \(account B\): spare has no active version/)
  expect(by(gone, null, keyed)).toBe('refused: bank-a has no active version: sitter vault set bank-a')
  // One that rests can still be tried, as in a pool of which all rest.
  for (const wanted of [change, { ...keyed, forgottenUntilMs: 0 }, { ...read, outside: 'this path' }])
    expect(by(resting, other, wanted)).toBe('own, not free')
})

test('a pause of the own account is waited for, also when its key is gone meanwhile', () => {
  expect(decide(gone, other, { ...read, pausedMs: 60_000 })).toMatchObject({ by: null, retryAfterMs: 60_000 })
  expect(by(resting, other, { ...keyed, pausedMs: 1 })).toBe('own, not free')
})

test('a key stays at the account where it may have had its effect, whichever serves', () => {
  expect(by(own, other, { ...keyed, bound: 'other' })).toBe('other, not free')
  expect(by(gone, other, { ...keyed, bound: 'own' })).toMatch(/effect by bank \(account A\), so .*set bank-a$/)
  expect(by(resting, other, { ...keyed, bound: 'own' })).toBe('own, not free')
  expect(by(own, otherGone, { ...keyed, bound: 'other' })).toMatch(/effect by spare \(account B\).*set spare$/)
  const pairs: [Standing, Standing | null][] = [
    [own, other],
    [gone, other],
    [own, null],
  ]
  for (const [one, behind] of pairs)
    expect(by(one, behind, { ...keyed, bound: 'elsewhere' })).toMatch(/an account that bank \(account A\) is not/)
  // The fallback was taken out of the configuration.
  expect(by(own, null, { ...keyed, bound: 'other' })).toMatch(/an account that bank/)
})

test('an account is known by its name or by its secrets, and two at once are neither', () => {
  const at = (account: string, credential: string) => ({ account, credential })
  expect(boundOf([], own, other)).toBe(null)
  expect(boundOf([at('A', 'bank-old')], own, other)).toBe('own')
  expect(boundOf([at('renamed', 'bank-a')], own, other)).toBe('own')
  expect(boundOf([at('B', 'spare')], own, other)).toBe('other')
  expect(boundOf([at('B', 'spare')], own, null)).toBe('elsewhere')
  expect(boundOf([at('C', 'third')], own, other)).toBe('elsewhere')
  expect(boundOf([at('A', 'bank-a'), at('B', 'spare')], own, other)).toBe('elsewhere')
})

test('only a rest after 401 says that the provider does not know a key; 403 may be a limit or a ban', () => {
  const after = (...statuses: (401 | 403)[]) => statuses.reduce((health, one) => afterRefusal(health, 0, one), healthy)
  expect(isUnknownThere(after(401, 401), 1)).toBe(false)
  expect(isUnknownThere(after(401, 401, 401), 1)).toBe(true)
  expect(isUnknownThere(after(403, 403, 403), 1)).toBe(false)
  expect(isUnknownThere(after(401, 401, 401), 30_000)).toBe(false)
})
