/** The scripted rooms of the house for the door's tests: what they say, and what they were asked. */
import type { RenewalView } from '../../../src/wire/wire.ts'
import type { Condition } from '../../../src/record/record.ts'
import { pageFrom, statesFrom } from '../../../src/fleet/listing.ts'
import {
  troublesOf,
  type AgentOrder,
  type AgentsAsk,
  type AgentView,
  type CellStatus,
  type Fleet,
  type OrderedBy,
} from '../../../src/fleet/fleet.ts'
import type { GateLink } from '../../../src/gatelink/gatelink.ts'
import { formatAgent, type AgentRef, type AgentStateName } from '../../../src/model/model.ts'
import type { LedgerCheck, PersonsWord, Settle, SettleSummary } from '../../../src/settle/settle.ts'
import { realClock } from '../../../src/std/real/real.ts'
import { Failure } from '../../../src/std/std.ts'

const clock = realClock()

export interface Told {
  readonly deed: string
  readonly with: unknown
}

/** What the scripted rooms say; tests change it. */
export interface Script {
  agents: AgentView[]
  gateId: string | null
  gateFrozen: boolean
  gateRefuses: boolean
  /** What secrets are sealed to. */
  sealingKey: string
  challenge: (cell: string) => Promise<readonly string[]>
  ledger: LedgerCheck
  settle: SettleSummary
  notBuilt: string[]
  stopping: boolean
  /** What an alert is for now. */
  conditions: Condition[]
  /** A restart takes until this resolves. */
  restarting: Promise<void>
}

export const agentOf = (type: string, number: number, state: AgentStateName): AgentView => ({
  id: formatAgent({ type, number }),
  type,
  number,
  state,
  mode: 'active',
  epoch: 1,
  sinceMs: clock.wallMs() - number * 10,
  restarts: number % 3,
  reason: state === 'quarantined' ? 'six restarts in ten minutes' : null,
  exit: state === 'backoff' || state === 'quarantined' ? { kind: 'time', at: clock.wallMs() + 600_000 } : null,
  attempt: null,
  cell: {
    id: `cel_${Math.floor(number / 100)}`,
    kind: 'pool',
    pid: 4_000 + Math.floor(number / 100),
    startTime: '123456',
  },
  housing: { requested: 'pool', effective: 'pool', weaker: [], refused: null },
  evidence: [
    { fact: 'exists', source: '/proc', atMs: clock.wallMs() - 900, value: 'yes' },
    { fact: 'responds', source: 'challenge', atMs: clock.wallMs() - 4_200, value: state === 'suspect' ? 'no' : 'yes' },
    { fact: 'progresses', source: 'frames', atMs: null, value: 'unknown' },
  ],
})

export const fleetOf = (script: Script, told: Told[]): Fleet => {
  const cells = (): CellStatus[] =>
    [...new Set(script.agents.map((agent) => agent.cell!.id))].map((id) => {
      const here = script.agents.filter((agent) => agent.cell!.id === id)
      return {
        id,
        kind: 'pool',
        agentType: here[0]!.type,
        identity: { pid: here[0]!.cell!.pid, startTime: '123456' },
        agents: here.length,
        busy: here.filter((agent) => agent.state === 'busy').length,
        startedMs: 0,
        answeredMs: null,
        answeredAgents: null,
        residentBytes: null,
      }
    })
  const counted = (agents: readonly AgentView[]): Record<string, number> => {
    const counts: Record<string, number> = {}
    for (const agent of agents) counts[agent.state] = (counts[agent.state] ?? 0) + 1
    return counts
  }
  const nothing = (): void => {}
  return {
    take: () => [],
    freeCount: () => 0,
    run: nothing,
    release: nothing,
    cancel: nothing,
    list: () => script.agents,
    page: (ask: AgentsAsk) => pageFrom(script.agents, ask),
    states: (type?: string) => statesFrom(script.agents, type),
    view: ({ type, number }: AgentRef) => script.agents.find((agent) => agent.type === type && agent.number === number),
    cells,
    standbys: () => [],
    challenge: (cell: string) => script.challenge(cell),
    troubles: () => troublesOf(script.agents),
    figures: () => {
      const none = { counts: [], count: 0, sumSeconds: 0 }
      return { restarts: [{ type: 'settler', cause: 'exit', count: 7 }], detection: none, recovery: none }
    },
    summary: () => ({
      agents: script.agents.length,
      byState: counted(script.agents),
      byType: Object.fromEntries(
        [...new Set(script.agents.map(({ type }) => type))].map((type) => [
          type,
          counted(script.agents.filter((agent) => agent.type === type)),
        ]),
      ),
      cells: cells().length,
      standbys: { ready: 0, wanted: 0 },
      restarts: 7,
      restartsByType: Object.fromEntries(
        [...Map.groupBy(script.agents, ({ type }) => type)].map(([type, agents]) => [
          type,
          agents.reduce((sum, { restarts }) => sum + restarts, 0),
        ]),
      ),
      admission: { short: null, reading: null, startsWaiting: 0 },
      cellsLost: 1,
      troubles: [],
      quarantines: troublesOf(script.agents).length,
      coverage: {
        reporting: script.agents.filter(({ state }) => state !== 'unknown').length,
        of: script.agents.length,
        oldestMs: 4_100,
      },
    }),
    roll: async (type: string, surge: unknown, actor: string) => {
      told.push({ deed: 'roll', with: { type, surge, actor } })
    },
    restart: async (agents: readonly AgentRef[], actor: string) => {
      told.push({ deed: 'restart', with: { agents: agents.map(formatAgent), actor } })
      await script.restarting
    },
    unquarantine: async (agents: readonly AgentRef[], actor: string) => {
      told.push({ deed: 'release', with: { agents: agents.map(formatAgent), actor } })
    },
    order: async (order: AgentOrder, agents: readonly AgentRef[], by: OrderedBy) => {
      told.push({ deed: order, with: { agents: agents.map(formatAgent), ...by } })
      return { done: agents.map(formatAgent), left: [] }
    },
    stop: async () => {},
  } as unknown as Fleet
}

export const settleOf = (script: Script, told: Told[]): Settle =>
  ({
    batch: async (file: { name: string; text: string; dryRun: boolean }) => {
      told.push({ deed: 'batch', with: file })
      if (file.text.startsWith('wrong'))
        throw new Failure('file-invalid', 'two faults', { facts: { faults: ['line 2: amount', 'line 3: payee'] } })
      return {
        id: file.dryRun ? null : 'bat_1',
        created: true,
        rows: 2,
        newTasks: 2,
        alreadyThere: 0,
        totals: { XTS: '3.00' },
      }
    },
    decide: async (settlement: string, word: PersonsWord, actor: string) => {
      told.push({ deed: word.order, with: { settlement, ...word, actor } })
    },
    ledgerCheck: async () => script.ledger,
    summary: async () => script.settle,
  }) as unknown as Settle

const usage = { used: 380, of: 380, freeAtMs: 1_700_000_000_500 }

const renewal = {
  name: 'northbank',
  credential: 'northbank',
  automatic: false,
  phase: 'idle',
  sinceMs: 1,
  dueMs: 86_400_000,
  expiresMs: null,
  warnBeforeMs: 604_800_000,
  active: 1,
  next: null,
  old: [],
  inUse: {},
  doneMs: null,
  why: null,
  burden: 0,
  grant: null,
  concern: {
    severity: 'warning',
    what: 'is to be replaced by 1970-01-02',
    wayOut: 'sitter vault set northbank',
    sinceMs: 1,
    wakesMs: 0,
    isDue: true,
  },
  ending: { endsMs: 86_400_000, what: 'is to be replaced by hand', toldDays: [7, 3, 1] },
} satisfies RenewalView

export const gateOf = (script: Script, told: Told[]): GateLink =>
  ({
    get gateId() {
      return script.gateId
    },
    vaultSet: async (name: string, sealed: string, actor: string) => {
      told.push({ deed: 'vaultSet', with: { name, sealed, actor } })
      return { name, version: 2, fingerprint: 'ab12' }
    },
    modes: async (modes: readonly unknown[]) => {
      if (script.gateId === null) throw new Failure('gate-lost', 'no link to the gate')
      told.push({ deed: 'gate.modes', with: modes })
    },
    shadowed: async () => [],
    standing: async () => ({ budgets: [], repeats: [] }),
    costs: async (ask: { readonly offset: number; readonly limit: number }) => {
      if (script.gateId === null) throw new Failure('gate-lost', 'no link to the gate')
      told.push({ deed: 'gate.costs', with: ask })
      const sum = { currency: 'USD', cost: '0.0123', counted: '0.51', calls: 3, unknown: 1 }
      const items = ['writer', 'reader', ''].map((owner) => ({ owner, ...sum }))
      const page = items.slice(ask.offset, ask.offset + ask.limit)
      return { fromMs: 1_000, totals: [sum], items: page, more: ask.offset + ask.limit < items.length }
    },
    costOf: async (agent: string, fromMs: number, untilMs: number) => {
      told.push({ deed: 'gate.costOf', with: { agent, fromMs, untilMs } })
      return [{ currency: 'USD', cost: '0.01', counted: '0.01', calls: 1, unknown: 0 }]
    },
    vaultRekey: async (kind: string, actor: string) => {
      told.push({ deed: 'vaultRekey', with: { kind, actor } })
      return { kind, secrets: 1, former: null }
    },
    vaultBackup: async (recipient: string, actor: string) => {
      told.push({ deed: 'vaultBackup', with: { recipient, actor } })
      return { file: 'YWdl', credentials: [{ name: 'northbank', version: 1 }] }
    },
    freeze: async (frozen: boolean, actor: string) => {
      told.push({ deed: 'gate.freeze', with: { frozen, actor } })
      script.gateFrozen = frozen
      return { frozen }
    },
    vaultList: async () => {
      if (script.gateId === null) throw new Failure('gate-lost', 'no link to the gate')
      return {
        sealingKey: script.sealingKey,
        credentials: [{ name: 'northbank', version: 1, state: 'active', fingerprint: 'ab12', setMs: 1, usedMs: null }],
        renewals: [renewal],
        fallbacks: [],
        vault: { keyKind: 'file', keyCheck: 'ab', changes: 3, outside: 'kept', faults: [] },
      }
    },
    vaultRenew: async (deed: string, name: string, version: number | null, actor: string) => {
      told.push({ deed: `vault.${deed}`, with: { name, version, actor } })
    },
    limitsOf: async (agent: string) => {
      if (script.gateId === null) throw new Failure('gate-lost', 'no link to the gate')
      const of = { per: 'agent', owner: agent, rate: '5/1s', ...usage }
      return [
        { ...of, name: 'agents.settler', upstreams: [] },
        { ...of, name: 'elsewhere', upstreams: ['openai'] },
        { ...of, name: 'here', upstreams: ['openai', 'northbank'] },
      ]
    },
    limits: async () => ({
      domains: [{ per: 'credential', owner: 'northbank', ...usage }],
      waiting: [{ agent: 'settler/0007', waiting: 3 }],
    }),
    status: async () => ({
      gateId: 'gat_1',
      pid: 99,
      frozen: script.gateFrozen,
      journalRefuses: script.gateRefuses,
      queued: 3,
      inFlight: 12,
      cells: 50,
      credentialsWaiting: 1,
      upstreams: [
        {
          name: 'northbank',
          calls: 4_121,
          byStatus: { '201': 4_009, '429': 88, '500': 24 },
          learned: [],
          paused: [],
          paces: [],
          unsigned: false,
          breakers: [],
          latencyMs: { p50: 11, p95: 31, p99: 74 },
          waitMs: null,
          limits: [{ per: 'credential', rate: '400/s', pausedUntilMs: null, waiting: 3, usage }],
        },
      ],
    }),
  }) as unknown as GateLink

export const scriptOf = (): Script => ({
  agents: [
    ...Array.from({ length: 30 }, (_, index) =>
      agentOf('settler', index + 1, index === 4 ? 'quarantined' : index % 2 === 0 ? 'idle' : 'busy'),
    ),
    ...Array.from({ length: 3 }, (_, index) => agentOf('notifier', index + 9, 'starting')),
  ],
  gateId: 'gat_1',
  gateFrozen: false,
  gateRefuses: false,
  sealingKey: 'k',
  challenge: async (cell) => [`settler/0001 in ${cell}`],
  ledger: {
    ok: true,
    transfers: 4,
    accounts: 2,
    faults: [],
    byCurrency: [{ currency: 'XTS', debits: '3.00', credits: '3.00', pending: '0.00' }],
  },
  settle: { byState: {}, tries: 0, unknown: [], person: 0, idle: true, cost: [], costUnknown: 0 },
  notBuilt: ['message bus'],
  stopping: false,
  conditions: [],
  restarting: Promise.resolve(),
})
