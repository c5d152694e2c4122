/**
 * A transaction as one write and one answer. Statements that are sent without a Sync between them are one transaction
 * by the protocol's own rule, which the Sync behind the last one commits: no BEGIN, no COMMIT, and the server answers
 * once. Sent one by one in a pipeline it answers each in a write of its own, which wakes us as often (five times a
 * turn).
 *
 * Statements are prepared when they are first sent. After an error it is not known which of them are: then their names
 * are closed, which is no error for one that is not there, and they are prepared anew; so are those whose plan may have
 * become a bad one (plans.ts).
 */
import type { Client, CustomTypesConfig, Query, QueryResult } from 'pg'
import { isRound } from './plans.ts'

export interface Rows<Row> {
  readonly rows: Row[]
  /** Rows that were changed or given. */
  readonly count: number
  /** What the server says it did: `COMMIT`, or `ROLLBACK` where a COMMIT was asked of a failed transaction. */
  readonly did: string
}

export interface Statement {
  readonly sql: string
  /** As the server reads them: texts, numbers, and arrays as literals (session.ts). */
  readonly values: readonly (string | number | boolean | null)[]
}

interface Prepared {
  readonly name: string
  state: 'new' | 'ready' | 'doubtful'
  uses: number
}

type Connection = Client['connection']

const valueText = (value: Statement['values'][number]): string | null => (value === null ? null : String(value))

const sendOne = (connection: Connection, { sql, values }: Statement, { name, state }: Prepared): void => {
  if (state === 'doubtful') connection.close({ type: 'S', name }, true)
  if (state !== 'ready') connection.parse({ name, text: sql, types: [] }, true)
  connection.bind({ statement: name, values: [...values], valueMapper: valueText } as never, true)
  connection.describe({ type: 'P', name: '' }, true)
  connection.execute({ portal: '', rows: '0' } as never, true)
}

export const wholeWith = (
  client: Client,
  query: typeof Query,
  types: CustomTypesConfig,
): ((statements: readonly Statement[]) => Promise<readonly Rows<unknown>[]>) => {
  const kept = new Map<string, Prepared>()
  const preparedFor = ({ sql }: Statement): Prepared => {
    let found = kept.get(sql)
    if (found === undefined) kept.set(sql, (found = { name: `w${kept.size}`, state: 'new', uses: 0 }))
    return found
  }
  const sendAll = (connection: Connection, statements: readonly Statement[]): void => {
    connection.stream.cork()
    try {
      for (const statement of statements) {
        const prepared = preparedFor(statement)
        prepared.uses += 1
        if (isRound(prepared.uses)) prepared.state = 'doubtful'
        sendOne(connection, statement, prepared)
        prepared.state = 'ready'
      }
      connection.sync()
    } finally {
      connection.stream.uncork()
    }
  }
  return (statements) =>
    new Promise((resolve, reject) => {
      const asked = new query({ text: '', types }, (error, answered) => {
        if (error) {
          for (const statement of statements) preparedFor(statement).state = 'doubtful'
          reject(error)
          return
        }
        const all = (Array.isArray(answered) ? answered : [answered]) as unknown as QueryResult[]
        resolve(all.map(({ rows, rowCount, command }) => ({ rows, count: rowCount ?? 0, did: command })))
      })
      asked.submit = (connection) => sendAll(connection as Connection, statements)
      client.query(asked)
    })
}
