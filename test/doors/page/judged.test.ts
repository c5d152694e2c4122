/** What the page concludes by itself, without a browser: the three answers, who may what, what may be sent. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonFault } from '../../../dashboard/src/json-text.ts'
import { linesKept, moreOf, withAnswer, type Kept } from '../../../dashboard/src/log-lines.ts'
import { barOf, deeds, type DeedName } from '../../../dashboard/src/role.ts'
import { brokenAnswer, moneyAnswer, personAnswer } from '../../../dashboard/src/verdict.ts'
import { escaped } from '../../../dashboard/src/visible.ts'
import type { LogAnswer, SelfAnswer, SwarmView } from '../../../src/doors/api.ts'
import { pathFacts, restrictedPaths } from '../../../src/doors/http/paths.ts'
import { roles, type Role } from '../../../src/record/record.ts'
import { anyText } from '../../any-text.ts'

const upstream = {
  name: 'bank',
  calls: 1,
  byStatus: {},
  learned: [],
  unsigned: false,
  paused: [],
  breakers: [],
  limits: [],
  latencyMs: null,
}
const gate = { gateId: 'gat_1', pid: 1, frozen: false, queued: 0, inFlight: 0, cells: 1, upstreams: [upstream] }
const calm = {
  nowMs: 100_000,
  gate,
  freeze: { frozen: false, gate: false, by: null },
  ledger: { ok: true },
  fleet: { byState: { idle: 5, busy: 5 }, admission: { short: null } },
  settle: { byState: { settled: { count: 10 } }, person: 0 },
  work: { byType: { settle: { succeeded: 10, ready: 5 } } },
  idle: false,
} as unknown as SwarmView
const moving = [
  { atMs: 0, ended: 0, settled: 0 },
  { atMs: 10_000, ended: 140, settled: 120 },
]
const standing = [
  { atMs: 0, ended: 10, settled: 10 },
  { atMs: 10_000, ended: 10, settled: 10 },
]
const but = (change: object): SwarmView => ({ ...calm, ...change })

test('money moves only when payments were seen to be settled; what cannot be told is unknown', () => {
  const says = (view: SwarmView, samples = moving): string => {
    const { tone, says: text } = moneyAnswer(view, samples)
    return `${tone}: ${text.replaceAll('\u00a0', ' ')}`
  }
  expect(says(calm)).toBe('good: Yes: 12 payments settled a second')
  expect(says(calm, standing)).toBe('bad: No: nothing settled in the last 10 s')
  expect(says(calm, moving.slice(0, 1))).toBe('unsure: Not known yet: watching')
  expect(says(but({ gate: { unknown: 'no link to the gate' } }))).toBe('unsure: Not known: no link to the gate')
  expect(says(but({ gate: { ...gate, journalRefuses: true } }))).toBe('bad: No: the gate cannot write its journal')
  expect(says(but({ freeze: { frozen: true, gate: true, by: null } }))).toBe('bad: No: the swarm is frozen')
  expect(says(but({ idle: true }), standing)).toBe('unsure: No: what is left waits for a person')
  expect(says(but({ work: { byType: { settle: { succeeded: 10 } } } }), standing)).toBe('soft: Nothing more to pay')
  const held = (why: string, untilMs: number): string => {
    const upstreams = [{ ...upstream, paused: [{ whose: 'credential', credential: 'bank', why, untilMs }] }]
    return moneyAnswer(but({ gate: { ...gate, upstreams } }), standing).facts.at(-1)!.says
  }
  expect(held('asked', 130_000)).toContain('bank asked for silence: 30')
  expect(held('banned', 130_000)).toContain('bank refuses whoever we are: 30')
  expect(held('banned', 90_000)).toBe('bank refuses whoever we are: one call is still to try its end')
})

test('nothing is called whole while books, audit, gate, upstreams or agents are not known to be', () => {
  const broken = { ok: false, entries: 9, firstBad: 4, why: 'x', head: 'y' }
  expect(brokenAnswer(calm, null)).toMatchObject({ tone: 'good', facts: [] })
  expect(brokenAnswer(calm, broken)).toMatchObject({ tone: 'bad', facts: [{ says: 'the audit is broken at entry 4' }] })
  for (const change of [
    { ledger: { ok: false } },
    { gate: { unknown: 'no link to the gate' } },
    { gate: { ...gate, journalRefuses: true } },
    { gate: { ...gate, upstreams: [{ ...upstream, breakers: [{ state: 'open' }] }] } },
    { fleet: { ...calm.fleet, byState: { unknown: 1 } } },
    { fleet: { ...calm.fleet, byState: { quarantined: 1 } } },
    { freeze: { frozen: true, gate: 'unknown', by: null } },
  ])
    expect(brokenAnswer(but(change), null).tone, JSON.stringify(change)).not.toBe('good')
})

test('who must act is told by what each role may, and whether that is the one who looks', () => {
  const self = (role: Role): SelfAnswer => ({ name: 'ann', role, actor: 'x', restricted: restrictedPaths() })
  expect(personAnswer(calm, null)).toMatchObject({ says: 'Nobody' })
  const held = but({ fleet: { byState: { quarantined: 2 } }, work: { byType: { settle: { dead: 3 } } } })
  expect(personAnswer(held, self('operator'))).toEqual({
    tone: 'unsure',
    says: 'You, or who has your role',
    facts: [
      { says: '3 dead letters (operator)', href: '#/dead-letters' },
      { says: '2 held agents (operator)', href: '#/agents?state=quarantined' },
    ],
  })
  expect(personAnswer(held, self('approver')).says).toBe('Somebody else')
  expect(personAnswer(held, null).says).toBe('Somebody else')
  const owner = { kind: 'owner', who: 'operator' }
  const others = but({
    gate: { ...gate, credentialsWaiting: 1 },
    modes: {
      count: 2,
      items: [
        { target: 'type:payer', source: 'person', exit: owner },
        { target: 'channel:bank', source: 'rule', exit: { kind: 'time' } },
      ],
    },
  })
  expect(personAnswer(others, self('operator'))).toMatchObject({
    says: 'You, or who has your role',
    facts: [
      { says: expect.stringMatching(/^1 credential/) as string, href: '#/credentials' },
      { says: '1 mode that somebody set: type:payer' },
    ],
  })
  const paying = but({ settle: { byState: {}, person: 4 } })
  expect(personAnswer(paying, self('approver'))).toMatchObject({
    says: 'You, or who has your role',
    facts: [{ says: '4 payments (approver)' }],
  })
})

test('work that nobody can do, and calls without a credential, are broken', () => {
  const stalled = [{ type: 'think', agentType: 'crasher', ready: 1, states: { quarantined: 3 } }]
  const unsigned = { ...gate, upstreams: [{ ...upstream, unsigned: true }] }
  expect(brokenAnswer(but({ stalled, gate: unsigned }), null).facts.map(({ says }) => says)).toEqual([
    'calls to bank have no credential',
    '1 task of think and no agent of crasher that works',
  ])
})

test('each button asks for a path that the door has, and is for exactly the roles that the door lets in', () => {
  const restricted = restrictedPaths()
  for (const [name, path] of Object.entries(deeds) as [DeedName, string][]) {
    expect(Object.hasOwn(restricted, path), path).toBe(true)
    if (!path.includes('/export/')) expect(pathFacts, path).toHaveProperty([path])
    expect(barOf(null, name), path).toMatch(/^Not known yet/)
    for (const role of roles) {
      const bar = barOf({ name: 'ann', role, actor: 'session:ann', restricted }, name)
      expect(bar === null, `${role} ${path}`).toBe(restricted[path]!.includes(role))
    }
  }
})

test('JSON is sent only when it is JSON and no number in it would become another', () => {
  fc.assert(fc.property(fc.json(), (json) => jsonFault(JSON.stringify(JSON.parse(json))) === null))
  for (const good of [
    '1',
    '12.10',
    '-0.0',
    '1e3',
    '"9007199254740993"',
    '{"a":[9007199254740992, 0.1]}',
    '1e-7',
    '1E+2',
  ])
    expect(jsonFault(good), good).toBeNull()
  for (const bad of ['9007199254740993', '[1.00000000000000001]', '{"a": 1e999}', '-123456789012345678'])
    expect(jsonFault(bad), bad).toMatch(/would be stored as/)
  expect(jsonFault('{"a":')).toMatch(/^This is not JSON yet/)
})

test('JSON with letters that cannot be seen is edited as escapes, and means the same', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const shown = escaped(JSON.stringify({ text }))
      expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029]/u)
      expect(JSON.parse(shown)).toEqual({ text })
    }),
  )
})

test('the page holds the last lines of a log, and counts those that left', () => {
  const line = (msg: string): LogAnswer['items'][number] => ({ level: 30, time: 1, room: 'gate', msg })
  const answer = (count: number): LogAnswer => ({
    items: Array.from({ length: count }, (_, index) => line(String(index))),
    next: null,
    place: `1:${count}`,
    complete: false,
    unread: ['a'],
  })
  let kept: Kept | null = null
  for (let round = 0; round < 5; round += 1) kept = withAnswer(kept, answer(400))
  expect(kept).toMatchObject({ dropped: 5 * 400 - linesKept, place: '1:400', complete: false, unread: ['a'] })
  expect(kept!.lines).toHaveLength(linesKept)
  expect(moreOf(line('x'))).toBeNull()
  expect(moreOf({ ...line('x'), attempt: 3, agent: 'a/1' })).toBe('{"attempt":3}')
})
