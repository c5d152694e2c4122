/** What a sitter finds out about those before it: how often they died, and that an end in order is no death. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { deathsIn, recordStopped, recover } from '../src/recovery.ts'
import { openSqliteStore } from '../src/store/store.ts'
import { movedClock } from './worlds/clock.ts'
import { noDisk } from './world/machine.ts'

const begins = (wallMs: number) => ({ kind: 'sitter.started', wallMs })
const ends = (wallMs: number) => ({ kind: 'sitter.stopped', wallMs })

test.each([
  ['the first one', [], []],
  ['one after an end in order', [ends(900), begins(100)], []],
  ['one after a death', [begins(100)], [1_000]],
  ['one after three deaths', [begins(300), begins(200), begins(100)], [1_000, 300, 200]],
  ['one after deaths and an end in order', [ends(900), begins(300), begins(200), begins(100)], [300, 200]],
  ['one after other news of sitters', [{ kind: 'record.full', wallMs: 400 }, begins(100)], [1_000]],
])('%s', (_what, events, deaths) => {
  expect(deathsIn(events, 1_000)).toEqual(deaths)
})

test('Deaths of more than an hour ago are not counted', () => {
  expect(deathsIn([begins(3_600_000), begins(3_599_999), begins(0)], 7_200_000)).toEqual([7_200_000, 3_600_000])
})

test('The record knows how the sitters before ended', async () => {
  const store = openSqliteStore(join(mkdtempSync(join(tmpdir(), 'sitter-lives-')), 'swarm.db'), { quickMs: Infinity })
  onTestFinished(() => store.close())
  const clock = movedClock()
  const live = async (): Promise<{ readonly epoch: number; readonly deaths: readonly number[] }> => {
    const [opened] = await store.transact([{ kind: 'host.open', with: { owner: 'local', bootId: 'b', wallMs: 1 } }])
    const { epoch } = opened.ok ? opened.value : { epoch: 0 }
    const proc = { startTime: () => undefined } as never
    const here = { store, clock, proc, disk: noDisk, owner: 'local', epoch, sockets: '/none', cells: '/none' }
    return { epoch, deaths: (await recover(here)).deaths }
  }
  const deaths: number[] = []
  for (const ordered of [true, false, false, false]) {
    const life = await live()
    deaths.push(life.deaths.length)
    if (ordered) await recordStopped(store, clock, life.epoch)
    await clock.move(1_000)
  }
  expect([...deaths, (await live()).deaths.length]).toEqual([0, 0, 1, 2, 3])
})
