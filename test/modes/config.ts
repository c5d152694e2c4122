/** A small swarm that pays by one bank. */
import { join } from 'node:path'
import type { Bank } from './bank.ts'

export const configFor = ({ upstream }: Bank, more: object = {}, bank: object = {}): object => ({
  name: 'modes',
  agents: {
    payer: {
      run: { module: join(import.meta.dirname, 'payer.ts') },
      count: 20,
      upstreams: ['bank'],
      cell: { kind: 'pool', standby: 0, orWeaker: true },
    },
  },
  tasks: {
    pay: { agent: 'payer', retry: { max: 2, base: '50ms', cap: '200ms' } },
    call: { agent: 'payer', retry: { max: 2, base: '50ms', cap: '200ms' } },
  },
  upstreams: {
    bank: {
      url: `http://${upstream.host}`,
      grant: [upstream.host],
      allow: ['GET /v1/**', 'POST /v1/**'],
      money: ['POST /v1/payouts'],
      limits: [{ per: 'upstream', rate: '200/s' }],
      ...bank,
    },
  },
  channels: {
    bank: {
      kind: 'http',
      upstream: 'bank',
      pay: 'POST /v1/payouts',
      body: { reference: '{reference}' },
      resolve: { query: 'GET /v1/payouts?key={key}', absentAfter: '1s' },
    },
  },
  api: { port: 0 },
  ...more,
})
