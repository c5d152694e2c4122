/** `doctor` where the record lies in a server: it is looked at there, by looking alone. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Check } from '../../../src/doors/cli/doctor-checks.ts'
import { realClock } from '../../../src/std/real/real.ts'
import { openPostgresStore } from '../../../src/store/store.ts'
import { startServer, stopMs, type PostgresServer } from '../../store/server.ts'
import { run } from './child.ts'

let server: PostgresServer
let directory: string

beforeAll(async () => {
  server = await startServer()
  directory = await mkdtemp(join(tmpdir(), 'sitter-doctor-pg-'))
  await mkdir(join(directory, '.sitter'), { mode: 0o700 })
}, stopMs)
afterAll(async () => {
  await server.stop()
  await rm(directory, { recursive: true, force: true })
}, stopMs)

const recordAsTold = async (): Promise<{ readonly record: Check | undefined; readonly text: string }> => {
  const env = { XDG_CONFIG_HOME: join(directory, '.config') }
  const { stdout, stderr } = await run(directory, ['doctor', '--json'], { env })
  const { checks } = JSON.parse(stdout) as { checks: Check[] }
  return { record: checks.find(({ name }) => name === 'record'), text: stdout + stderr }
}

test('a record in PostgreSQL is looked at in its server: not there, whole, changed, and out of reach', async () => {
  const url = await server.database()
  const agents = { a: { run: { command: ['/bin/true'] }, count: 1, cell: 'process' } }
  const config = { name: 'tested', store: url, agents, api: { port: 0 } }
  await writeFile(join(directory, 'swarm.config.json'), JSON.stringify(config))
  expect((await recordAsTold()).record).toMatchObject({ verdict: 'unknown' })
  // It only looked: nothing was made there.
  expect(await server.ask(url, "SELECT 1 FROM pg_namespace WHERE nspname = 'swarmsitter'")).toEqual([])

  const store = await openPostgresStore({ url, clock: realClock() })
  const entries = ['1', '2', '3'].map((object) => ({
    actor: 'test',
    action: 'test.done',
    object,
    decision: 'done' as const,
    facts: {},
  }))
  await store.transact([{ kind: 'audit.append', with: { entries, wallMs: 1 } }])
  // A sitter that writes there meanwhile is not in the way.
  expect((await recordAsTold()).record).toMatchObject({
    verdict: 'enforced',
    says: expect.stringContaining('3 audit entries') as string,
  })
  await store.close()
  await server.ask(
    url,
    `ALTER TABLE swarmsitter.audit DISABLE TRIGGER ALL;
     UPDATE swarmsitter.audit SET entry = replace(entry, '"2"', '"7"') WHERE seq = 2`,
  )
  expect((await recordAsTold()).record).toMatchObject({ verdict: 'broken' })
  await server.crash()
  const { record, text } = await recordAsTold()
  expect(record).toMatchObject({ verdict: 'absent', fix: 'start its server, or correct `store`' })
  expect(record!.says).toContain('no answer from postgres://postgres@127.0.0.1')
  expect(text).not.toContain('canary-secret')
})
