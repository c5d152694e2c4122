/**
 * Promise M8: an fsync of the record fails, once and for ever, while programs submit tasks. What the API said is
 * compared with the record after the restart: nothing acknowledged is missing, nothing that was said to have failed is
 * there. A request without an answer may be either.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, expect, test } from 'vitest'
import { processes, programOf } from '../crash/machine.ts'
import { prepare, sitter, type Place, type Run } from '../crash/swarm.ts'
import { ask, isReady, newDirectory, until } from './api.ts'
import { cannotTrace, injectFault, untraced } from './strace.ts'

let run: Run
let directory: string
afterEach(async () => {
  try {
    process.kill(-run.pid, 'SIGKILL')
  } catch {
    // It has ended already.
  }
  await run.ended
  rmSync(directory, { recursive: true, force: true })
})

const start = async (): Promise<Place> => {
  directory = newDirectory()
  const place = await prepare({ directory, agents: 2, rows: 1, faults: {} })
  run = sitter(place, 'up', place.config)
  await Promise.race([
    until('the swarm is ready', () => isReady(place), 60_000),
    run.ended.then((code) => {
      throw new Error(`up ended with ${code}: ${run.output()}`)
    }),
  ])
  return place
}

interface Said {
  readonly acknowledged: Set<string>
  readonly failed: Set<string>
  readonly unanswered: Set<string>
}

/** Submits one task after the other until `over`, eight at a time, and keeps what was said of each key. */
const submitUntil = async (place: Place, name: string, over: () => boolean): Promise<Said> => {
  const said: Said = { acknowledged: new Set(), failed: new Set(), unanswered: new Set() }
  let number = 0
  const one = async (): Promise<void> => {
    while (!over()) {
      const key = `${name}-${(number += 1)}`
      const answer = await ask(place, '/api/v1/tasks', { type: 'settle', payload: {}, key, delayMs: 3_600_000 })
      if (answer === 'lost') {
        said.unanswered.add(key)
        await new Promise((resolve) => {
          setTimeout(resolve, 50)
        })
      } else if (answer.status < 300) said.acknowledged.add(key)
      else if (answer.body['code'] === 'record-unknown') said.unanswered.add(key)
      else said.failed.add(key)
    }
  }
  await Promise.all(Array.from({ length: 8 }, one))
  return said
}

const keysOf = (place: Place): Set<string> => {
  const record = new DatabaseSync(join(place.data, 'swarm.db'), { readOnly: true })
  const rows = record.prepare('SELECT key FROM tasks WHERE key IS NOT NULL').all() as { key: string }[]
  record.close()
  return new Set(rows.map((row) => row.key))
}

const compare = (place: Place, said: Said): void => {
  const there = keysOf(place)
  expect([...said.acknowledged].filter((key) => !there.has(key))).toEqual([])
  expect([...said.failed].filter((key) => there.has(key))).toEqual([])
}

test.skipIf(cannotTrace)(
  `an fsync that fails once ends the sitter, and the next one holds exactly what was acknowledged${untraced}`,
  { timeout: 150_000 },
  async () => {
    const place = await start()
    const first = programOf('sitter', place.data)!
    let over = false
    const submitting = submitUntil(place, 'once', () => over)
    await until('tasks are taken in', () => keysOf(place).size > 20)
    // The flush of a commit; SQLite's own, around a checkpoint, are fsync.
    await injectFault(first.pid, 'fdatasync:error=EIO:when=1')
    await until(
      'another sitter is ready',
      async () => {
        const now = programOf('sitter', place.data)
        return now !== undefined && now.pid !== first.pid && (await isReady(place))
      },
      60_000,
    )
    const before = keysOf(place).size
    await until('tasks are taken in again', () => keysOf(place).size > before + 20)
    over = true
    const said = await submitting
    expect(said.unanswered.size).toBeGreaterThan(0)
    compare(place, said)
  },
)

test.skipIf(cannotTrace)(
  `while every fsync fails nothing is acknowledged that is not there later, and it comes back when the disk does${untraced}`,
  { timeout: 150_000 },
  async () => {
    const place = await start()
    const watch = processes().find((one) => one.pid === run.pid)!
    let over = false
    const submitting = submitUntil(place, 'ever', () => over)
    await until('tasks are taken in', () => keysOf(place).size > 20)
    const first = programOf('sitter', place.data)!
    // The watch is followed, so that each new sitter meets the fault too; the first one is met by itself.
    const later = await injectFault(watch.pid, 'fsync,fdatasync:error=EIO:when=1+', true)
    await injectFault(first.pid, 'fsync,fdatasync:error=EIO:when=1+')
    const lives = new Set<number>()
    await until(
      'three sitters have failed',
      () => {
        const now = programOf('sitter', place.data)
        if (now) lives.add(now.pid)
        return lives.size > 3
      },
      60_000,
    )
    await later.stop()
    await until('a sitter is ready', () => isReady(place), 60_000)
    const before = keysOf(place).size
    await until('tasks are taken in again', () => keysOf(place).size > before + 20)
    over = true
    compare(place, await submitting)
  },
)
