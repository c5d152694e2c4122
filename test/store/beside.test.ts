/**
 * gate.db's journal while a thread writes it. What the thread does is seen by holding the write lock of the file from
 * another connection, and by reading the file.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, expect, test } from 'vitest'
import { realClock } from '../../src/std/real/real.ts'
import type { Clock } from '../../src/std/std.ts'
import { openGateBook, type CallEnd, type NewCall } from '../../src/store/store.ts'
import { cannotTrace, injectFault, untraced } from '../storage/strace.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const open = async (clock: Clock = realClock()) => {
  const directory = mkdtempSync(join(tmpdir(), 'beside-'))
  const path = join(directory, 'gate.db')
  const book = openGateBook(path, () => 'gat_1')
  const other = new DatabaseSync(path)
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => (closed ??= book.close())
  closing.push(
    () => rmSync(directory, { recursive: true, force: true }),
    () => other.close(),
    () => close(),
  )
  await book.writeBeside(clock)
  return { book, other, path, close }
}

const callOf = (more: Partial<NewCall> = {}): NewCall => ({
  grant: null,
  subject: null,
  agent: 'writer/0001',
  cell: null,
  upstream: 'llm',
  method: 'POST',
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
  ...more,
})
const answered: CallEnd = { ended: 'answered', status: 200, outcome: null, sentMs: 1, tookMs: 1, cost: null }

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
}

const rowsOf = (db: DatabaseSync) =>
  db
    .prepare('SELECT journal, ended FROM calls ORDER BY journal')
    .all()
    .map(({ journal, ended }) => [journal, ended])

/** A clock of which no timer comes due. */
const neverDue = (): Clock => ({ ...realClock(), timer: () => () => {} })

test('the loop goes on while a commit waits, and nothing of it is told or seen before it is made', async () => {
  const { book, other } = await open()
  other.exec('BEGIN IMMEDIATE')
  const told: unknown[] = []
  const first = book.begin(callOf()).then((journal) => told.push(journal))
  await turns(50)
  const later = [1, 2, 3].map(() => book.begin(callOf()).then((journal) => told.push(journal)))
  await turns(50)
  expect(told).toEqual([])
  expect(rowsOf(other)).toEqual([])
  other.exec('ROLLBACK')
  await Promise.all([first, ...later])
  expect(told).toEqual([1, 2, 3, 4])
  expect(rowsOf(other)).toHaveLength(4)
})

test('a grant is begun once, whoever asks for it again, in one commit or in another', async () => {
  const { book } = await open()
  const grant = callOf({ grant: 'grn_1', hash: 'h' })
  expect(await Promise.all([book.begin(grant), book.begin(grant)])).toEqual([1, 'spent'])
  expect(await book.refuse(grant, answered)).toBe('spent')
  expect(book.findGrant('grn_1')).toMatchObject({ journal: 1, end: null })
})

test('an end that is not urgent goes with the next write, by itself after a moment, or when somebody wants to read', async () => {
  const still = await open(neverDue())
  const [one, two] = [await still.book.begin(callOf()), await still.book.begin(callOf())]
  const ended = still.book.end(one as number, answered, false)
  await turns(50)
  expect(rowsOf(still.other)[0]).toEqual([1, null])
  await still.book.begin(callOf())
  await ended
  expect(rowsOf(still.other)[0]).toEqual([1, 'answered'])
  void still.book.end(two as number, answered, false)
  await still.book.settled()
  expect(rowsOf(still.other)[1]).toEqual([2, 'answered'])

  const moving = await open()
  await moving.book.end((await moving.book.begin(callOf())) as number, answered, false)
  expect(rowsOf(moving.other)).toEqual([[1, 'answered']])
})

test('what is asked for before it is closed is written, behind a commit that is under way too', async () => {
  const { book, other, path, close } = await open(neverDue())
  const journal = (await book.begin(callOf())) as number
  other.exec('BEGIN IMMEDIATE')
  const begun = book.begin(callOf())
  await turns(10)
  const ended = book.end(journal, answered, false)
  const meta = book.setMeta({ told: '7' })
  const closed = close()
  await expect(book.begin(callOf())).rejects.toMatchObject({ code: 'record-closed' })
  other.exec('ROLLBACK')
  await Promise.all([begun, ended, meta, closed])
  const again = new DatabaseSync(path, { readOnly: true })
  expect(rowsOf(again)).toEqual([
    [1, 'answered'],
    [2, null],
  ])
  expect(again.prepare("SELECT value FROM meta WHERE name = 'told'").get()).toEqual({ value: '7' })
  again.close()
})

test('a commit that cannot be begun is told as not written, and the next one is', async () => {
  const { book, other } = await open()
  other.exec('ALTER TABLE secrets RENAME TO hidden')
  const use = callOf({ credential: 'far', version: 1, decision: 'allowed' })
  await expect(Promise.all([book.begin(callOf()), book.begin(use)])).rejects.toMatchObject({ code: 'journal-failed' })
  expect(rowsOf(other)).toEqual([])
  other.exec('ALTER TABLE hidden RENAME TO secrets')
  await book.begin(use)
  expect(rowsOf(other)).toHaveLength(1)
})

test('state of limits that was to be written with what was undone is written with the next commit', async () => {
  const { book, other } = await open()
  const limit = { aheadMs: 0, pauseMs: 60_000, strikes: 1, wallMs: 1, monoMs: 1, bootId: 'boot' }
  const changed = [{ ...limit, name: 'ban' }]
  book.saveLimitsWith(() => changed.splice(0))
  other.exec('ALTER TABLE secrets RENAME TO hidden')
  const use = callOf({ credential: 'far', version: 1, decision: 'allowed' })
  await expect(book.begin(use)).rejects.toMatchObject({ code: 'journal-failed' })
  other.exec('ALTER TABLE hidden RENAME TO secrets')
  changed.push({ ...limit, name: 'pause' })
  await book.begin(use)
  expect(book.limits()).toMatchObject([{ name: 'ban' }, { name: 'pause' }])
})

test.skipIf(cannotTrace !== undefined)(
  `a flush that fails in the thread loses the book: who waits, and who comes later, is told that nobody knows${untraced}`,
  async () => {
    const { book } = await open()
    const lost = new Promise<Error>((resolve) => {
      book.onLost(resolve)
    })
    const fault = await injectFault(process.pid, 'fsync,fdatasync:error=EIO')
    try {
      await expect(book.begin(callOf())).rejects.toMatchObject({ code: 'record-unknown' })
      await expect(book.begin(callOf())).rejects.toMatchObject({ code: 'record-unknown' })
      await expect(book.setMeta({ any: 'thing' })).rejects.toMatchObject({ code: 'record-unknown' })
      expect(await lost).toMatchObject({ code: 'record-unknown' })
    } finally {
      await fault.stop()
    }
  },
)
