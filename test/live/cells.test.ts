/** What the machine cannot make is refused before anything is recorded; what was refused before stops no other change. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { applyConfig, parseConfig, readApplied, startVersion } from '../../src/config/config.ts'
import { openLiveConfig, type LiveConfig } from '../../src/live-config.ts'
import type { AgentType } from '../../src/model/model.ts'
import { realClock, realDisk, realProc } from '../../src/std/real/real.ts'
import { openSqliteStore } from '../../src/store/store.ts'

const directory = mkdtempSync(join(tmpdir(), 'admit-'))
const store = openSqliteStore(join(directory, 'swarm.db'))
afterEach(async () => {
  await store.close()
  rmSync(directory, { recursive: true })
})

const program = { run: { command: ['sh', '-c'] }, cell: 'sandbox' }
const swarm = (agents: object): object => ({ name: 'tiny', agents })

const open = async (raw: object, taken: string[][]): Promise<LiveConfig> => {
  const loaded = { file: '/x/swarm.config.json', raw, baseDirectory: directory }
  await applyConfig(realDisk(), directory, { ...loaded, config: parseConfig(raw, directory) })
  const port = { store, disk: realDisk(), clock: realClock(), proc: realProc(), dataDirectory: directory }
  const refused = { why: 'no bubblewrap', wayOut: 'install it' }
  const types = (agents: Readonly<Record<string, AgentType>>): string[] => Object.keys(agents).toSorted()
  return openLiveConfig({
    ...port,
    running: await startVersion(port, await readApplied(realDisk(), directory)),
    gatelink: { config: async () => ({}) as never },
    fleet: () => ({ reconfigure: async () => {} }),
    cells: () => ({
      housing: ({ cell: { kind } }) =>
        kind === 'sandbox'
          ? { requested: kind, effective: null, weaker: [refused.why], refused }
          : { requested: kind, effective: kind, weaker: [], refused: null },
      take: (agents) => void taken.push(types(agents)),
    }),
    onFault: (error) => {
      throw error
    },
  })
}

test('A type that this machine refuses refuses the change whole; one that was refused before does not', async () => {
  const taken: string[][] = []
  const { config, versions } = await open(swarm({ old: program }), taken)
  const apply = (agents: object) =>
    versions.apply({ file: '/x/new.json', baseDirectory: directory, raw: swarm(agents) }, 'cli:uid-0')
  const worker = { run: { command: ['sh'] }, cell: 'process' }
  await expect(apply({ old: program, worker, teller: program })).rejects.toMatchObject({
    code: 'cell-refused',
    message: 'no bubblewrap. Way out: install it',
  })
  expect(Object.keys(config.agents)).toEqual(['old'])
  expect(taken).toEqual([])
  expect(await apply({ old: program, worker })).toMatchObject({ version: 2 })
  expect(taken).toEqual([['old', 'worker']])
  await expect(apply({ old: program, worker: program })).rejects.toMatchObject({ code: 'cell-refused' })
  expect(config.agents['worker']?.cell.kind).toBe('process')
})
