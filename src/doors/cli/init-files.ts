/** The files that `init` writes, as functions of the swarm's name: what they say is all that a newcomer has to read. */

const config = (name: string): string => `/**
 * Twenty agents pay the rows of payouts.csv through one bank. The bank is a rehearsal that \`sitter up\` starts beside
 * the swarm: nothing here can reach real money.
 */
import { defineSwarm, env } from 'swarmsitter'

const bank = \`127.0.0.1:\${env('REHEARSAL_PORT', '9100')}\`

export default defineSwarm({
  name: '${name}',
  agents: {
    payer: {
      run: { module: './agents/payer.ts' },
      count: 20,
      // Also on a machine that cannot wall them in, because this bank is a rehearsal. Leave it out where money is real.
      cell: { kind: 'pool', orWeaker: true },
      upstreams: ['bank'],
    },
  },
  tasks: {
    settle: { agent: 'payer', retry: { max: 8, base: '1s', cap: '10m' }, deadline: '1h' },
  },
  upstreams: {
    bank: {
      url: \`http://\${bank}\`,
      grant: [bank],
      credentials: 'bank',
      allow: ['GET /v1/**', 'POST /v1/payouts'],
      money: ['POST /v1/payouts'],
      limits: [{ per: 'credential', rate: '20/s', burst: 5 }],
      cost: { call: '0.01 XTS' },
    },
  },
  credentials: { bank: { kind: 'bearer' } },
  channels: {
    bank: {
      kind: 'http',
      upstream: 'bank',
      pay: 'POST /v1/payouts',
      keyHeader: 'idempotency-key',
      body: { reference: '{reference}', payee: '{payee}', amount: '{amount}', currency: '{currency}' },
      outcome: { accepted: [200, 201, 202], rejected: [400, 422], unknown: ['5xx', 'lost'] },
      // How long a payment may stay invisible before "it is not there" is believed. A real bank needs a minute.
      resolve: { query: 'GET /v1/payouts?key={key}', absentAfter: '5s' },
    },
  },
  rehearsal: {
    bank: { port: env('REHEARSAL_PORT', '9100'), seed: 1, rate: '20/s', credential: 'bank', query: true },
  },
  api: { port: env('SITTER_PORT', '7700') },
})
`

const agent = `/**
 * A payer decides that a row is due and asks for it; the sitter pays, so no credential is ever in here. Asking again
 * for the same reference, after a crash or a retry, is the same payment.
 */
import { defineAgent, type Payment } from 'swarmsitter/agent'

export default defineAgent({
  tasks: {
    settle: async (ctx, payload: Payment) => {
      ctx.log.info('paying', { reference: payload.reference })
      return ctx.settle(payload)
    },
  },
})
`

const rows = 20

const payouts = (): string => {
  const lines = Array.from({ length: rows }, (_, index) => {
    const number = String(index + 1).padStart(4, '0')
    return `PAY-${number},worker-${number},${10 + index}.${String((index * 37) % 100).padStart(2, '0')},XTS`
  })
  return `reference,payee,amount,currency\n${lines.join('\n')}\n`
}

const readme = (name: string): string => `# ${name}
Twenty agents pay the twenty rows of \`payouts.csv\` through a rehearsal bank.

\`\`\`
npm install
npx sitter up --settle payouts.csv                  # serves until Ctrl-C
npx sitter up --settle payouts.csv --exit-when-idle # ends when everything is paid
\`\`\`

A second run pays nothing: a row's reference makes it one payment, however often the file is given.

| file | what it is |
|---|---|
| \`swarm.config.ts\` | the swarm: who pays, through what, within which limit |
| \`agents/payer.ts\` | the agent |
| \`payouts.csv\` | \`reference,payee,amount,currency\`; XTS is the currency for tests |
| \`.sitter/\` | the record, the log, the sealed credentials; made by \`up\`, not for your repository |

While it runs: \`npx sitter status\`, \`npx sitter logs -f\`, \`npx sitter top\`, \`npx sitter describe payer/0001\`.
What this machine enforces: \`npx sitter doctor\`.
`

const manifest = (name: string, version: string): string =>
  `${JSON.stringify(
    {
      name,
      private: true,
      type: 'module',
      scripts: { start: 'sitter up --settle payouts.csv' },
      dependencies: { swarmsitter: version },
    },
    null,
    2,
  )}\n`

/** Text by path below the directory. */
export const scaffold = (name: string, version: string): Readonly<Record<string, string>> => ({
  'swarm.config.ts': config(name),
  'agents/payer.ts': agent,
  'payouts.csv': payouts(),
  'package.json': manifest(name, version),
  '.gitignore': 'node_modules/\n.sitter/\n.env\n',
  'README.md': readme(name),
})
