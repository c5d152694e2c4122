/**
 * Reads: at most four connections beside the writer's, each statement with a deadline. A read changes nothing, so one
 * that lost its link is asked again until the server is back or patience ends.
 */
import type { Pool, PoolClient } from 'pg'
import { Failure, sleep, type Clock } from '../../std/std.ts'
import { isLinkLoss, linkConfig, parsersOf, printableUrl, sessionSettings, type Link, type Timing } from './link.ts'
import { readingWith, type Asking } from './session.ts'

/** Four: what a page, a report and the work's own reads need at once; more only queue in the server. */
const connectionsMost = 4
const firstRetryMs = 50
const longestRetryMs = 1_000

export interface ReadPool {
  readonly asking: Asking
  /** All statements of the reading see one moment. */
  inSnapshot<Value>(read: (asking: Asking) => Promise<Value>): Promise<Value>
  end(): Promise<void>
}

export interface ReadPoolAsk {
  readonly url: string
  readonly clock: Clock
  readonly timing: Timing
}

const timedOut = '57014'

export const openReadPool = async ({ url, clock, timing }: ReadPoolAsk): Promise<ReadPool> => {
  const pg = await import('pg')
  const parsers = await parsersOf()
  const pool: Pool = new pg.Pool({
    ...linkConfig({ url, name: 'swarmsitter reads', timing, pipeline: false }),
    max: connectionsMost,
    // Typed as giving nothing, but what it gives is waited for: no read runs before its session is set up.
    onConnect: (client) => client.query(`${sessionSettings(timing)}; SET default_transaction_read_only = on`) as never,
  })
  // An idle connection that breaks is taken out of the pool by itself; the next read opens another.
  pool.on('error', () => undefined)

  const patiently = async <Value>(deed: () => Promise<Value>): Promise<Value> => {
    const until = clock.monoMs() + timing.patienceMs
    for (let delayMs = firstRetryMs; ; delayMs = Math.min(longestRetryMs, delayMs * 2)) {
      try {
        return await deed()
      } catch (error) {
        if ((error as { code?: string }).code === timedOut)
          throw new Failure('timed-out', `a read took longer than ${timing.statementMs} ms`, { cause: error })
        if (!isLinkLoss(error) || pool.ending) throw error
        if (clock.monoMs() >= until)
          throw new Failure('record-unreachable', `no answer from ${printableUrl(url)}`, { cause: error })
      }
      await sleep(clock, delayMs)
    }
  }
  const askOn =
    (where: Pick<PoolClient, 'query'>): Link['ask'] =>
    async <Row>(text: string, values: readonly unknown[], big: boolean) => {
      const types = big ? parsers.big : parsers.plain
      const result = await where.query({ text, types, values: [...values] })
      return { rows: result.rows as Row[], count: result.rowCount ?? 0, did: result.command }
    }
  const inSnapshot = async <Value>(read: (asking: Asking) => Promise<Value>): Promise<Value> => {
    const client = await pool.connect()
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
      const value = await read(readingWith(askOn(client)))
      await client.query('COMMIT')
      client.release()
      return value
    } catch (error) {
      client.release(true)
      throw error
    }
  }
  const ask = askOn(pool as unknown as Pick<PoolClient, 'query'>)
  return {
    asking: readingWith((sql, values, big) => patiently(() => ask(sql, values, big))),
    inSnapshot: (read) => patiently(() => inSnapshot(read)),
    end: async () => {
      if (!pool.ending) await pool.end()
    },
  }
}
