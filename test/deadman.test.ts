/** The dead-man's ping and the proof of progress behind it, with a clock that is moved. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openDeadman } from '../src/deadman.ts'
import { openProgress, progressEveryMs } from '../src/progress.ts'
import { Failure, type Outside } from '../src/std/std.ts'
import { openSqliteStore, type Store } from '../src/store/store.ts'
import { movedClock } from './worlds/clock.ts'

const hosted = async (store: Store): Promise<number> => {
  const [opened] = await store.transact([{ kind: 'host.open', with: { owner: 'local', bootId: 'b', wallMs: 1 } }])
  return opened.ok ? opened.value.epoch : 0
}

test('Progress is proven by what was written and read back; a successor ends it, a record that fails makes it silent', async () => {
  const store = openSqliteStore(join(mkdtempSync(join(tmpdir(), 'sitter-deadman-')), 'swarm.db'), { quickMs: Infinity })
  const clock = movedClock()
  const epoch = await hosted(store)
  let proofs = 0
  const reasons: string[] = []
  const deposed: string[] = []
  const port: { ok: boolean; fault: Error } = { ok: true, fault: new Failure('disk-full', 'no room') }
  const failing = {
    read: store.read,
    transact: (commands: Parameters<Store['transact']>[0]) =>
      port.ok ? store.transact(commands) : Promise.reject(port.fault),
  } as Pick<Store, 'transact' | 'read'>
  const end = openProgress({
    store: failing,
    clock,
    owner: 'local',
    epoch,
    proven: () => (proofs += 1),
    idle: (why) => reasons.push(why),
    deposed: (detail) => deposed.push(detail),
  })
  await clock.move(3 * progressEveryMs)
  expect(proofs).toBe(3)
  port.ok = false
  await clock.move(3 * progressEveryMs)
  expect([proofs, reasons]).toEqual([3, ['no room', 'no room', 'no room']])
  // A successor may do better.
  port.fault = new Failure('bug', 'a statement that is wrong')
  await clock.move(progressEveryMs)
  port.fault = Object.assign(new Error('database is locked'), { errcode: 5 })
  await clock.move(progressEveryMs)
  expect([proofs, reasons.slice(3)]).toEqual([3, ['another program holds the record locked']])
  port.ok = true
  await clock.move(progressEveryMs)
  expect([proofs, deposed]).toEqual([4, []])
  await hosted(store)
  await clock.move(progressEveryMs)
  expect([proofs, deposed.length]).toEqual([4, 1])
  end()
  await store.close()
})

test('The ping goes out at its pace while there is progress, stops with it, and says once that it does not arrive', async () => {
  const clock = movedClock()
  const asked: string[] = []
  const told: string[] = []
  const port = { status: 200 }
  const outside: Outside = {
    ask: async ({ method, url }) => {
      asked.push(`${method} ${url}`)
      return { status: port.status, retryAfterMs: null }
    },
  }
  const deadman = openDeadman({
    url: 'https://x.example/1',
    everyMs: 10_000,
    clock,
    outside,
    told: (works, detail) => told.push(`${works} ${detail}`),
  })
  await clock.move(60_000)
  expect(asked).toEqual([])
  deadman.progress()
  await clock.move(19_000)
  expect(asked).toEqual(['GET https://x.example/1', 'GET https://x.example/1'])
  await clock.move(60_000)
  expect(asked.length).toBe(3)
  port.status = 503
  for (let turn = 0; turn < 6; turn += 1) {
    deadman.progress()
    await clock.move(10_000)
  }
  port.status = 200
  deadman.progress()
  await clock.move(10_000)
  expect(told).toEqual(['false it answered 503', 'true it answered 200'])
  await deadman.stop()
  deadman.progress()
  await clock.move(60_000)
  expect(asked.length).toBe(10)
})

test('A ping that goes out once an hour is none of a sitter that died in the first minute of it', async () => {
  const clock = movedClock()
  let asked = 0
  const outside: Outside = { ask: async () => ((asked += 1), { status: 200, retryAfterMs: null }) }
  const deadman = openDeadman({ url: 'https://x.example/1', everyMs: 3_600_000, clock, outside, told: () => {} })
  for (const endMs = clock.monoMs() + 60_000; clock.monoMs() < endMs; await clock.move(5_000)) deadman.progress()
  expect(asked).toBe(1)
  await clock.move(2 * 3_600_000)
  expect(asked).toBe(1)
  for (const endMs = clock.monoMs() + 3_600_000; clock.monoMs() < endMs; await clock.move(5_000)) deadman.progress()
  expect(asked).toBe(2)
  await deadman.stop()
})
