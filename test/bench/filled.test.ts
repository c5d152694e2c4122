/** The record that the recovery bench begins with: the bench once stood still for weeks because its tables had changed. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { fill } from '../../bench/swarm/filled.ts'
import { openStore } from '../../bench/rooms.ts'

test('rows that are written past the record’s commands are what its queries read', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'filled-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  await fill(directory, 1_000)
  const { store } = await openStore(directory)
  onTestFinished(() => store.close())
  expect(await store.read.attemptCounts()).toEqual([
    { outcome: 'succeeded', count: 500 },
    { outcome: 'transient', count: 500 },
  ])
  expect(await store.read.taskDurations('nothing')).toMatchObject({ count: 500 })
})
