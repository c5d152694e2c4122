/** The judge's way into a record that lies in a PostgreSQL server. */
import type { PostgresServer } from '../store/server.ts'
import type { Reading } from './judge.ts'

/** Integers come as text from the driver. */
export const readingServer =
  (server: PostgresServer, url: string): Reading =>
  async <Row>(sql: string) => {
    const rows = await server.ask<Record<string, unknown>>(url, `SET search_path = swarmsitter; ${sql}`)
    return rows.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => [
          name,
          /_minor$|^count$/.test(name) ? BigInt(value as string) : value,
        ]),
      ),
    ) as Row[]
  }
