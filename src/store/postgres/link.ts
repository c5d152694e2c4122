/**
 * One connection to a PostgreSQL server, and what its errors mean. Every statement has a deadline of its own on both
 * ends: a silent partition is invisible to TCP (a blackholed link with keep-alive showed nothing for 12 s), so a side
 * that waits must stop waiting by itself.
 */
import type { Client, ClientConfig, CustomTypesConfig } from 'pg'
import { Failure } from '../../std/std.ts'
import { wholeWith, type Rows, type Statement } from './whole.ts'

/** The schema that holds the record; nothing outside of it is touched. */
export const schemaName = 'swarmsitter'

export interface Timing {
  /** A statement that takes longer is ended by the server; 5 s later the client gives the connection up. */
  readonly statementMs: number
  readonly connectMs: number
  /** How long a lost server is looked for again before the engine gives up. */
  readonly patienceMs: number
  /** How long an opening waits for another sitter's lock: longer than a killed one's connection lives on. */
  readonly lockMs: number
}
export const usualTiming: Timing = { statementMs: 15_000, connectMs: 5_000, patienceMs: 30_000, lockMs: 30_000 }

/** The address for people: without password and parameters. */
export const printableUrl = (url: string): string => {
  try {
    const { host, pathname, username } = new URL(url)
    return `postgres://${username === '' ? '' : `${username}@`}${host}${pathname}`
  } catch {
    // What is no URL may hold a password anywhere: nothing of it is shown.
    return 'postgres://(unreadable)'
  }
}

const int8 = 20
const int4 = 23
const numeric = 1_700

const safe = (text: string): number | bigint => {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : BigInt(text)
}

export interface Link {
  /** `big`: every integer and sum as bigint, for amounts. Without `name` the statement is planned anew each time. */
  ask<Row>(sql: string, values: readonly unknown[], big: boolean, name?: string): Promise<Rows<Row>>
  /**
   * A transaction as one write and one answer (whole.ts). Rejects with the server's error when nothing was written, and
   * with the link's when nobody knows.
   */
  whole(statements: readonly Statement[]): Promise<readonly Rows<unknown>[]>
  readonly lost: boolean
  /** Called at most once, when the link breaks without having been asked to end. */
  onLost(listener: (cause: Error) => void): void
  end(): Promise<void>
  /** Ends the link at once, whatever is under way. */
  destroy(): void
}

/**
 * The server's code of an error (SQLSTATE); undefined for one that is not the server's. Only those have a severity, and
 * a socket's code may have five letters too (EPIPE). What the severity says is in the server's language: nothing here
 * reads it.
 */
export const sqlStateOf = (error: unknown): string | undefined => {
  const { severity, code } = error as { severity?: unknown; code?: unknown }
  return typeof severity === 'string' && typeof code === 'string' && code.length === 5 ? code : undefined
}

/**
 * Codes with which the server ends a session or takes none: connection exceptions, a shutdown, a transaction that stood
 * still or took too long (of 25P the others are refusals: 25P02 is every statement after a failed one), no right to
 * connect, too many connections.
 */
const sessionEnds = /^(08|57P|25P0[34]|28|3D|53300)/

/** True when the link is gone, and not just a statement refused; what was in a transaction is then rolled back. */
export const isLinkLoss = (error: unknown): boolean => {
  if (error instanceof Failure || error instanceof TypeError || error instanceof RangeError) return false
  const state = sqlStateOf(error)
  return state === undefined || sessionEnds.test(state)
}

export interface LinkAsk {
  readonly url: string
  readonly name: string
  readonly timing: Timing
  /** Statements are sent without waiting for the answers of those before them. */
  readonly pipeline: boolean
}

export const linkConfig = ({ url, name, timing, pipeline }: LinkAsk): ClientConfig => ({
  connectionString: url,
  application_name: name,
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
  connectionTimeoutMillis: timing.connectMs,
  query_timeout: timing.statementMs + 5_000,
  pipeline,
})

/**
 * What every session sets first. The server drops a client that vanished after 25 s (20 with data on the way), so that
 * its lock is free for the next sitter; a transaction that stands still ends after 10 s. JIT costs more than it gives
 * for statements of ours.
 */
export const sessionSettings = (timing: Timing): string =>
  [
    `SET search_path = ${schemaName}`,
    `SET statement_timeout = ${timing.statementMs}`,
    'SET idle_in_transaction_session_timeout = 10000',
    'SET client_connection_check_interval = 2000',
    'SET tcp_keepalives_idle = 10',
    'SET tcp_keepalives_interval = 5',
    'SET tcp_keepalives_count = 3',
    'SET tcp_user_timeout = 20000',
    'SET jit = off',
  ].join('; ')

export const parsersOf = async (): Promise<{ plain: CustomTypesConfig; big: CustomTypesConfig }> => {
  const { types } = await import('pg')
  const with_ = (own: Readonly<Record<number, (text: string) => unknown>>): CustomTypesConfig => ({
    getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
      own[oid] ?? types.getTypeParser(oid, format as 'text')) as CustomTypesConfig['getTypeParser'],
  })
  return {
    plain: with_({ [int8]: safe, [numeric]: safe }),
    big: with_({ [int4]: BigInt, [int8]: BigInt, [numeric]: BigInt }),
  }
}

/** Opens a connection and its settings. Rejects with the server's or the socket's error. */
export const openLink = async (ask: LinkAsk): Promise<Link> => {
  const pg = await import('pg')
  const parsers = await parsersOf()
  const client: Client = new pg.Client(linkConfig(ask))
  const listeners: ((cause: Error) => void)[] = []
  let lost = false
  let ending = false
  const lose = (cause: Error): void => {
    if (lost || ending) return
    lost = true
    for (const listener of listeners) listener(cause)
  }
  client.on('error', lose)
  client.on('end', () => lose(new Error('the server ended the connection')))
  const destroy = (): void => {
    ending = true
    // Not `end`: that one waits for statements under way, and on a dead link for ever.
    client.connection.stream.destroy()
  }
  await client.connect()
  try {
    await client.query(sessionSettings(ask.timing))
  } catch (error) {
    destroy()
    throw error
  }
  return {
    ask: async <Row>(text: string, values: readonly unknown[], big: boolean, name?: string) => {
      const types = big ? parsers.big : parsers.plain
      const given = values.length === 0 && name === undefined ? {} : { values: [...values] }
      const result = await client.query({ text, types, ...given, ...(name === undefined ? {} : { name }) })
      return { rows: result.rows as Row[], count: result.rowCount ?? 0, did: result.command }
    },
    whole: wholeWith(client, pg.Query, parsers.plain),
    get lost() {
      return lost
    },
    onLost: (listener) => void listeners.push(listener),
    end: async () => {
      ending = true
      await client.end()
    },
    destroy,
  }
}
