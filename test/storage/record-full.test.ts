/** The record on a disk that is full, and freed again. Read back by a new life: what was acknowledged, no more, no less. */
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { verifyAudit } from '../../src/record/record.ts'
import { asFailure } from '../../src/std/std.ts'
import { openSqliteStore, patiently, type Store } from '../../src/store/store.ts'
import { cannotMount, mountDisk, skipped, type SmallDisk } from './tmpfs.ts'

let disk: SmallDisk
let store: Store
afterEach(async () => {
  await store?.close()
  disk?.unmount()
})

const entry = (number: number) =>
  [
    {
      kind: 'audit.append',
      with: {
        wallMs: number,
        entries: [
          {
            actor: 'sitter',
            action: `entry ${number}`,
            object: 'x',
            decision: 'done',
            facts: { filler: 'x'.repeat(2_000) },
          },
        ],
      },
    },
  ] as const

const actions = async (): Promise<string[]> =>
  (await store.read.audit(0, 100_000)).map((one) => (JSON.parse(one.entry) as { action: string }).action)

const open = (): { lost: () => boolean; told: (number | null)[] } => {
  store = openSqliteStore(join(disk.path, 'swarm.db'))
  let lost = false
  const told: (number | null)[] = []
  store.onLost(() => {
    lost = true
  })
  store.onFull((sinceMs) => told.push(sinceMs))
  return { lost: () => lost, told }
}

/** Writes until the disk refuses; gives the numbers that were acknowledged. */
const writeUntilFull = async (): Promise<number> => {
  for (let number = 1; ; number += 1) {
    try {
      await store.transact(entry(number))
    } catch (error) {
      expect(asFailure(error)).toMatchObject({ code: 'disk-full', kind: 'transient', retryAfterMs: 5_000 })
      return number - 1
    }
  }
}

test.skipIf(cannotMount)(
  `a full disk refuses writes, goes on reading, loses nothing acknowledged, and heals by itself${skipped}`,
  async () => {
    disk = mountDisk(8)
    const { lost, told } = open()
    for (let number = 1; number <= 5; number += 1) await store.transact(entry(-number))
    disk.fill()
    const acknowledged = await writeUntilFull()
    expect(told).toEqual([store.fullSinceMs])
    await expect(store.transact(entry(9_999))).rejects.toMatchObject({ code: 'disk-full' })
    expect((await actions()).length).toBe(5 + acknowledged)
    const patient = patiently(store, entry(7_777))
    disk.free()
    await store.writable()
    expect(store.fullSinceMs).toBeNull()
    await patient
    await store.transact(entry(8_888))
    expect(lost()).toBe(false)
    expect(told).toHaveLength(2)
    await store.close()

    open()
    const kept = await actions()
    const expected = Array.from({ length: acknowledged }, (_, index) => `entry ${index + 1}`)
    expect(kept.slice(5, 5 + acknowledged)).toEqual(expected)
    expect(kept.slice(5 + acknowledged).toSorted()).toEqual(['entry 7777', 'entry 8888', 'record.freed', 'record.full'])
    expect(await verifyAudit(store.read)).toMatchObject({ ok: true })
    const events = (await store.read.events({ limit: 10, after: null })).items.map((one) => one.kind)
    expect(events).toEqual(['record.full', 'record.freed'])
  },
)

test.skipIf(cannotMount)(
  `a list of commands that does not fit whole is not there in part, nor are the others of its turn${skipped}`,
  async () => {
    disk = mountDisk(8)
    open()
    await store.transact(entry(1))
    disk.fill()
    const many = Array.from({ length: 200 }, (_, index) => entry(index + 10)[0])
    const turn = await Promise.allSettled([store.transact(many), store.transact(entry(3)), store.transact(many)])
    expect(turn.map((one) => one.status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(await actions()).toEqual(['entry 1'])
    disk.free()
    await store.writable()
    await store.transact(entry(4))
    expect((await actions()).filter((one) => one.startsWith('entry'))).toEqual(['entry 1', 'entry 4'])
    expect(await verifyAudit(store.read)).toMatchObject({ ok: true })
  },
)

test.skipIf(cannotMount)(
  `a life that ends while the disk is full leaves exactly what it had acknowledged${skipped}`,
  async () => {
    disk = mountDisk(8)
    open()
    await store.transact(entry(0))
    disk.fill()
    const acknowledged = await writeUntilFull()
    await store.close()
    disk.free()
    open()
    expect(await actions()).toHaveLength(1 + acknowledged)
    await store.transact(entry(1_000_000))
  },
)
