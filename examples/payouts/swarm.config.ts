/**
 * 5,000 agents pay the 10,000 rows of payouts.csv through one bank, tell the payees of large sums, and write a report
 * now and then: 4,988 in TypeScript, ten in Python, two in shell. The bank is a rehearsal: a provider that `sitter
 * up` starts beside the swarm, with its own log and the faults that real ones have.
 */
import { defineSwarm, env } from 'swarmsitter'

const bank = `127.0.0.1:${env('REHEARSAL_PORT', '9100')}`

export default defineSwarm({
  name: 'payouts',
  // A file in the data directory; SITTER_STORE=postgres://user@host/database keeps the record in PostgreSQL instead.
  store: env('SITTER_STORE', 'embedded'),
  agents: {
    settler: {
      run: { module: './agents/settler.ts' },
      count: 4_988,
      // Also on a machine that cannot wall them in, because this bank is a rehearsal. Where money is real, leave it out.
      cell: { kind: 'pool', orWeaker: true },
      upstreams: ['northbank'],
    },
    // One Python program each, for the agent's life; without python3 they are quarantined, and the rest pays.
    notifier: { run: { command: ['python3', '../any-language/notifier.py'] }, count: 10 },
    // One process for each report, none in between.
    report: { run: { exec: ['../any-language/report.sh'] }, count: 2 },
  },
  tasks: {
    settle: { agent: 'settler', retry: { max: 8, base: '1s', cap: '10m' }, deadline: '1h', priority: 5 },
    notify: { agent: 'notifier', retry: { max: 8, base: '1s', cap: '10m' } },
    report: { agent: 'report', retry: { max: 3, base: '1s', cap: '1m' } },
  },
  upstreams: {
    northbank: {
      url: `http://${bank}`,
      grant: [bank],
      credentials: 'northbank',
      allow: ['GET /v1/**', 'POST /v1/payouts'],
      money: ['POST /v1/payouts'],
      limits: [{ per: 'credential', rate: '400/s', burst: 40 }],
      cost: { call: '0.01 XTS' },
    },
  },
  credentials: { northbank: { kind: 'bearer', rotateEvery: '30d', warnBefore: '7d' } },
  channels: {
    northbank: {
      kind: 'http',
      upstream: 'northbank',
      pay: 'POST /v1/payouts',
      keyHeader: 'idempotency-key',
      body: { reference: '{reference}', payee: '{payee}', amount: '{amount}', currency: '{currency}' },
      outcome: { accepted: [200, 201, 202], rejected: [400, 422], unknown: ['5xx', 'lost'] },
      // How long a payment may stay invisible at the bank before "it is not there" is believed. 5 s suits this
      // rehearsal, which writes its log before it answers; a real bank needs more, a minute at least: ask it.
      resolve: { query: 'GET /v1/payouts?key={key}', absentAfter: '5s' },
    },
  },
  rehearsal: {
    northbank: {
      port: env('REHEARSAL_PORT', '9100'),
      seed: 7,
      rate: '400/s',
      credential: 'northbank',
      latency: '5ms',
      query: true,
      faults: {
        decline: 0.005,
        acceptThenCut: 0.003,
        cutBeforeAccept: 0.002,
        // Each 429 asks for a second of silence, and gets it for all: five of them cost the run five seconds.
        limited: 0.0005,
        error: 0.002,
        slow: 0.005,
      },
    },
  },
  api: { port: env('SITTER_PORT', '7700') },
})
