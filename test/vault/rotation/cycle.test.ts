import fc from 'fast-check'
import { expect, test } from 'vitest'
import { afterRefusal, burden, healthy, shownBy } from '../../../src/vault/health.ts'
import { concernOf, endingOf, type Looked } from '../../../src/vault/concerns.ts'
import { afterRestart } from '../../../src/vault/rotation/resumed.ts'
import { canaryShare, freshCycle, step, type Cycle, type Fact } from '../../../src/vault/rotation/cycle.ts'
import { dueAfter, dueOf, mayBeginAt, outsideBlackouts } from '../../../src/vault/rotation/plan.ts'
import { rotation } from './world.ts'

const kinds = [
  'begin',
  'asking',
  'minted',
  'not-minted',
  'mint-unknown',
  'none-found',
  'still-there',
  'cannot-look',
  'accepted',
  'untested',
  'not-accepted',
  'forbidden',
  'test-unknown',
  'canary-over',
  'drained',
  'revoked',
  'not-revoked',
  'cannot-revoke',
  'undone',
  'set',
] as const

/** What a fact may be when the vault stands so. */
const factOf = (kind: (typeof kinds)[number], emergency: boolean, newest: number): Fact => {
  const why = 'because'
  switch (kind) {
    case 'begin':
      return { kind, label: 'label', emergency }
    case 'minted':
      return { kind, version: newest + 1, id: 'id', endsMs: null }
    case 'none-found':
      return { kind, label: 'another' }
    case 'set':
      return { kind, version: newest + 1, endsMs: null, left: [] }
    case 'asking':
    case 'accepted':
    case 'forbidden':
    case 'untested':
    case 'canary-over':
    case 'drained':
    case 'revoked':
    case 'cannot-revoke':
      return { kind }
    case 'undone':
      return { kind, ended: emergency }
    case 'not-minted':
    case 'mint-unknown':
    case 'still-there':
    case 'cannot-look':
    case 'not-accepted':
    case 'test-unknown':
    case 'not-revoked':
      return { kind, why }
  }
}

test('whatever happens in whatever order, one version serves, and none is revoked before another has proven itself', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(1_000), fc.boolean()), { maxLength: 60 }), (told) => {
      const states = new Map<number, string>([[1, 'active']])
      const proven = new Set<number>([1])
      let cycle: Cycle = freshCycle(0, 1_000)
      let newest = 1
      for (const [choice, emergency] of told) {
        // Mostly facts that mean something now: the others change nothing.
        const context = { nowMs: 0, nextDueMs: 9, serving: [] }
        const fit = kinds.filter((one) => step(cycle, factOf(one, emergency, newest), context) !== undefined)
        const kind = choice % 10 === 0 ? kinds[choice % kinds.length]! : fit[choice % fit.length]!
        const fact = factOf(kind, emergency, newest)
        const serving = [...states]
          .filter(([, state]) => state === 'active' || state === 'draining')
          .map(([one]) => one)
        if (fact.kind === 'accepted' && cycle.next !== null) proven.add(cycle.next)
        if (fact.kind === 'set') {
          newest += 1
          // What the vault does by itself when a person sets one.
          for (const [version, state] of states) if (state === 'active') states.set(version, 'retired')
          states.set(newest, 'active')
          proven.add(newest)
        }
        const stepped = step(cycle, fact, {
          nowMs: 0,
          nextDueMs: 9,
          serving: fact.kind === 'set' ? [...serving, newest] : serving,
        })
        if (stepped === undefined) continue
        if (fact.kind === 'minted') {
          newest += 1
          states.set(newest, 'staged')
        }
        cycle = stepped.cycle
        for (const { version, state } of stepped.moves) {
          if (state === 'revoked' && states.get(version) === 'draining') {
            const others = [...states].filter(([other, one]) => other !== version && one === 'active')
            expect(others.length).toBe(1)
            expect(proven.has(others[0]![0])).toBe(true)
          }
          states.set(version, state)
        }
        expect([...states.values()].filter((state) => state === 'active')).toHaveLength(1)
        expect(cycle.old).not.toContain(cycle.next)
        expect(JSON.parse(JSON.stringify(cycle))).toEqual(cycle)
      }
    }),
    { numRuns: 1_000 },
  )
})

test('a mint that may have been asked for is looked for after a restart, and one that was not is simply made', () => {
  const begun = step(
    freshCycle(0, 0),
    { kind: 'begin', label: 'l', emergency: false },
    { nowMs: 1, nextDueMs: 9, serving: [1] },
  )!
  expect(afterRestart(begun.cycle, false).phase).toBe('minting')
  const asked = step(begun.cycle, { kind: 'asking' }, { nowMs: 2, nextDueMs: 9, serving: [1] })!
  expect(afterRestart(asked.cycle, false).phase).toBe('looking')
  expect(afterRestart(asked.cycle, true).phase).toBe('minting')
  expect(canaryShare(begun.cycle)).toBe(0)
  expect(canaryShare({ ...begun.cycle, phase: 'canary' })).toBe(0.01)
  expect(canaryShare({ ...begun.cycle, phase: 'canary', fine: 1 })).toBe(0.1)
})

test('keys that are asked for again and again, and never heard of, are a person’s business and not made for ever', () => {
  const context = { nowMs: 1, nextDueMs: 9, serving: [1] }
  let cycle = step(freshCycle(0, 0), { kind: 'begin', label: 'l', emergency: false }, context)!.cycle
  let mints = 0
  while (cycle.phase !== 'person') {
    expect(cycle.phase).toBe('minting')
    mints += 1
    cycle = step(cycle, { kind: 'mint-unknown', why: 'its answer has no secret' }, context)!.cycle
    cycle = step(cycle, { kind: 'none-found', label: `l${mints}` }, context)!.cycle
  }
  expect(mints).toBe(3)
  // Whoever looked begins it anew, with as many tries.
  const again = step(cycle, { kind: 'begin', label: 'm', emergency: false }, context)!.cycle
  expect(again).toMatchObject({ phase: 'minting', lost: 0 })
})

test('an emergency lasts until another version serves, and one that is not proven yet is not left for another', () => {
  const context = { nowMs: 1, nextDueMs: 9e9, serving: [1] }
  const play = (facts: readonly Fact[], from: Cycle, serving = [1]): Cycle =>
    facts.reduce((cycle, fact) => step(cycle, fact, { ...context, serving })?.cycle ?? cycle, from)
  const begun = (emergency: boolean): Fact => ({ kind: 'begin', label: 'l', emergency })
  const minted: Fact = { kind: 'minted', version: 2, id: 'x', endsMs: null }
  const refused = Array<Fact>(20).fill({ kind: 'not-accepted', why: '403' })
  // Its new key is not taken: the next try hurries as well, and soon.
  const undone = play([begun(true), minted, ...refused, { kind: 'undone', ended: true }], freshCycle(0, 0))
  expect(undone).toMatchObject({ phase: 'idle', emergency: true, dueMs: 300_001 })
  expect(play([begun(false)], undone)).toMatchObject({ phase: 'minting', emergency: true })
  // Untested, it takes over, and is said to be in wrong hands before anybody knows that it works.
  const open = play([begun(false), minted, { kind: 'untested' }, { kind: 'canary-over' }], freshCycle(0, 0))
  expect(open).toMatchObject({ phase: 'draining', proven: false, old: [1] })
  const leaked = play([begun(true)], open, [1, 2])
  expect(leaked).toMatchObject({ phase: 'draining', isLeaked: true, emergency: true })
  expect(play([{ kind: 'accepted' }], leaked, [1, 2])).toMatchObject({ phase: 'minting', emergency: true, old: [1] })
  const back = step(leaked, { kind: 'not-accepted', why: '401' }, { ...context, serving: [1, 2] })!
  expect(back.cycle).toMatchObject({ phase: 'undoing', isLeaked: false, old: [] })
  expect(back.moves).toContainEqual({ version: 1, state: 'active' })
})

test('what is answered to a call is a word about its secret only where the call and limits are out of it', () => {
  const usual = { counts: true, isLimited: false }
  expect([200, 204, 302].map((status) => shownBy(status, usual))).toEqual(['accepted', 'accepted', 'accepted'])
  expect(shownBy(401, { ...usual, counts: false })).toBe('not-accepted')
  expect(shownBy(403, usual)).toBe('forbidden')
  for (const other of [
    { ...usual, isLimited: true },
    { ...usual, counts: false },
  ])
    expect(shownBy(403, other)).toBeUndefined()
  for (const status of [400, 404, 409, 429]) expect(shownBy(status, usual)).toBeUndefined()
})

test('rotations keep out of blackouts and of each other, and are spread by chance', () => {
  const rule = rotation({ everyMs: 1_000, jitter: 0.1, gapMs: 500 })
  expect([dueAfter(rule, 0, 0), dueAfter(rule, 0, 0.5), dueAfter(rule, 0, 1)]).toEqual([900, 1_000, 1_100])
  const asked = { dueMs: 1_000, standing: { setMs: 0, endsMs: null }, civilMs: 0 }
  const [busy, done] = [
    { busy: true, doneMs: null },
    { busy: false, doneMs: 900 },
  ]
  expect(mayBeginAt(rule, { ...asked, neighbours: [busy] })).toBe(null)
  expect(mayBeginAt(rule, { ...asked, neighbours: [done] })).toBe(1_400)
  // One that ends soon waits for nobody.
  const ends = { ...asked, standing: { setMs: 0, endsMs: 1_200 } }
  expect(mayBeginAt(rule, { ...ends, neighbours: [busy] })).toBe(1_000)
  expect(mayBeginAt(rule, { ...ends, neighbours: [done] })).toBe(1_000)
  const friday = { days: [5], fromMinute: 16 * 60, toMinute: 24 * 60 }
  const night = { days: [0, 1, 2, 3, 4, 5, 6], fromMinute: 22 * 60, toMinute: 6 * 60 }
  const at = (text: string): number => Date.parse(text)
  // 2026-01-02 is a Friday.
  expect(outsideBlackouts([friday], at('2026-01-02T15:59:00Z'))).toBe(at('2026-01-02T15:59:00Z'))
  expect(outsideBlackouts([friday], at('2026-01-02T17:30:30Z'))).toBe(at('2026-01-03T00:00:00Z'))
  expect(outsideBlackouts([night], at('2026-01-02T23:00:00Z'))).toBe(at('2026-01-03T06:00:00Z'))
  expect(outsideBlackouts([friday, night], at('2026-01-02T17:00:00Z'))).toBe(at('2026-01-03T06:00:00Z'))
})

test('a version is replaced before it ends by its provider’s word, a third of its life before at most', () => {
  const rule = rotation({ everyMs: 30_000, jitter: 0, warnBeforeMs: 7_000 })
  expect(dueOf(rule, 30_000, { setMs: 0, endsMs: null }, true)).toBe(30_000)
  expect(dueOf(rule, 30_000, { setMs: 0, endsMs: 90_000 }, true)).toBe(30_000)
  expect(dueOf(rule, 30_000, { setMs: 0, endsMs: 24_000 }, true)).toBe(17_000)
  expect(dueOf(rule, 30_000, { setMs: 0, endsMs: 9_000 }, true)).toBe(6_000)
  // A person has until the end.
  expect(dueOf(rule, 30_000, { setMs: 0, endsMs: 24_000 }, false)).toBe(24_000)
  expect(dueOf(rule, null, { setMs: 0, endsMs: 24_000 }, false)).toBe(24_000)
})

test('blackouts are hours of people, whatever our own clock shows: a jump moves what is due by nothing', () => {
  const at = (text: string): number => Date.parse(text)
  const friday = { days: [5], fromMinute: 16 * 60, toMinute: 24 * 60 }
  // 2026-01-02 is a Friday. Ours is two hours behind the machine's, which was put right.
  const ours = at('2026-01-02T15:30:00Z')
  expect(outsideBlackouts([friday], ours, 0)).toBe(ours)
  expect(outsideBlackouts([friday], ours, 7_200_000)).toBe(at('2026-01-02T22:00:00Z'))
  const rule = rotation({ everyMs: 1_000, gapMs: 0 })
  const asked = { dueMs: 1_000, standing: { setMs: 0, endsMs: null }, neighbours: [] }
  for (const civilMs of [0, 7_200_000, -7_200_000, 1e12]) expect(mayBeginAt(rule, { ...asked, civilMs })).toBe(1_000)
})

test('a credential that is refused again and again rests, longer each time', () => {
  const thrice = [1, 2, 3].reduce((health) => afterRefusal(health, 0, 401), healthy)
  expect(burden(healthy, 0)).toBe(0)
  expect(burden(afterRefusal(healthy, 0, 401), 0)).toBe(1)
  expect(burden(thrice, 0)).toBeGreaterThanOrEqual(1_000)
  expect(burden(thrice, 30_001)).toBe(3)
  expect(afterRefusal(thrice, 31_000, 401).restUntilMs).toBe(31_000 + 60_000)
})

test('people are told of an end at 30, 14, 7, 3 and 1 days, of one by hand only as early as they said', () => {
  const day = 86_400_000
  const cycle = freshCycle(0, 30 * day)
  const usual = { name: 'bank', cycle, warnBeforeMs: 7 * day, hasVersion: true, isCompromised: false, grant: null }
  const byHand: Looked = {
    ...usual,
    overlapMs: 0,
    spareMs: null,
    refusal: null,
    isAutomatic: false,
    expiresMs: null,
    hasOthers: false,
    fallback: null,
    isTampered: false,
    dueMs: 30 * day,
    civilMs: 0,
  }
  expect(endingOf(byHand)).toMatchObject({ endsMs: 30 * day, toldDays: [7, 3, 1] })
  expect(endingOf({ ...byHand, expiresMs: 9 * day })).toMatchObject({ endsMs: 9 * day, toldDays: [30, 14, 7, 3, 1] })
  expect(endingOf({ ...byHand, isAutomatic: true })).toBe(null)
  // What is replaced by itself is told of when that is late, and not at each new key.
  const byItself: Looked = { ...byHand, isAutomatic: true, expiresMs: 30 * day, spareMs: 7 * day }
  expect(endingOf(byItself)).toMatchObject({ toldDays: [3, 1] })
  expect(endingOf({ ...byItself, expiresMs: day / 2, spareMs: day / 6 })).toMatchObject({ toldDays: [] })
  expect(concernOf({ ...byItself, expiresMs: day / 2, spareMs: day / 6 }, 0.45 * day)).toBe(null)
  expect(concernOf({ ...byItself, expiresMs: day / 2, spareMs: day / 6 }, 0.48 * day)).toMatchObject({
    severity: 'critical',
    what: expect.stringContaining('its rotation is late') as string,
  })
  // A version that took over, and that nothing uses: the old one is not ended, and somebody is told.
  const drains = { ...cycle, phase: 'draining', next: 2, old: [1] } as const
  const held: Looked = { ...byHand, isAutomatic: true, overlapMs: day, cycle: drains }
  expect(concernOf(held, day)).toBe(null)
  expect(concernOf(held, 1.1 * day)).toMatchObject({ what: expect.stringContaining('bank@1 is not ended') as string })
  expect(concernOf(byHand, 22 * day)).toBe(null)
  // What was never set is a concern from the start; who sets up a swarm is not woken at once.
  const none = { ...byHand, hasVersion: false, cycle: freshCycle(7, null) }
  expect(concernOf(none, 8)).toMatchObject({
    severity: 'critical',
    what: 'has no secret: whatever needs it is refused',
    wayOut: 'sitter vault set bank',
    sinceMs: 7,
    wakesMs: 120_007,
  })
  expect(concernOf({ ...none, hasOthers: true }, 8)).toMatchObject({ severity: 'warning', wakesMs: 120_007 })
  expect(concernOf({ ...none, isTampered: true }, 8)).toMatchObject({ severity: 'critical', wakesMs: 7 })
  expect(concernOf({ ...none, isCompromised: true }, 8)).toMatchObject({ severity: 'critical', wakesMs: 7 })
  expect(concernOf(byHand, 24 * day)).toMatchObject({ severity: 'warning', what: 'is to be replaced by 1970-01-31' })
  expect(concernOf(byHand, 31 * day)).toMatchObject({ severity: 'critical' })
  expect(concernOf({ ...byHand, isAutomatic: true, cycle: { ...cycle, why: 'it answered 500' } }, 0)).toMatchObject({
    severity: 'warning',
  })
})
