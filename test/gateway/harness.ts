/** A real gate in this process over a temporary data directory, and a sitter's end of its link. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { request, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openGate, realKeyFiles, type Gate } from '../../src/gate.ts'
import { openGateLink, type GateLink } from '../../src/gatelink/gatelink.ts'
import type { Price } from '../../src/model/model.ts'
import type { Rules } from '../../src/gateway/gateway.ts'
import { realClock, realDisk, realNet, realRandom } from '../../src/std/real/real.ts'
import { canonicalJson, type Clock } from '../../src/std/std.ts'
import { sealTo } from '../../src/wire/seal.ts'
import type { Call, Grant, GrantedRequest, Use } from '../../src/wire/wire.ts'
import type { TestUpstream } from './upstream.ts'

export const canary = 'canary-4f1c9e2a77b04d6d'

/** 0.01 XTS. */
export const pricePerCall: Price = {
  currency: 'XTS',
  call: 10_000_000_000n,
  weight: 0n,
  weights: [],
  tokens: null,
}

export type UpstreamRules = Rules['upstreams'][string]

export const rulesFor = (upstream: { readonly host: string }, more: Partial<UpstreamRules> = {}): Rules => ({
  name: 'testswarm',
  upstreams: {
    bank: {
      name: 'bank',
      url: `http://${upstream.host}`,
      grant: [upstream.host],
      credential: 'bank',
      allow: ['GET /v1/**', 'POST /v1/**'],
      money: ['POST /v1/payouts'],
      limits: [],
      timeoutMs: 5_000,
      parkAfterMs: 10_000,
      learn: true,
      breaker: { share: 0.5, volume: 20, probeMs: 5_000 },
      retries: null,
      profile: null,
      price: pricePerCall,
      ...more,
    },
  },
  credentials: { bank: { name: 'bank', pool: [] } },
  budgets: {},
})

export interface Place {
  readonly directory: string
  readonly data: string
  readonly config: string
  readonly socket: string
  remove(): void
}
export const newPlace = (): Place => {
  const directory = mkdtempSync(join(tmpdir(), 'gate-'))
  return {
    directory,
    data: join(directory, 'd'),
    config: join(directory, 'c'),
    socket: join(directory, 'l.sock'),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}

export interface TestGate {
  /** What the gate finds when it reads its rules again. */
  rules: Rules
  readonly gate: Gate
  readonly lines: readonly string[]
}
/** Timers of exactly these lengths last so long instead: what a bound of half a minute does is seen at once. */
export type Shortened = Readonly<Record<number, number>>
const shortenedClock = (shortened: Shortened): Clock => {
  const clock = realClock()
  return { ...clock, timer: (delayMs, fire) => clock.timer(shortened[delayMs] ?? delayMs, fire) }
}

export const startGate = async (place: Place, rules: Rules, shortened: Shortened = {}): Promise<TestGate> => {
  const clock = shortenedClock(shortened)
  const lines: string[] = []
  const next = { rules }
  const gate = await openGate({
    dataDirectory: place.data,
    // Its thread takes as long to start as most of these tests last: gates that are processes have it (run-gate.ts).
    journalBeside: false,
    rules,
    linkSocket: place.socket,
    keyFiles: realKeyFiles(),
    keyPlaces: { credentialsDirectory: null, configHome: place.config },
    clock,
    random: realRandom(),
    disk: realDisk(),
    net: realNet(),
    version: '0.0.0-test',
    log: (level, message, fields) => {
      lines.push(JSON.stringify({ level, message, ...fields }))
    },
    onLost: (cause) => {
      throw cause
    },
    readRules: async () => next.rules,
  })
  return Object.assign(next, { gate, lines })
}

export interface TestSitter {
  readonly link: GateLink
  /** Calls told so far, in order. */
  readonly calls: readonly Call[]
  /** Lots of uses of secrets told so far. */
  readonly uses: readonly (readonly Use[])[]
  /** Agents of whom calls were answered, and who waited for one, as told. */
  readonly seen: { readonly answered: string[]; readonly inHand: string[] }
  /** The call of a grant, as soon as it is told. */
  callOf(grant: string): Promise<Call>
  linked(times?: number): Promise<void>
}
export const startSitter = (
  place: Place,
  epoch = 1,
  owner = `sitter-${epoch}`,
  commit: (call: Call) => Promise<void> = () => Promise.resolve(),
  audit: (gateId: string, uses: readonly Use[]) => Promise<void> = () => Promise.resolve(),
): TestSitter => {
  const calls: Call[] = []
  const uses: (readonly Use[])[] = []
  const seen = { answered: [] as string[], inHand: [] as string[] }
  const byGrant = new Map<string, PromiseWithResolvers<Call>>()
  const told = (grant: string): PromiseWithResolvers<Call> => {
    const known = byGrant.get(grant) ?? Promise.withResolvers<Call>()
    byGrant.set(grant, known)
    return known
  }
  let links = 0
  let waiters: { readonly times: number; readonly resolve: () => void }[] = []
  const link = openGateLink({
    net: realNet(),
    clock: realClock(),
    random: realRandom(),
    socketPath: place.socket,
    swarm: 'testswarm',
    owner,
    epoch,
    events: {
      linked: () => {
        links += 1
        for (const waiter of waiters) if (waiter.times <= links) waiter.resolve()
        waiters = waiters.filter((waiter) => waiter.times > links)
      },
      lost: () => {},
      seen: ({ answered, inHand }) => {
        seen.answered.push(...answered)
        seen.inHand.push(...inHand)
      },
      uses: async (gateId, told) => {
        uses.push(told)
        await audit(gateId, told)
      },
      call: async (call) => {
        calls.push(call)
        told(call.grant).resolve(call)
        await commit(call)
      },
    },
  })
  return {
    link,
    calls,
    uses,
    seen,
    callOf: (grant) => told(grant).promise,
    linked: (times = 1) =>
      links >= times
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiters.push({ times, resolve })
          }),
  }
}

export const setSecret = async (sitter: TestSitter, secret = canary, name = 'bank'): Promise<void> => {
  const { sealingKey } = await sitter.link.vaultList()
  await sitter.link.vaultSet(name, sealTo(sealingKey, secret), 'test')
}

let grants = 0
export const grantFor = (request: Partial<GrantedRequest> = {}, more: Partial<Grant> = {}): Grant => {
  grants += 1
  const whole: GrantedRequest = {
    upstream: 'bank',
    method: 'POST',
    path: '/v1/payouts',
    headers: { 'content-type': 'application/json', 'idempotency-key': `k${grants}` },
    body: '{"amount":"12.34"}',
    ...request,
  }
  const { method, path, headers, body } = whole
  const hash = createHash('sha256').update(canonicalJson({ method, path, headers, body })).digest('hex')
  return {
    frame: 'grant',
    grant: `grn_test-${process.pid}-${grants}`,
    subject: `set_${grants}`,
    agent: 'payer/0001',
    channel: null,
    request: whole,
    hash,
    waitMs: 10_000,
    ...more,
  }
}

export interface Fetched {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}
/** An agent's call by a cell's socket. */
export const fetchBy = (
  socketPath: string,
  ask: {
    readonly method?: string
    readonly path: string
    readonly headers?: Record<string, string | string[]>
    readonly body?: string | Buffer
  },
): Promise<Fetched> =>
  new Promise((resolve, reject) => {
    const asking = request(
      { socketPath, method: ask.method ?? 'GET', path: ask.path, headers: ask.headers ?? {}, agent: false },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        )
      },
    )
    asking.on('error', reject)
    asking.end(ask.body)
  })

/** All that belongs together, with a secret in the vault. */
export const openWorld = async (
  upstream: TestUpstream,
  more: Partial<UpstreamRules> = {},
  shortened: Shortened = {},
) => {
  const place = newPlace()
  const running = await startGate(place, rulesFor(upstream, more), shortened)
  const sitter = startSitter(place)
  await sitter.linked()
  await setSecret(sitter)
  return {
    place,
    sitter,
    ...running,
    /** Other rules for the running gate. */
    take: async (rules: Rules) => {
      running.rules = rules
      await sitter.link.config()
    },
    close: async () => {
      await sitter.link.stop()
      await running.gate.stop()
      await upstream.close()
      place.remove()
    },
  }
}
