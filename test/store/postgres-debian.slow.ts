/** The conformance suite once more, on the server that Debian brings: another major version than the tests' own. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { realClock } from '../../src/std/real/real.ts'
import { openPostgresStore, type Store } from '../../src/store/store.ts'
import { storeSuite } from '../conformance/store.ts'
import { debianServer, startServer, stopMs, type PostgresServer } from './server.ts'

const bin = debianServer()

describe.skipIf(bin === undefined)("on Debian's PostgreSQL (apt-get install postgresql)", () => {
  let server: PostgresServer
  let stores: Store[] = []
  beforeAll(async () => {
    server = await startServer(bin)
    const url = await server.database()
    await (await open(url)).close()
    server.copyFrom(url)
  }, stopMs)
  afterEach(async () => {
    await Promise.all(stores.map((store) => store.close()))
    stores = []
  })
  afterAll(() => server.stop(), stopMs)

  const open = async (url: string): Promise<Store> => {
    const store = await openPostgresStore({ url, clock: realClock() })
    stores.push(store)
    return store
  }

  test('it is the server that was asked for', async () => {
    const url = await server.database()
    const [found] = await server.ask<{ version: string }>(url, 'SELECT version() AS version')
    expect(found?.version).toContain('Debian')
  })

  storeSuite({
    name: "Debian's postgres",
    runs: 3,
    open: async () => {
      const url = await server.database()
      return { store: await open(url), reopen: () => open(url) }
    },
  })
})
