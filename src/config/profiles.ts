/**
 * Providers whose answers are known, as data: facts of their published pages, ordered, first fit counts. A user's own
 * stands in a file of the same shape.
 */
import type { Profile } from '../model/model.ts'

const binance: Profile = {
  name: 'binance',
  codeAt: ['code'],
  rules: [
    { status: [418, 429], class: 'limited' },
    { code: ['-1003', '-1015', '-1034'], class: 'limited' },
    // Partly done (cancel and replace): both halves must be read.
    { code: ['-2021'], class: 'unknown' },
    { code: ['-1000', '-1001', '-1006', '-1007', '-1008'], safe: false, class: 'unknown' },
    { code: ['-1000', '-1001', '-1006', '-1007', '-1008'], safe: true, class: 'transient' },
    { code: ['-1016', '-1021'], class: 'transient' },
    { code: ['-1002', '-1022', '-2014', '-2015'], class: 'credential' },
    { code: ['-2010'], text: 'duplicate', class: 'unknown' },
    { code: ['-2010'], text: 'insufficient balance', class: 'funds' },
    // A person must see to it, as with money that is not there.
    { code: ['-2010'], text: 'market is closed', class: 'funds' },
    { code: ['-1013'], text: 'MAX_', class: 'funds' },
    // The firewall's refusal says nothing about the key.
    { status: [403], class: 'limited' },
    // Soon after an unclear outcome this is no proof: their sources lag behind each other.
    { code: ['-2013'], class: 'unknown' },
    { status: ['5xx', 409], safe: false, class: 'unknown' },
  ],
  // Of orders the least of its pages: how many an account may place it tells itself (`limitsIn`), and that counts.
  limits: {
    'weight-1M': 6_000,
    'ip-weight-1M': 12_000,
    'uid-weight-1M': 180_000,
    'orders-10S': 50,
    'orders-1D': 160_000,
  },
  counts: {
    'orders-': {
      'POST /api/v3/order': 1,
      'POST /api/v3/order/cancelReplace': 1,
      'POST /api/v3/sor/order': 1,
      'POST /api/v3/order/oco': 2,
      'POST /api/v3/orderList/oco': 2,
      'POST /api/v3/orderList/oto': 2,
      'POST /api/v3/orderList/opo': 2,
      'POST /api/v3/orderList/otoco': 3,
      'POST /api/v3/orderList/opoco': 3,
    },
  },
  limitsIn: ['GET /api/v3/exchangeInfo', 'GET /api/v3/rateLimit/order'],
  // By source address, "not the API keys"; orders and what has `uid` in its name count by account.
  bans: { 418: 'host' },
  perHost: ['weight-', 'ip-weight-'],
}

const paypal: Profile = {
  name: 'paypal',
  codeAt: ['name', 'details.0.issue', 'error'],
  rules: [
    { code: ['USER_BUSINESS_ERROR'], text: 'duplicate', class: 'unknown' },
    { code: ['RATE_LIMIT_REACHED'], class: 'limited' },
    { code: ['INSUFFICIENT_FUNDS'], class: 'funds' },
    { code: ['SENDER_ACCOUNT_LOCKED', 'AUTHORIZATION_ERROR'], class: 'credential' },
    { code: ['invalid_client', 'invalid_token'], class: 'credential' },
    { code: ['VALIDATION_ERROR'], class: 'permanent' },
    { status: ['5xx'], safe: false, class: 'unknown' },
  ],
}

const stripe: Profile = {
  name: 'stripe',
  codeAt: ['error.code', 'error.type'],
  rules: [
    // The same key is at work elsewhere: what comes of it is to be asked.
    { code: ['idempotency_key_in_use'], class: 'transient' },
    { code: ['lock_timeout'], class: 'transient' },
    { code: ['idempotency_error'], class: 'permanent' },
    { code: ['insufficient_funds', 'balance_insufficient'], class: 'funds' },
  ],
}

const github: Profile = {
  name: 'github',
  codeAt: ['message'],
  rules: [{ status: [403, 429], text: 'rate limit', class: 'limited' }],
}

const openai: Profile = {
  name: 'openai',
  codeAt: ['error.code', 'error.type'],
  rules: [
    { code: ['insufficient_quota'], class: 'funds' },
    { code: ['billing_hard_limit_reached'], class: 'funds' },
  ],
  // Chat completions, embeddings and responses. A chat that streams tells it only when it is asked with
  // `stream_options: {include_usage: true}`.
  usage: {
    model: ['model', 'response.model'],
    input: ['usage.prompt_tokens', 'usage.input_tokens', 'response.usage.input_tokens'],
    output: ['usage.completion_tokens', 'usage.output_tokens', 'response.usage.output_tokens'],
    cacheRead: [
      'usage.prompt_tokens_details.cached_tokens',
      'usage.input_tokens_details.cached_tokens',
      'response.usage.input_tokens_details.cached_tokens',
    ],
    cacheWrite: [],
    cachedWithin: true,
    outputMayLack: true,
  },
}

const anthropic: Profile = {
  name: 'anthropic',
  codeAt: ['error.type'],
  rules: [
    { code: ['overloaded_error'], class: 'transient' },
    { status: [529], class: 'transient' },
    { code: ['rate_limit_error'], class: 'limited' },
    { code: ['billing_error'], class: 'funds' },
    { code: ['authentication_error', 'permission_error'], class: 'credential' },
  ],
  // The first event of a stream tells the input and a first token of output; only the last ones tell the output.
  usage: {
    model: ['model', 'message.model'],
    input: ['usage.input_tokens', 'message.usage.input_tokens'],
    output: ['usage.output_tokens'],
    cacheRead: ['usage.cache_read_input_tokens', 'message.usage.cache_read_input_tokens'],
    cacheWrite: ['usage.cache_creation_input_tokens', 'message.usage.cache_creation_input_tokens'],
    cachedWithin: false,
    outputMayLack: false,
  },
}

export const profiles: Readonly<Record<string, Profile>> = { binance, paypal, stripe, github, openai, anthropic }
