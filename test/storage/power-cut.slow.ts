/**
 * The power goes while commits, flushes and checkpoints are under way. Everything that anybody was told before is there
 * afterwards, whole and in order. That the cut takes what was not flushed is shown too: with a flush that is left out.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { verifyAudit } from '../../src/record/record.ts'
import { between, seeded } from '../../src/std/std.ts'
import { openSqliteStore } from '../../src/store/store.ts'
import { cannotCut, mountImage, type FileSystem, type Image } from './image.ts'
import { cannotTrace, injectFault, untraced } from './strace.ts'

const seed = Date.now() % 1_000_000
const random = seeded(seed)

let image: Image | undefined
afterEach(() => {
  image?.remove()
  image = undefined
})

/** The highest number that came with each word. */
type Told = Readonly<Record<'answered' | 'told' | 'read', number>>

/** `fault`: what strace makes of the writer's calls. `killed`: the writer dies, and the power stays on. */
interface Writing {
  readonly quickMs: number
  readonly fault?: string
  readonly killed?: boolean
}

/** Writes until the power goes, some time after the first answers. */
const writeUntilCut = async (at: Image, { quickMs, fault, killed = false }: Writing): Promise<Told> => {
  const words = ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'writing.ts')]
  const child = spawn(process.execPath, [...words, join(at.path, 'swarm.db'), String(quickMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  const told = { answered: 0, told: 0, read: 0 }
  const busy = Promise.withResolvers<void>()
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const line of lines) {
      const [word, number] = line.split(' ') as [keyof Told, string]
      if (word in told) told[word] = Math.max(told[word], Number(number))
    }
    if (told.answered > 300) busy.resolve()
  })
  await Promise.race([busy.promise, ended])
  const faulty = fault === undefined ? undefined : await injectFault(child.pid!, fault)
  // Some hundred to some thousand commits: between them the log begins anew again and again.
  await wait(between(random, 100, 900))
  if (!killed) {
    // Nothing that comes back during the cut may be told: in that moment the whole machine stands still.
    child.kill('SIGSTOP')
    while (!/\) [Tt] /.test(readFileSync(`/proc/${child.pid}/stat`, 'latin1'))) await wait(1)
    await at.cut()
  }
  child.kill('SIGKILL')
  await ended
  await faulty?.over
  return told
}

/** What a new life finds; checked to be whole and in order. Gives the number of the last list. */
const lastThere = async (at: Image): Promise<number> => {
  at.restart()
  const path = join(at.path, 'swarm.db')
  const store = openSqliteStore(path)
  expect(await verifyAudit(store.read)).toMatchObject({ ok: true })
  await store.close()
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    expect(database.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
    const all = (sql: string): number[] =>
      database
        .prepare(sql)
        .all()
        .map((row) => Number(row['number']))
    const entries = all("SELECT entry ->> '$.action' AS number FROM audit ORDER BY seq")
    expect(entries).toEqual(entries.map((_, index) => index + 1))
    expect(all('SELECT key AS number FROM tasks ORDER BY seq')).toEqual(entries)
    return entries.length
  } finally {
    database.close()
  }
}

/** No flush, and the word that there was one; SQLite's own, around checkpoints, are fsync and stay. */
const leftOut = 'fdatasync:retval=0'

const ways = [
  ['beside the loop', 0],
  ['at once', Infinity],
  ['as the disk is', 1],
] as const

for (const kind of ['ext4', 'xfs'] satisfies FileSystem[]) {
  const cannot = await cannotCut(kind)
  for (const [way, quickMs] of ways) {
    test.skipIf(cannot)(
      `a power cut on ${kind}, flushed ${way}, takes nothing that was answered, told or read${cannot === undefined ? '' : ` [NOT TESTED HERE: ${cannot}]`}`,
      { timeout: 60_000 },
      async () => {
        image = mountImage(kind)
        const told = await writeUntilCut(image, { quickMs })
        const there = await lastThere(image)
        console.log(`${kind}, ${way}, seed ${seed}: ${JSON.stringify(told)}, there ${there}`)
        expect(told.answered).toBeGreaterThan(300)
        expect(there).toBeGreaterThanOrEqual(Math.max(told.answered, told.told, told.read))
      },
    )
  }

  test.skipIf(cannot ?? cannotTrace)(
    `a flush that is left out loses answered work on ${kind}: the cut is a cut${cannot ?? untraced}`,
    { timeout: 120_000 },
    async () => {
      let lost = 0
      // A checkpoint of SQLite's flushes too: the cut must not fall right behind one each time.
      for (let time = 0; time < 3; time += 1) {
        image = mountImage(kind)
        const told = await writeUntilCut(image, { quickMs: 0, fault: leftOut })
        lost += Math.max(0, told.answered - (await lastThere(image)))
        image.remove()
        image = undefined
      }
      console.log(`${kind}, without a flush, seed ${seed}: lost ${lost}`)
      expect(lost).toBeGreaterThan(0)
    },
  )

  test.skipIf(cannot ?? cannotTrace)(
    `what a new life reads of a killed one, which had not flushed it, is there after a power cut on ${kind}${cannot ?? untraced}`,
    { timeout: 60_000 },
    async () => {
      image = mountImage(kind)
      await writeUntilCut(image, { quickMs: 0, fault: leftOut, killed: true })
      const store = openSqliteStore(join(image.path, 'swarm.db'))
      const { seq } = await store.read.auditHead()
      await image.cut()
      await store.close()
      expect(await lastThere(image)).toBe(seq)
    },
  )
}
