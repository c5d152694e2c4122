/**
 * A rehearsal bank of a test: started in a folder of its own, and asked over real HTTP, one fresh connection a request.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import {
  startRehearsal,
  type Line,
  type RehearsalOptions,
  type RunningRehearsal,
} from '../../src/rehearsal/rehearsal.ts'

/** Whatever the bank may say; a test looks at the parts that it expects. */
export interface Body {
  readonly id: string
  readonly status: string
  readonly items: readonly { readonly status: string }[]
  readonly error: { readonly code: string }
}
export interface Got {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Body
}
export interface Ask {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Rejects when the connection is cut. */
export const ask = (url: string, token: string | null, path: string, what: Ask = {}): Promise<Got> =>
  new Promise((resolve, reject) => {
    const headers = { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...what.headers }
    const request = httpRequest(
      `${url}${path}`,
      { method: what.method ?? 'GET', headers, agent: false },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => (text += chunk))
        response.on('error', reject)
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: JSON.parse(text) as Body }),
        )
      },
    )
    request.on('error', reject)
    request.end(what.body)
  })

export const payout = (reference: string, amount = '12.30'): Record<string, string> => ({
  reference,
  payee: 'worker-1',
  amount,
  currency: 'XTS',
})

export const pay = (url: string, token: string, key: string, body: unknown = payout(key)): Promise<Got> =>
  ask(url, token, '/v1/payouts', { method: 'POST', headers: { 'idempotency-key': key }, body: JSON.stringify(body) })

export const newDirectory = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'swarm-rehearsal-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

export const linesIn = async (directory: string): Promise<readonly Line[]> =>
  (await readFile(join(directory, 'log.ndjson'), 'utf8'))
    .trimEnd()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line)

export interface Bank extends RunningRehearsal {
  readonly directory: string
  pay(key: string, body?: unknown): Promise<Got>
  ask(path: string, what?: Ask): Promise<Got>
  lines(): Promise<readonly Line[]>
  kinds(): Promise<readonly string[]>
}

export const bank = async (options: Partial<RehearsalOptions> = {}): Promise<Bank> => {
  const directory = options.directory ?? (await newDirectory())
  const running = await startRehearsal({ name: 'northbank', port: 0, rate: 10_000, seed: 1, ...options, directory })
  onTestFinished(() => running.stop())
  const lines = (): Promise<readonly Line[]> => linesIn(directory)
  return {
    ...running,
    directory,
    pay: (key, body) => pay(running.url, running.token(), key, body),
    ask: (path, what) => ask(running.url, running.token(), path, what),
    lines,
    kinds: async () => (await lines()).map((line) => line.kind),
  }
}
