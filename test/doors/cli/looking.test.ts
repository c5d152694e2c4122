/** The real CLI against a server that answers canned documents: verbs that look. */
import type { GateStatus } from '../../../src/wire/wire.ts'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { agent, audit, event, ledger, nowMs, settlement, swarm } from './documents.ts'
import { start, type Ended } from './child.ts'
import { token, type Asked } from './server.ts'
import { world } from './world.ts'

test('a list is followed to its end, and with --json stdout is one document and nothing else', async () => {
  const pages = (asked: Asked): unknown =>
    asked.query.get('cursor') === null
      ? { items: [agent(1), agent(2)], next: 'more' }
      : { items: [agent(3)], next: null }
  const { server, sitter } = await world({ 'GET /api/v1/agents': pages })
  const { code, stdout } = await sitter('ps', '--json', '--state', 'idle')
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toEqual({ items: [agent(1), agent(2), agent(3)], next: null })
  // The last asks for the coverage of the whole.
  expect(server.asked.map((asked) => asked.query.get('state'))).toEqual(['idle', 'idle', null])
  expect(server.asked[0]!.headers.authorization).toBe(`Bearer ${token}`)
})

test('a list for people is aligned and whole in a pipe, and with -q it is ids alone', async () => {
  const long = 'x'.repeat(300)
  const { sitter } = await world({
    'GET /api/v1/agents': { items: [agent(1), agent(12, { state: 'quarantined', reason: long })], next: null },
  })
  const table = await sitter('ps')
  expect(table.stdout).toContain(long)
  expect(table.stdout.split('\n')[0]).toMatch(/^AGENT +STATE +MODE/)
  expect(table.stderr).toContain('2 agents')
  const quiet = await sitter('ps', '-q')
  expect(quiet).toEqual({ code: 0, stdout: 'settler/0001\nsettler/0012\n', stderr: '' })
})

test('what the record says cannot move the cursor, colour or reorder the terminal, nor break JSON', async () => {
  const reason = 'ok\u001b[2J\u001b]52;c;aGk=\u0007\r\nsettler/9999  idle \u202egpj.exe \u0085'
  const { sitter } = await world({ 'GET /api/v1/agents': { items: [agent(1, { reason })], next: null } })
  // oxlint-disable-next-line no-control-regex -- that none of these is printed is the point
  const dangerous = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/
  const table = await sitter('ps')
  expect(table.stdout).not.toMatch(dangerous)
  expect(table.stdout.trimEnd().split('\n')).toHaveLength(2)
  expect(table.stdout).toContain('\\u{1b}[2J')
  const json = await sitter('ps', '--json')
  expect(json.stdout).not.toMatch(dangerous)
  expect(JSON.parse(json.stdout).items[0].reason).toBe(reason)
})

test('status tells well, degraded and broken apart by its exit code', async () => {
  const look = async (view: unknown): Promise<Ended> => (await world({ 'GET /api/v1/swarm': view })).sitter('status')
  const well = await look(swarm())
  expect(well.code).toBe(0)
  expect(well.stdout).toContain('payouts: well')
  expect(well.stdout).toContain('not looked at here')
  expect(well.stdout).toContain('1 part: sitter status --json names them')
  const waits = await look(swarm({ person: 3 }))
  expect(waits.code).toBe(4)
  expect(waits.stdout).toContain('3 things for a person')
  const blind = await look(swarm({ gate: { unknown: 'no link to the gate' } }))
  expect(blind.code).toBe(4)
  expect(blind.stdout).toContain('unknown: no link to the gate')
  const silent = await look(
    swarm({ fleet: { ...swarm().fleet, coverage: { reporting: 4_812, of: 5_000, oldestMs: 41_000 } } }),
  )
  expect(silent.code).toBe(4)
  expect(silent.stdout).toContain('4,812 of 5,000 reporting, oldest 41.0 s ago')
  const upstream = {
    name: 'bank',
    calls: 1,
    byStatus: {},
    limits: [],
    waitMs: null,
    latencyMs: null,
    learned: [],
    paused: [],
    paces: [],
  }
  const breaker = { endpoint: 'GET /v1/**', credential: null, sinceMs: 1, nextProbeMs: 2, failedProbes: 0 }
  const gate = { ...(swarm().gate as GateStatus), frozen: false }
  const held = await look(
    swarm({
      gate: { ...gate, upstreams: [{ ...upstream, unsigned: true, breakers: [{ ...breaker, state: 'open' }] }] },
    }),
  )
  expect(held.code).toBe(4)
  expect(held.stdout).toContain('calls to bank have no credential: sitter vault status')
  expect(held.stdout).toContain('bank fails: its breaker for GET /v1/** is open')
  const full = await look(swarm({ gate: { ...gate, journalRefuses: true } }))
  expect(full.code).toBe(4)
  expect(full.stdout).toContain('the gate cannot write its journal: nothing goes out')
  const by = { source: 'person', actor: 'ada', sinceMs: 1, exit: { kind: 'owner', who: 'ada' } } as const
  const parked = await look(
    swarm({ modes: { count: 1, items: [{ target: 'swarm', mode: 'parked', reason: 'audit', ...by }] } }),
  )
  expect(parked.code).toBe(4)
  expect(parked.stdout).toContain('swarm is parked by ada: audit')
  const broken = await look(swarm({ ledger: { ...ledger, ok: false, faults: ['XTS: debits 5.00, credits 4.00'] } }))
  expect(broken.code).toBe(1)
  expect(broken.stdout).toContain('debits 5.00, credits 4.00')
})

test('checks exit 1 when they do not hold, and name the entry', async () => {
  const bad = { ...audit, ok: false, entries: 41, firstBad: 42, why: 'the hash does not fit' }
  const { sitter } = await world({
    'GET /api/v1/ledger/check': { ...ledger, ok: false, faults: ['transfer 7 has no pair'] },
    'GET /api/v1/audit/verify': bad,
    'GET /api/v1/inbox': { items: [], next: null },
  })
  const check = await sitter('ledger', 'check')
  expect(check).toMatchObject({ code: 1, stdout: expect.stringContaining('transfer 7 has no pair') })
  const verify = await sitter('audit', 'verify')
  expect(verify).toMatchObject({ code: 1, stdout: 'BROKEN at entry 42: the hash does not fit\n' })
  expect(JSON.parse((await sitter('audit', 'verify', '--json')).stdout)).toEqual(bad)
  expect((await sitter('inbox')).code).toBe(0)
})

test('the inbox exits 4 when something waits', async () => {
  const item = {
    kind: 'quarantined',
    id: 'settler/0007',
    what: 'agent is quarantined',
    sinceMs: nowMs,
    wayOut: 'sitter release settler/0007',
  }
  const { sitter } = await world({ 'GET /api/v1/inbox': { items: [item], next: null } })
  expect(await sitter('inbox')).toMatchObject({
    code: 4,
    stdout: expect.stringContaining('sitter release settler/0007'),
  })
})

test('describe takes any id, with the evidence and its age', async () => {
  const holds = {
    target: 'type:settler',
    source: 'person',
    mode: 'shadow',
    reason: 'a trial',
    actor: 'token:ada',
    sinceMs: nowMs - 60_000,
    exit: { kind: 'owner', who: 'operator', what: 'sitter mode active type:settler' },
    person: true,
  }
  const over = { rate: '5/1s', of: 5, owner: '', upstreams: [] }
  const limits = [
    { ...over, name: 'agents.settler', per: 'agent', used: 5, freeAtMs: 4e12 },
    { ...over, name: 'writing', per: 'type', used: 1, freeAtMs: nowMs, upstreams: ['openai', 'anthropic'] },
    { ...over, name: 'at-once', per: 'swarm', rate: '5 at once', used: 5, freeAtMs: null },
  ]
  const more = { timeLine: [event(1)], attempts: [], attemptsOfNewestTasks: null }
  const description = { ...agent(42), holds, limits, ...more }
  const { sitter } = await world({
    'GET /api/v1/agents/settler/42': description,
    'GET /api/v1/settlements/set_1': settlement,
  })
  const shown = await sitter('describe', 'settler/42')
  expect(shown.stdout).toContain('responds: yes, seen')
  expect(shown.stdout).toContain('shadow, by type:settler')
  expect(shown.stdout).toContain('token:ada: a trial; ends: sitter mode active type:settler')
  expect(shown.stdout).toContain('its cell was killed')
  expect(shown.stdout).toMatch(/agents\.settler: 5\/s for it alone: 5 of 5 used, free in \d+ d/)
  expect(shown.stdout).toContain('writing: 5/s for all of its type to openai, anthropic: 1 of 5 used, free')
  expect(shown.stdout).toContain('at-once: 5 at once for all agents: 5 of 5 used, free with the next answer')
  expect(JSON.parse((await sitter('describe', 'settler/0042', '--json')).stdout)).toEqual(description)
  expect((await sitter('describe', 'set_1')).stdout).toContain('a person decides')
  expect((await sitter('describe', 'nonsense')).code).toBe(2)
})

test('an export is passed on line by line', async () => {
  const lines = Array.from({ length: 3_000 }, (_, index) =>
    JSON.stringify({ id: `tsk_${index}`, note: index === 7 ? 'a\u009bb' : '' }),
  )
  const { sitter } = await world({
    'GET /api/v1/export/tasks': (_asked: Asked, response: { end: (text: string) => void }) => {
      response.end(`${lines.join('\n')}\n`)
    },
  })
  const { code, stdout, stderr } = await sitter('export', 'tasks')
  expect(code).toBe(0)
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual(lines.map((line) => JSON.parse(line)))
  expect(stdout).not.toContain('\u009b')
  expect(stderr).toContain('3,000 lines')
})

test('events -f begins with the last ones, resumes when the link breaks, and Ctrl-C ends it with 130', async () => {
  const asks: (string | undefined)[] = []
  const second = Promise.withResolvers<void>()
  const { directory } = await world({
    'GET /api/v1/events': (
      asked: Asked,
      response: { write(text: string): void; destroy(): void; socket: { end(): void } },
    ) => {
      if (asked.headers.accept !== 'text/event-stream') return { items: [event(1)], next: null }
      asks.push(asked.headers['last-event-id'] as string | undefined)
      const seq = asks.length + 1
      response.write(`: beat\n\nid: ${seq}\nevent: event\ndata: ${JSON.stringify(event(seq))}\n\n`)
      if (asks.length === 1) setImmediate(() => response.destroy())
      else second.resolve()
      return undefined
    },
  })
  const { child, ended } = start(directory, ['events', '-f', '--json'])
  let seen = ''
  child.stdout!.on('data', (text: string) => {
    seen += text
  })
  while (seen.split('\n').length < 4) await once(child.stdout!, 'data')
  await second.promise
  child.kill('SIGINT')
  const { code, stdout } = await ended
  expect(code).toBe(130)
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { seq: number }).seq),
  ).toEqual([1, 2, 3])
  expect(asks).toEqual(['1', '2'])
})

test('describe tells of a cell that is gone, and of what its host left behind; escapes in it stay text', async () => {
  const witness = { kind: 'blocked', source: 'watch', agent: 'settler/0042', stack: ['spin\u001b[2J (a.ts:1:2)', 'b'] }
  const lost = event(1, { kind: 'cell.lost', subject: 'cel_9', message: 'cell cel_9 ended', facts: { witness } })
  const { sitter } = await world({
    'GET /api/v1/cells': { items: [], next: null },
    'GET /api/v1/events': { items: [lost], next: null },
    'GET /api/v1/agents/settler/42': {
      ...agent(42, { apart: { named: true, sinceMs: 0, proofMs: 4_000 } }),
      holds: { target: 'swarm', source: null, mode: 'active', exit: null },
      limits: 'unknown',
      timeLine: [lost],
      attempts: [],
      attemptsOfNewestTasks: null,
    },
  })
  const shown = (await sitter('describe', 'cel_9')).stdout
  expect(shown).toContain('cel_9, which is gone')
  expect(shown).toContain('who held the loop: settler/0042')
  expect(shown).toContain('(a.ts:1:2)')
  expect(shown).not.toContain('\u001b[2J')
  const nobody = await world({
    'GET /api/v1/cells': { items: [], next: null },
    'GET /api/v1/events': { items: [], next: null },
  })
  expect((await nobody.sitter('describe', 'cel_8')).code).toBe(3)
  const described = (await sitter('describe', 'settler/42')).stdout
  expect(described).toContain('it was named as the cause')
  expect(described).toContain('unknown: the gate does not say')
  expect(described).toContain('who held the loop: settler/0042')
})
