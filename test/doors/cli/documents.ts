/** Canned API documents, typed as the API types them. */
import type {
  AgentView,
  BatchAnswer,
  BatchDescription,
  EventView,
  LedgerCheck,
  Problem,
  SettlementDescription,
  SwarmView,
  AuditVerdict,
} from '../../../src/doors/api.ts'

export const nowMs = 1_790_000_000_000

export const ledger: LedgerCheck = {
  ok: true,
  transfers: 20_000,
  accounts: 3,
  faults: [],
  byCurrency: [{ currency: 'XTS', debits: '5.00', credits: '5.00', pending: '0.00' }],
}
export const audit: AuditVerdict = { ok: true, entries: 40_123, firstBad: null, why: null, head: 'ab'.repeat(32) }

export const swarm = (change: Partial<SwarmView> = {}): SwarmView => ({
  name: 'payouts',
  version: '0.0.0',
  nodeVersion: 'v26.10.0',
  owner: 'host',
  epoch: 1,
  pid: 4_242_424,
  startedMs: nowMs - 60_000,
  nowMs,
  fleet: {
    agents: 5_000,
    byState: { idle: 4_990, busy: 10 },
    byType: { settler: { idle: 4_990, busy: 10 } },
    cells: 50,
    standbys: { ready: 1, wanted: 1 },
    restarts: 3,
    restartsByType: { settler: 3 },
    cellsLost: 1,
    coverage: { reporting: 5_000, of: 5_000, oldestMs: 1_200 },
    admission: { short: null, reading: null, startsWaiting: 0 },
    troubles: [],
    quarantines: 0,
  },
  work: { byType: { settle: { succeeded: 10_000 } }, attempts: { succeeded: 10_000, interrupted: 12 }, idle: true },
  settle: {
    byState: {
      settled: { count: 9_998, amounts: { XTS: '1234.00' } },
      rejected: { count: 2, amounts: { XTS: '4.00' } },
    },
    tries: 10_432,
    unknown: [],
    person: 0,
    idle: true,
    cost: [{ currency: 'XTS', amount: '104.32', calls: 10_432, perSettlement: '0.01' }],
    costUnknown: 0,
  },
  ledger,
  modes: { count: 0, items: [] },
  freeze: { frozen: false, gate: false, by: null },
  gate: {
    gateId: 'gat_1',
    pid: 77,
    user: { uid: 1_000, own: false, hidden: false, why: 'only root may give it another' },
    frozen: false,
    journalRefuses: false,
    queued: 0,
    inFlight: 0,
    cells: 50,
    credentialsWaiting: 0,
    upstreams: [],
  },
  durations: { settle: { count: 10_000, p50: 900, p95: 2_400, p99: 4_100 } },
  figuresMs: nowMs,
  agentsThatSucceeded: 4_987,
  idle: true,
  person: 0,
  notBuilt: ['no schedules yet'],
  ...change,
})

export const agent = (number: number, change: Partial<AgentView> = {}): AgentView => ({
  id: `settler/${String(number).padStart(4, '0')}`,
  type: 'settler',
  number,
  state: 'idle',
  mode: 'active',
  epoch: 1,
  sinceMs: nowMs - 5_000,
  restarts: 0,
  reason: null,
  exit: null,
  attempt: null,
  cell: { id: 'cel_1', kind: 'pool', pid: 99, startTime: '12345' },
  housing: { requested: 'pool', effective: 'pool', weaker: [], refused: null },
  evidence: [{ fact: 'responds', source: 'challenge', atMs: nowMs - 2_000, value: 'yes' }],
  ...change,
})

export const event = (seq: number, change: Partial<EventView> = {}): EventView => ({
  seq,
  wallMs: nowMs,
  kind: 'agent.restarted',
  level: 'warn',
  subject: 'settler/0042',
  message: 'its cell was killed',
  facts: {},
  ...change,
})

export const batchAnswer = (change: Partial<BatchAnswer> = {}): BatchAnswer => ({
  id: 'bat_1',
  created: true,
  rows: 10_000,
  newTasks: 10_000,
  alreadyThere: 0,
  totals: { XTS: '1238.00' },
  ...change,
})

export const batch = (change: Partial<BatchDescription> = {}): BatchDescription => ({
  id: 'bat_1',
  name: 'payouts.csv',
  contentHash: 'cd'.repeat(32),
  channel: 'northbank',
  payer: 'main',
  rows: 10_000,
  totals: { XTS: '1238.00' },
  actor: 'operator',
  createdMs: nowMs - 30_000,
  tasks: { succeeded: 10_000 },
  outcome: { accepted: 9_998, rejected: 2, inDoubt: 0, open: 0 },
  settlements: {
    settled: { count: 9_998, amounts: { XTS: '1234.00' } },
    rejected: { count: 2, amounts: { XTS: '4.00' } },
  },
  ...change,
})

export const settlement: SettlementDescription = {
  id: 'set_1',
  payer: 'main',
  reference: 'r-1',
  payee: 'p-1',
  amount: '12.34',
  currency: 'XTS',
  channel: 'northbank',
  state: 'unknown',
  reason: 'the connection was cut',
  providerKey: 'key-1',
  providerReference: null,
  batch: 'bat_1',
  task: 'tsk_1',
  agent: 'settler/0001',
  tries: 1,
  person: true,
  nextMs: null,
  createdMs: nowMs,
  updatedMs: nowMs,
  intents: [],
  transfers: [],
  timeLine: [],
}

export const problem = (
  status: number,
  code: string,
  detail: string,
  facts: Record<string, unknown> = {},
): Problem => ({ type: `urn:swarmsitter:error:${code}`, title: code, status, code, detail, facts })
