/** `up` with a file in which a bank has another address, while a payment is open at it: the sitter does not start. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { applyConfig, parseConfig, readApplied, startVersion } from '../../src/config/config.ts'
import { placesOf } from '../../src/places.ts'
import { realClock, realDisk } from '../../src/std/real/real.ts'
import { openSqliteStore } from '../../src/store/store.ts'
import { addSettlement } from '../doors/http/house.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

test('a new address is refused at the start with the way out, and taken when nothing is open', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'addr-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const places = placesOf(join(directory, 'd'), directory)
  for (const one of [places.data, places.run, places.sockets, places.logs, places.cells])
    mkdirSync(one, { recursive: true, mode: 0o700 })
  writeFileSync(places.token, 'swt_address-test-0123456789abcdef\n', { mode: 0o600 })
  const bring = async (url: string): Promise<void> => {
    const raw = {
      name: 'tiny',
      agents: {},
      upstreams: { bank: { url, allow: ['POST /pay'], money: ['POST /pay'] } },
      channels: {
        northbank: {
          kind: 'http',
          upstream: 'bank',
          pay: 'POST /pay',
          keyHeader: 'idempotency-key',
          body: { reference: '{reference}', payee: '{payee}', amount: '{amount}', currency: '{currency}' },
          outcome: { accepted: [201], rejected: [422], unknown: ['5xx', 'lost'] },
        },
      },
      api: { port: 0 },
    }
    const loaded = { file: join(directory, 'swarm.config.json'), raw, baseDirectory: directory }
    await applyConfig(realDisk(), places.data, { ...loaded, config: parseConfig(raw, directory) })
  }
  /** What the sitter says on its private line. */
  const started = async (): Promise<string> => {
    const args = ['--conditions=source', '--disable-warning=ExperimentalWarning', main, '_sitter']
    const child = spawn(process.execPath, [...args, '--data-dir', places.data], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
      env: { PATH: process.env['PATH'], XDG_CONFIG_HOME: join(directory, 'c'), XDG_RUNTIME_DIR: directory },
    })
    const said = Promise.withResolvers<string>()
    createInterface(child.stdio[3] as Duplex).on('line', (line) => {
      if (!line.startsWith('beat')) said.resolve(line)
    })
    const line = await said.promise
    child.kill('SIGTERM')
    await once(child, 'exit')
    return line
  }

  await bring('https://a.test')
  const store = openSqliteStore(places.record)
  const port = { store, disk: realDisk(), clock: realClock(), dataDirectory: places.data }
  await startVersion(port, await readApplied(realDisk(), places.data))
  const settlement = await addSettlement(store, 'row-1', true)
  await bring('https://b.test')
  const refused = await started()
  expect(refused).toContain('failed ')
  expect(JSON.parse(refused.slice('failed '.length))).toEqual({
    code: 'conflict',
    message: '1 payment is open at https://a.test, by channel northbank',
    wayOut: expect.stringContaining('before upstream bank gets another address'),
  })
  expect((await store.read.configVersions({ limit: 9, after: null })).items).toHaveLength(1)
  const [ended] = await store.transact([
    {
      kind: 'settlement.move',
      with: {
        settlement,
        from: 'unknown',
        event: 'settle',
        reason: null,
        nextMs: null,
        person: false,
        tries: 0,
        providerReference: 'p1',
        wallMs: 1,
      },
    },
  ])
  expect(ended.ok).toBe(true)
  expect(await started()).toContain('ready ')
  await store.close()
})
