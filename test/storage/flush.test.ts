/**
 * When answers, news and reads get out, seen on flushes that are held or fail: strace holds this process's own
 * fdatasync, which is what the record flushes its log with, until it lets go. A second connection shows what is
 * committed meanwhile.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSqliteStore, type Command, type Store } from '../../src/store/store.ts'
import { cannotTrace, injectFault, untraced, type Fault } from './strace.ts'

/** Longer than any test: the flush goes on when the fault is stopped. */
const held = 'fdatasync:delay_enter=60000000'

let directory: string
let store: Store
let fault: Fault | undefined
const heard: string[] = []
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sitter-flush-'))
  heard.length = 0
})
afterEach(async () => {
  await fault?.stop()
  fault = undefined
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

const open = (quickMs = 0): string => {
  const path = join(directory, 'swarm.db')
  store = openSqliteStore(path, { quickMs })
  store.onCommit((committed) => {
    for (const { command } of committed) {
      if (command.kind === 'audit.append') heard.push(`told ${command.with.entries[0]!.action}`)
    }
  })
  return path
}

const audit = (action: string): Command => ({
  kind: 'audit.append',
  with: { wallMs: 1, entries: [{ actor: 'sitter', action, object: 'x', decision: 'done', facts: {} }] },
})

/** Asks, and notes what came back in the order in which it came. */
const ask = (action: string): Promise<void> =>
  store.transact([audit(action)]).then(
    () => void heard.push(`answered ${action}`),
    (error: { code?: string }) => void heard.push(`${error.code} ${action}`),
  )
const read = (): Promise<void> =>
  store.read.auditHead().then(
    ({ seq }) => void heard.push(`read ${seq}`),
    (error: { code?: string }) => void heard.push(`${error.code} read`),
  )

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}

const committed = (path: string): number => {
  const other = new DatabaseSync(path, { readOnly: true })
  try {
    return Number(other.prepare('SELECT count(*) AS count FROM audit').get()!['count'])
  } finally {
    other.close()
  }
}

/** A commit begins its flush in the same turn, if there is one to begin. */
const untilCommitted = async (path: string, count: number): Promise<void> => {
  while (committed(path) < count) await turns(1)
}

test.skipIf(cannotTrace)(
  `what is committed and not flushed is not answered, not told and not read, and the loop goes on${untraced}`,
  async () => {
    const path = open()
    await ask('before')
    await read()
    fault = await injectFault(process.pid, held)
    const asked = [ask('first')]
    await untilCommitted(path, 2)
    asked.push(read(), ask('second'))
    await untilCommitted(path, 3)
    // Two are being flushed: these share the next.
    asked.push(ask('third'), ask('fourth'))
    await untilCommitted(path, 5)
    asked.push(ask('fifth'))
    await untilCommitted(path, 6)
    asked.push(read())
    await turns(100)
    expect(heard).toEqual(['told before', 'answered before', 'read 1'])
    await fault.stop()
    await Promise.all(asked)
    const inOrder = ['first', 'second', 'third', 'fourth', 'fifth']
    const of = (word: string): string[] => heard.slice(3).filter((one) => one.startsWith(word))
    expect(of('told')).toEqual(inOrder.map((name) => `told ${name}`))
    expect(of('answered')).toEqual(inOrder.map((name) => `answered ${name}`))
    expect(of('read')).toEqual(['read 2', 'read 6'])
  },
)

test.skipIf(cannotTrace)(`a close waits for the flush of what is under way${untraced}`, async () => {
  const path = open()
  await ask('before')
  fault = await injectFault(process.pid, held)
  const asked = [ask('first'), ask('second')]
  await untilCommitted(path, 3)
  const closing = store.close().then(() => heard.push('closed'))
  asked.push(ask('late'))
  await turns(100)
  expect(heard).toEqual(['told before', 'answered before', 'record-closed late'])
  await fault.stop()
  await Promise.all([...asked, closing])
  expect(heard.slice(3)).toEqual(['told first', 'told second', 'answered first', 'answered second', 'closed'])
  expect(committed(path)).toBe(3)
})

test.skipIf(cannotTrace)(
  `a flush that fails makes everything unknown that was not answered, reads too, and nothing after it is taken${untraced}`,
  async () => {
    const path = open()
    const causes: unknown[] = []
    store.onLost((cause) => causes.push(cause))
    await ask('before')
    fault = await injectFault(process.pid, 'fdatasync:error=EIO:delay_enter=300000:when=1')
    const first = ask('first')
    await untilCommitted(path, 2)
    await Promise.all([first, read(), ask('second')])
    await ask('after')
    await read()
    expect(heard.slice(2)).toEqual([
      'record-unknown first',
      'record-unknown second',
      'record-unknown read',
      'record-unknown after',
      'record-unknown read',
    ])
    expect(causes).toMatchObject([{ code: 'EIO' }])
    await fault.stop()
    await store.close()
    // A new life reads what is there, and flushes it before it tells.
    open()
    expect((await store.read.auditHead()).seq).toBe(committed(path))
  },
)

test.skipIf(cannotTrace)(`a flush at once that fails is no answer either${untraced}`, async () => {
  open(Infinity)
  await ask('before')
  fault = await injectFault(process.pid, 'fdatasync:error=EIO:when=1')
  await ask('first')
  await read()
  expect(heard.slice(2)).toEqual(['record-unknown first', 'record-unknown read'])
})

test.skipIf(cannotTrace)(
  `a disk that becomes slow holds the loop once, and from then on its callers only${untraced}`,
  async () => {
    open(20)
    await ask('before')
    fault = await injectFault(process.pid, 'fdatasync:delay_enter=200000')
    const turned: number[] = []
    for (let time = 0; time < 3; time += 1) {
      let count = 0
      let over = false
      const asked = ask(String(time)).then(() => {
        over = true
      })
      while (!over) {
        await turns(1)
        count += 1
      }
      await asked
      turned.push(count)
    }
    const [once, ...later] = turned
    expect(once).toBeLessThan(10)
    expect(Math.min(...later)).toBeGreaterThan(30)
  },
)
