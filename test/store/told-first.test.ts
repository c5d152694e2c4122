/**
 * What is written last in a turn is told first: a vault that is sealed anew has another key from then on, and whoever
 * went on between would open an old row with it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, expect, test } from 'vitest'
import { realClock } from '../../src/std/real/real.ts'
import { migrate } from '../../src/store/gate/schema.ts'
import { openTurn } from '../../src/store/gate/turn.ts'
import type { NewCall } from '../../src/store/store.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const call: NewCall = {
  grant: null,
  subject: null,
  agent: 'payer/0001',
  cell: null,
  upstream: 'bank',
  method: 'GET',
  path: '/v1',
  hash: null,
  credential: null,
  version: null,
  epoch: 1,
  begunMs: 1,
  waitedMs: 0,
  host: null,
  decision: null,
  reserved: null,
}

test('While the thread commits many calls, none of them goes on between what the loop writes and who is told of it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'told-first-'))
  const path = join(directory, 'gate.db')
  const db = new DatabaseSync(path)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  migrate(db)
  const turn = openTurn(db)
  await turn.begin(path, realClock())
  closing.push(
    () => rmSync(directory, { recursive: true }),
    () => turn.close(() => db.close()),
  )
  const state = { sealed: false, told: false }
  let between = 0
  const goesOn = async (): Promise<void> => {
    await turn.hot({ do: 'begin', call })
    if (state.sealed && !state.told) between += 1
    // Many of them, so that the next commit has enough at once.
    await turn.hot({ do: 'begin', call })
  }
  const calls = Array.from({ length: 120 }, goesOn)
  const sealing = turn
    .writeLast(() => {
      state.sealed = true
    })
    .then(() => {
      state.told = true
    })
  await Promise.all([...calls, sealing])
  expect({ ...state, between }).toEqual({ sealed: true, told: true, between: 0 })
})
