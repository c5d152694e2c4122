/**
 * Databases with an empty record, for tests that want one and not its making. A new database costs a server ten times
 * what it costs to empty one: whatever tables and sequences the record has are put back to what they were when it was
 * new. How a record comes to be is shown by tests that make their own.
 */
import type { PostgresServer } from './server.ts'

const keep = `CREATE SCHEMA new_record;
  DO $$ DECLARE one RECORD; BEGIN
    FOR one IN SELECT relname AS name FROM pg_class WHERE relnamespace = 'swarmsitter'::regnamespace AND relkind = 'r' LOOP
      EXECUTE format('CREATE TABLE new_record.%I AS TABLE swarmsitter.%I', one.name, one.name);
    END LOOP;
    CREATE TABLE new_record."all sequences" AS
      SELECT sequencename AS name, start_value, last_value FROM pg_sequences WHERE schemaname = 'swarmsitter';
  END $$`

// Append-only tables refuse what is done here: their triggers are for whoever is no replica.
const putBack = `SET session_replication_role = replica;
  DO $$ DECLARE one RECORD; BEGIN
    FOR one IN SELECT relname AS name FROM pg_class WHERE relnamespace = 'swarmsitter'::regnamespace AND relkind = 'r' LOOP
      EXECUTE format('DELETE FROM swarmsitter.%I', one.name);
      EXECUTE format('INSERT INTO swarmsitter.%I OVERRIDING SYSTEM VALUE TABLE new_record.%I', one.name, one.name);
    END LOOP;
    FOR one IN SELECT * FROM new_record."all sequences" LOOP
      PERFORM setval(format('swarmsitter.%I', one.name)::regclass,
        coalesce(one.last_value, one.start_value), one.last_value IS NOT NULL);
    END LOOP;
  END $$`

export interface Emptied {
  /** One that nobody uses. */
  take(): Promise<string>
  /** Nobody has those any more that were taken so far. */
  giveBackAll(): void
}

/** `template`: a database whose record has just been made; it stays the server's template. */
export const openEmptied = async (server: PostgresServer, template: string): Promise<Emptied> => {
  await server.ask(template, keep)
  server.copyFrom(template)
  const [free, taken]: [string[], string[]] = [[], []]
  return {
    take: async () => {
      const used = free.pop()
      const url = used ?? (await server.database())
      if (used !== undefined) await server.ask(url, putBack)
      taken.push(url)
      return url
    },
    giveBackAll: () => void free.push(...taken.splice(0)),
  }
}
