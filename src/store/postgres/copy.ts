/**
 * The record in PostgreSQL for who only looks: nothing is made, migrated or locked, and a server that does not answer
 * is told at once.
 */
import { Failure, type Clock } from '../../std/std.ts'
import type { Queries } from '../queries.ts'
import { printableUrl, schemaName, usualTiming } from './link.ts'
import { openReadPool } from './pool.ts'
import { openReads } from './reads.ts'

export interface PostgresLook {
  readonly read: Queries
  close(): Promise<void>
}

const lookTiming = { ...usualTiming, connectMs: 3_000, patienceMs: 0 }
const thereSql = `SELECT to_regclass('${schemaName}.schema_version') IS NOT NULL AS there`

/** Rejects with Failure `record-unreachable`, or `not-found` when no record was ever made there. */
export const lookIntoPostgres = async (url: string, clock: Clock): Promise<PostgresLook> => {
  const pool = await openReadPool({ url, clock, timing: lookTiming })
  try {
    const found = await pool.asking.one<{ there: boolean }>(thereSql)
    if (found?.there !== true) throw new Failure('not-found', `there is no record in ${printableUrl(url)} yet`)
    return { read: openReads(pool), close: pool.end }
  } catch (error) {
    await pool.end()
    throw error
  }
}
