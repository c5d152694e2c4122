/** A bank's channel as a config would give it: a query whose absence counts after a minute. */
import type { Channel } from '../../src/model/model.ts'

export const channel: Channel = {
  name: 'bank',
  kind: 'http',
  upstream: 'bank',
  payer: 'bank',
  pay: { method: 'POST', path: '/v1/payouts' },
  keyHeader: 'idempotency-key',
  body: { reference: '{reference}' },
  outcome: { accepted: [200, 201, 202], rejected: [400, 422], unknown: ['5xx', 'lost'] },
  resolve: { by: 'query', method: 'GET', path: '/v1/payouts?key={key}', absentAfterMs: 60_000 },
  tries: 3,
}
