/**
 * Twenty agents that write notes with a language model, and one that has gone wrong and asks the same again and again.
 * The provider takes so many requests a second and gives so many tokens a minute, has bad moments, and bills by the
 * token. It is a rehearsal: a program that `sitter up` starts beside the swarm, with its own log of what it billed.
 */
import { defineSwarm, env } from 'swarmsitter'

const llm = `127.0.0.1:${env('REHEARSAL_PORT', '9200')}`

export default defineSwarm({
  name: 'llm-agents',
  agents: {
    writer: { run: { module: './agents/writer.ts' }, count: 20, upstreams: ['llm'] },
    looper: { run: { module: './agents/looper.ts' }, count: 1, upstreams: ['llm'] },
  },
  tasks: {
    note: { agent: 'writer', retry: { max: 8, base: '500ms', cap: '30s' } },
    loop: { agent: 'looper', retry: { max: 8, base: '500ms', cap: '30s' } },
  },
  upstreams: {
    llm: {
      url: `http://${llm}`,
      grant: [llm],
      credentials: 'llm',
      profile: 'anthropic',
      allow: ['POST /v1/messages', 'GET /v1/models'],
      limits: [
        { per: 'credential', rate: '20/s', burst: 4 },
        // The provider counts tokens: a note has about 130 of them, read and written. What it says is left is obeyed too.
        { per: 'credential', rate: '20000/min', burst: 4_000, weights: { 'POST /v1/messages': 130 } },
      ],
      cost: {
        // As the provider's price list has it, per million tokens.
        tokens: {
          match: ['POST /v1/messages'],
          models: {
            'rehearsal-small': { input: '0.80 USD', output: '4.00 USD' },
            'rehearsal-large': { input: '3.00 USD', output: '15.00 USD' },
          },
          // 200 tokens of the large model and a long prompt cost less: see max_tokens in agents/.
          most: '0.005 USD',
        },
      },
    },
  },
  credentials: { llm: { kind: 'header', header: 'x-api-key', rotateEvery: '30d', warnBefore: '7d' } },
  budgets: {
    'looper-daily': { per: 'agent', types: ['looper'], spend: '0.02 USD', every: '1d' },
    'all-daily': { per: 'swarm', spend: '1.00 USD', every: '1d' },
  },
  rehearsal: {
    llm: {
      kind: 'llm',
      port: env('REHEARSAL_PORT', '9200'),
      seed: 7,
      rate: '25/s',
      tokens: '30000/min',
      credential: 'llm',
      latency: '40ms',
      faults: { limited: 0.005, overloaded: 0.03, error: env('REHEARSAL_ERRORS', '1%'), acceptThenCut: 0.01 },
    },
  },
  api: { port: env('SITTER_PORT', '7700') },
})
