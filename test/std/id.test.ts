import fc from 'fast-check'
import { expect, test } from 'vitest'
import { idMaker, isId, seeded, type Clock, type IdPrefix } from '../../src/std/std.ts'

const prefixes: readonly IdPrefix[] = ['tsk', 'set', 'bat', 'cel', 'grn', 'gat', 'trf', 'req']
const prefix = fc.constantFrom(...prefixes)
/** Unix times of the years 1970 to 10889: what 48 bits hold. */
const wallMs = fc.integer({ min: 0, max: 2 ** 48 - 1 })

const clockAt = (now: number): Clock => ({
  wallMs: () => now,
  monoMs: () => 0,
  stamp: () => ({ wallMs: now, monoMs: 0, bootId: 'test' }),
  timer: () => () => {},
})
const idAt = (now: number, seed: number, of: IdPrefix): string => idMaker(clockAt(now), seeded(seed))(of)

test('An id is its prefix and a UUID of version 7 that tells when it was born', () => {
  fc.assert(
    fc.property(wallMs, fc.nat(), prefix, (now, seed, of) => {
      const id = idAt(now, seed, of)
      expect(id).toMatch(/^[a-z]{3}_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      expect(isId(of, id)).toBe(true)
      expect(Number.parseInt(id.slice(4, 17).replace('-', ''), 16)).toBe(now)
    }),
  )
})

test('Ids sort by the millisecond of their birth', () => {
  fc.assert(
    fc.property(wallMs, wallMs, fc.nat(), fc.nat(), (first, second, seed, other) => {
      fc.pre(first < second)
      expect(idAt(first, seed, 'tsk') < idAt(second, other, 'tsk')).toBe(true)
    }),
  )
})

test('Ids of one millisecond differ', () => {
  const newId = idMaker(clockAt(1_700_000_000_000), seeded(7))
  expect(new Set(Array.from({ length: 10_000 }, () => newId('tsk'))).size).toBe(10_000)
})

test('An id of one thing is no id of another', () => {
  const id = idAt(1, 1, 'set')
  expect(prefixes.filter((of) => isId(of, id))).toEqual(['set'])
})

test('What was bent is no id', () => {
  const id = idAt(1_700_000_000_000, 1, 'tsk')
  const bent = [
    id.toUpperCase(),
    ` ${id}`,
    `${id}\n`,
    id.slice(0, -1),
    `${id}0`,
    id.replace('-7', '-4'),
    id.replace('_', '-'),
    '',
  ]
  expect(bent.filter((one) => isId('tsk', one))).toEqual([])
})
