/** Starts a rehearsal provider: its directory, token, log and server; and stops it in order. */
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { realClock } from '../std/real/real.ts'
import { assert, Failure, type Clock } from '../std/std.ts'
import { newBook } from './book.ts'
import { withdrawalIn, type Withdrawal } from './exchange/exchange.ts'
import { serveExchange, type ExchangeProvider } from './exchange/provider.ts'
import { openOrders, type OrderRule } from './exchange/orders.ts'
import type { Key } from './exchange/signed.ts'
import { openWeights, publishedRules, type WeightRules } from './exchange/weights.ts'
import { wrongShares, type FaultShares } from './faults.ts'
import { openLog, type LineKind } from './log.ts'
import { serveLlm, type LlmProvider } from './llm/provider.ts'
import { tokenWindow } from './llm/tokens.ts'
import { serve, type Provider } from './provider.ts'
import { bearerIs, tokenIn } from './token.ts'
import { slidingWindow } from './window.ts'

export interface RehearsalOptions {
  readonly name: string
  /** `bank` when absent; `llm` answers `POST /v1/messages`; `exchange` has the form, weights and bans of Binance. */
  readonly kind?: 'bank' | 'llm' | 'exchange'
  /** Of `exchange`: its limits where they are others than Binance's, and clients beside its first one. */
  readonly exchange?: {
    readonly rules?: Partial<WeightRules>
    readonly orders?: readonly OrderRule[]
    readonly keys?: readonly Key[]
  }
  /** Of `llm`: tokens that it gives in any window of so many ms; 20,000 a minute when absent. */
  readonly tokens?: { readonly count: number; readonly windowMs: number }
  /** 0 = any free one. */
  readonly port: number
  readonly host?: string
  /** Its own directory: `log.ndjson` and `token`. Only one provider at a time may use it. */
  readonly directory: string
  /**
   * Requests per second it takes in any window of one second; beyond it 429 with Retry-After, logged as `over-limit`.
   */
  readonly rate: number
  readonly seed: number
  readonly faults?: FaultShares
  readonly latencyMs?: number
  /** Whether `GET /v1/payouts?key=` answers; 501 when not. */
  readonly query?: boolean
  /**
   * The bearer token its client must send; when absent, the one in `<directory>/token`, which is made (0600) if need
   * be. Of an `exchange` the secret of the key `rehearsal`, which signs.
   */
  readonly credentialToken?: string
  readonly clock?: Pick<Clock, 'wallMs' | 'monoMs' | 'timer'>
}

export interface RunningRehearsal {
  readonly url: string
  readonly port: number
  readonly logFile: string
  /**
   * What its client keeps as its secret; of an `exchange` as `apiKey:secret`. A function, so that the token is in no
   * printed or serialised copy of this object.
   */
  token(): string
  /** Lines of the log by kind, those before this start included. */
  counts(): Readonly<Record<LineKind, number>>
  /** Replaces all shares. @throws Failure `invalid`. */
  setFaults(faults: FaultShares): void
  /** Takes no more connections, answers what is under way (at most 3 s), closes the log. */
  stop(): Promise<void>
}

/** More connections than any gate opens; what comes beyond is dropped. */
const mostConnections = 4_096
const stopWithinMs = 3_000

const listen = async (server: Server, port: number, host: string): Promise<number> => {
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    throw new Failure('port-taken', `port ${port} of ${host} is taken: another rehearsal, or another program`, {
      cause: error,
      facts: { port, host },
    })
  }
  return (server.address() as AddressInfo).port
}

const checked = (faults: FaultShares): FaultShares => {
  const wrong = wrongShares(faults)
  if (wrong !== undefined) throw new Failure('invalid', wrong)
  return faults
}

const usualTokens = { count: 20_000, windowMs: 60_000 }

const firstKey = 'rehearsal'

const openExchange = (
  { exchange: own = {}, seed }: RehearsalOptions,
  secret: string,
  settings: Provider['settings'],
  withdrawals: Withdrawal[],
): ExchangeProvider['exchange'] => {
  const keys = [{ id: firstKey, secret, account: firstKey }, ...(own.keys ?? [])]
  const weights = openWeights({ ...publishedRules, ...own.rules })
  const orders = openOrders(own.orders)
  return { weights, orders, keys: new Map(keys.map((key) => [key.id, key])), seed, settings, withdrawals }
}

type AnyProvider = LlmProvider & ExchangeProvider

const openProvider = async (options: RehearsalOptions, token: string, logFile: string): Promise<AnyProvider> => {
  const { count, windowMs } = options.tokens ?? usualTokens
  const book = newBook()
  const withdrawals: Withdrawal[] = []
  const log = await openLog(logFile, (line) => {
    book.take(line)
    const withdrawal = withdrawalIn(line)
    if (withdrawal !== undefined) withdrawals.push(withdrawal)
  })
  const settings = {
    faults: checked(options.faults ?? {}),
    query: options.query ?? true,
    latencyMs: options.latencyMs ?? 0,
  }
  let last = book.lastRequest
  return {
    name: options.name,
    seed: options.seed,
    rate: options.rate,
    clock: options.clock ?? realClock(),
    book,
    log,
    window: slidingWindow(options.rate),
    tokens: tokenWindow(count, windowMs),
    allowed: bearerIs(token),
    settings,
    exchange: openExchange(options, token, settings, withdrawals),
    nextRequest: () => {
      last += 1
      return last
    },
  }
}

const servers = { bank: serve, llm: serveLlm, exchange: serveExchange } as const

const closeServer = async (server: Server): Promise<void> => {
  const closed = once(server, 'close')
  server.close()
  server.closeIdleConnections()
  const limit = setTimeout(() => server.closeAllConnections(), stopWithinMs)
  await closed
  clearTimeout(limit)
}

/**
 * Starts a provider and resolves when it answers.
 * @throws Failure `port-taken`, `file-invalid` (a damaged log), `invalid` (shares that are none).
 */
export const startRehearsal = async (options: RehearsalOptions): Promise<RunningRehearsal> => {
  assert(options.rate >= 1, 'a rehearsal takes at least one request per second')
  checked(options.faults ?? {})
  await mkdir(options.directory, { recursive: true, mode: 0o700 })
  const opened = Promise.withResolvers<AnyProvider>()
  const underWay = new Set<Promise<void>>()
  const host = options.host ?? '127.0.0.1'
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 60_000 },
    (request, response) => {
      const turn = opened.promise
        .then((provider) => servers[options.kind ?? 'bank'](provider, request, response))
        .catch(() => {
          // The log cannot be read or written: a bank that answered now could forget what it said. It hangs up, on
          // everybody, for good.
          server.closeAllConnections()
          server.close()
        })
      underWay.add(turn)
      void turn.then(() => underWay.delete(turn))
    },
  )
  server.maxConnections = mostConnections
  // The port is taken before the log is touched: it keeps a second provider of this config off the log.
  const port = await listen(server, options.port, host)
  const logFile = join(options.directory, 'log.ndjson')
  let provider: AnyProvider
  let token: string
  try {
    token = options.credentialToken ?? (await tokenIn(join(options.directory, 'token')))
    provider = await openProvider(options, token, logFile)
  } catch (error) {
    opened.reject(error)
    opened.promise.catch(() => {
      /* told by the throw below */
    })
    await closeServer(server)
    throw error
  }
  opened.resolve(provider)
  const { book, settings, log } = provider
  let stopping: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    if (server.listening) await closeServer(server)
    await Promise.all(underWay)
    await log.close()
  }
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    logFile,
    token: () => (options.kind === 'exchange' ? `${firstKey}:${token}` : token),
    counts: () => ({ ...book.counts }),
    setFaults: (faults) => {
      settings.faults = checked(faults)
    },
    stop: () => (stopping ??= stop()),
  }
}
