/**
 * B21 on the terminal: whatever the API says, in whichever field, no verb prints a character that a terminal obeys. Each
 * document below is poisoned in every text of it, names and ids too.
 */
import { expect, test } from 'vitest'
import { runCli } from '../../src/doors/cli/cli.ts'
import { agent, audit, batch, event, ledger, nowMs, problem, settlement, swarm } from '../doors/cli/documents.ts'
import { fakeWorld, moveUntil } from '../doors/cli/fake.ts'

/** Clears the screen, writes the clipboard (OSC 52), C1 CSI, right-to-left override, zero-width, a forged line. */
const poison = '\u001b[2J\u001b]52;c;aGk=\u0007\u009b31m\u202egpj.\u2066\u200b\r\nsettled  1,000,000.00 EUR'
// oxlint-disable-next-line no-control-regex -- that none of these is printed is the point
const obeyed = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/

const poisoned = (value: unknown): unknown => {
  if (typeof value === 'string') return `${value}${poison}`
  if (Array.isArray(value)) return value.map(poisoned)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, poisoned(inner)]))
}
const list = (...items: unknown[]): unknown => ({ items: items.map(poisoned), next: null })

const task = {
  id: 'tsk_1',
  type: 'settle',
  agentType: 'settler',
  key: 'k',
  payload: '{"a":1}',
  priority: 5,
  state: { state: 'waiting', reason: 'rate', untilMs: nowMs },
  attempts: 1,
  maxAttempts: 3,
  fence: 1,
  agent: 'settler/0001',
  batch: 'bat_1',
  result: '1',
  error: { name: 'Error', message: 'no', stack: 'Error: no\n    at x', code: 'E' },
  deadlineMs: nowMs,
  after: [],
  onFailed: 'cancel',
  version: 2,
  life: 2,
  createdMs: nowMs,
  updatedMs: nowMs,
}
const attempt = {
  id: 'att_1',
  task: 'tsk_1',
  life: 1,
  number: 1,
  fence: 1,
  agent: 'settler/0001',
  cell: 'cel_1',
  startedMs: nowMs,
  endedMs: nowMs,
  outcome: 'transient',
  error: task.error,
}
const described = {
  ...task,
  history: [attempt],
  deadLetters: [
    {
      task: 'tsk_1',
      life: 1,
      reason: 'attempts',
      outcome: null,
      error: null,
      attempts: 3,
      version: 1,
      diedMs: nowMs,
      closed: 'redriven',
      closedMs: nowMs,
      actor: 'token:x',
    },
  ],
  comesAfter: [{ task: 'tsk_0', ended: 'succeeded' }],
  payloads: [],
}
const upstream = {
  name: 'bank',
  url: 'http://x',
  credential: 'c',
  allow: ['GET /'],
  money: ['POST /'],
  limits: [{ per: 'credential', rate: '1/1s', pausedUntilMs: nowMs + 5_000, waiting: 1, usage: null }],
  domains: [{ per: 'credential', owner: poison, used: 1, of: 1, freeAtMs: null }],
  waiting: [{ agent: poison, waiting: 1 }],
  waitMs: null,
  calls: 1,
  byStatus: { '200': 1, [poison]: 2 },
  learned: [],
  paused: [{ whose: 'credential', credential: poison, why: 'asked', untilMs: nowMs + 5_000 }],
  paces: [{ credential: poison, perSecond: 1.5 }],
  unsigned: false,
  breakers: [],
  latencyMs: { p50: 1, p95: 2, p99: 3 },
}
const transfer = {
  seq: 1,
  id: 't',
  kind: 'post',
  pendingId: null,
  debit: 'a',
  credit: 'b',
  amount: '1.00',
  currency: 'XTS',
  settlement: 's',
  wallMs: nowMs,
}
const agentFull = { ...agent(1, { reason: 'x' }), timeLine: [event(1)], attempts: [attempt] }

const answers: Readonly<Record<string, unknown>> = {
  '/api/v1/swarm': { ...(poisoned(swarm()) as object), fleet: { ...swarm().fleet, byState: { [`idle${poison}`]: 1 } } },
  '/api/v1/metrics': {
    atMs: nowMs,
    families: [
      {
        name: `sitter_agents${poison}`,
        type: 'gauge',
        help: poison,
        samples: [{ labels: { type: poison }, value: 1 }],
      },
    ],
  },
  '/api/v1/agents': list(agent(1, { reason: 'x' })),
  '/api/v1/agents/settler/1': poisoned(agentFull),
  '/api/v1/cells': list({
    id: 'cel_1',
    kind: 'pool',
    agentType: 'settler',
    identity: { pid: 1, startTime: '1' },
    agents: 1,
    busy: 0,
    startedMs: nowMs,
    answeredMs: null,
    answeredAgents: null,
    residentBytes: null,
  }),
  '/api/v1/tasks': list(task),
  '/api/v1/tasks/tsk_1': poisoned(described),
  '/api/v1/attempts/att_1': poisoned(attempt),
  '/api/v1/dead-letters': list(task),
  '/api/v1/dead-letters/tsk_1': poisoned(described),
  '/api/v1/events': list(event(1)),
  '/api/v1/inbox': list({ kind: 'quarantined', id: 'settler/1', count: 1, what: 'x', sinceMs: nowMs, wayOut: 'y' }),
  '/api/v1/logs': {
    ...(list({ level: 30, time: nowMs, room: 'agent', agent: 'settler/1', msg: 'hello', more: 'x' }) as object),
    place: 'p',
    complete: true,
    unread: [],
  },
  '/api/v1/batches': list(batch()),
  '/api/v1/batches/bat_1': poisoned(batch()),
  '/api/v1/settlements': list(settlement),
  '/api/v1/settlements/set_1': poisoned(settlement),
  '/api/v1/ledger/accounts': list({
    code: 'a',
    currency: 'XTS',
    debitsPending: '1',
    debitsPosted: '1',
    creditsPending: '1',
    creditsPosted: '1',
  }),
  '/api/v1/ledger/transfers': list(transfer),
  '/api/v1/ledger/check': poisoned({ ...ledger, ok: false, faults: ['x'] }),
  '/api/v1/audit/verify': poisoned({ ...audit, ok: false, firstBad: 2, why: 'x' }),
  '/api/v1/audit/checkpoint': poisoned({ swarm: 's', seq: 1, hash: 'h', atMs: nowMs }),
  '/api/v1/audit/entries': list({
    seq: 1,
    entry: JSON.stringify({
      actor: poison,
      action: poison,
      object: poison,
      decision: poison,
      ts: nowMs,
      facts: { [poison]: poison },
    }),
    prev: 'p',
    hash: 'h',
  }),
  '/api/v1/upstreams': list(upstream),
  '/api/v1/upstreams/bank': poisoned(upstream),
  '/api/v1/channels': list({
    name: 'c',
    kind: 'http',
    upstream: 'u',
    payer: 'p',
    pay: 'POST /',
    resolve: 'r',
    tries: 1,
    settlements: { [poison]: 1 },
  }),
  '/api/v1/credentials': poisoned({
    sealingKey: 'k',
    renewals: [],
    fallbacks: [],
    credentials: [{ name: 'bank', version: 1, state: 'active', fingerprint: 'f', setMs: nowMs, usedMs: null }],
  }),
  '/api/v1/config/current': {
    version: 1,
    hash: 'h',
    file: poison,
    baseDirectory: poison,
    raw: { name: poison, credentials: { [`bank${poison}`]: { pool: [poison] } } },
  },
  '/api/v1/config/versions': list({
    version: 1,
    hash: 'h',
    file: 'f',
    baseDirectory: 'b',
    changes: ['c'],
    actor: 'a',
    wallMs: nowMs,
  }),
  '/api/v1/config/diff': poisoned({
    changes: [{ path: 'p', kind: 'changed', before: 'b', after: 'a', reach: 'sitter' }],
  }),
  '/api/v1/tokens': list({
    id: 'i',
    name: 'n',
    role: 'viewer',
    actor: 'a',
    createdMs: nowMs,
    expiresMs: null,
    usedMs: null,
    revokedMs: null,
  }),
}

const verbs = [
  'status',
  'ps',
  'top',
  'metrics',
  'inbox',
  'events',
  'logs',
  'task ls',
  'task show tsk_1',
  'dlq ls',
  'dlq show tsk_1',
  'describe settler/1',
  'describe tsk_1',
  'describe att_1',
  'describe cel_1',
  'describe set_1',
  'describe bat_1',
  'batch ls',
  'batch show bat_1',
  'settlement ls',
  'settlement show set_1',
  'ledger accounts',
  'ledger transfers',
  'ledger check',
  'audit verify',
  'audit checkpoint',
  'audit search',
  'upstream ls',
  'upstream show bank',
  'channel ls',
  'vault ls',
  'vault status',
  'config show',
  'config history',
  'config diff 1 2',
  'token ls',
]
const door = ['--url', 'http://127.0.0.1:1', '--token', 't']

const printed = async (
  argv: readonly string[],
  api: (asked: string) => unknown,
  terminal: boolean,
): Promise<string> => {
  const fake = fakeWorld({ api, terminal, env: { NO_COLOR: '1', TERM: 'dumb' } })
  await moveUntil(fake.clock, runCli([...argv, ...door], fake.world))
  return fake.out() + fake.messages()
}
const api = (asked: string): unknown => answers[asked.split(' ')[1]!] ?? problem(404, 'not-found', `no ${asked}`)

test.each(verbs)('B21: `%s` prints nothing that a terminal obeys, as text, as JSON and as ids', async (verb) => {
  for (const form of [[], ['--json'], ['--quiet']]) {
    for (const terminal of [true, false]) {
      const text = await printed([...verb.split(' '), ...form], api, terminal)
      expect(text).not.toMatch(obeyed)
      // No text of the record begins a line of its own.
      if (form[0] !== '--json') expect(text).not.toMatch(/^settled {2}1,000,000/m)
      if (verb === 'ps' || verb === 'status') expect(text).not.toContain('not-found')
    }
  }
})

test('B21: a refusal, its faults, its code and its way out are texts too', async () => {
  const refusal = {
    ...problem(422, 'file-invalid', `bad${poison}`),
    code: `x${poison}`,
    title: poison,
    facts: { faults: [poison, { line: 2, field: poison, found: poison, why: poison }], wayOut: poison },
  }
  for (const form of [[], ['--json']]) expect(await printed(['ps', ...form], () => refusal, true)).not.toMatch(obeyed)
})

test('B21: what a person typed comes back without what a terminal obeys', async () => {
  for (const argv of [
    ['describe', poison],
    ['ps', '--type', poison],
    [poison],
    ['task', poison],
    ['ps', `--${poison}`],
    ['settle', poison],
    ['up', poison],
    ['restart', poison],
  ])
    expect(await printed(argv, api, true)).not.toMatch(obeyed)
})
