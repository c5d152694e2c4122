import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { lastLines, linesAfter, logLevels, openLogWriter, parsePlace, placeSince } from '../../src/record/record.ts'
import type { LogAsk, LogLine } from '../../src/record/record.ts'
import { realClock, realFolder } from '../../src/std/real/real.ts'
import type { Folder } from '../../src/std/std.ts'

const made: string[] = []
const folderHere = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'sitter-log-'))
  made.push(directory)
  return directory
}
afterEach(async () => {
  for (const directory of made.splice(0)) await rm(directory, { recursive: true })
})

const everything: LogAsk = { id: null, level: 0, sinceMs: null, grep: null }
const plenty = { lines: 1_000_000, bytes: 1_000_000_000 }
const line = (msg: string, change: Partial<LogLine> = {}): LogLine => ({
  level: 30,
  time: 1_000,
  room: 'sitter',
  msg,
  ...change,
})
const texts = (lines: readonly LogLine[]): string[] => lines.map(({ msg }) => msg)

/** Writes these lines and closes the log. */
const write = async (
  folder: Folder,
  lines: readonly LogLine[],
  bounds: Parameters<typeof openLogWriter>[0]['bounds'] = {},
): Promise<void> => {
  const writer = openLogWriter({ folder, clock: realClock(), bounds })
  for (const one of lines) writer.put(one)
  await writer.stop()
}

test('What a program prints becomes one line that pino reads, with its room, agent and cell', async () => {
  const directory = await folderHere()
  const writer = openLogWriter({ folder: realFolder(directory), clock: realClock() })
  const printed = (program: string, stream: 'stdout' | 'stderr', text: string): void =>
    writer.putPrinted({ program, stream, text, wallMs: 5 })
  printed('gate', 'stdout', '{"at":7,"level":"warn","room":"gate","message":"slow","upstream":"bank"}')
  printed('gate', 'stderr', 'Error: plain words')
  printed('gate', 'stdout', '{"level":"info","room":"sitter","message":"I am the sitter"}')
  printed('sitter', 'stdout', '{"level":30,"time":8,"room":"agent","agent":"settler/0042","cell":"cel_1","msg":"paid"}')
  printed('sitter', 'stdout', '{"level":30,"time":8,"room":"agent","msg":"a\\n{\\"room\\":\\"gate\\"}"}')
  await writer.stop()
  const text = await readFile(join(directory, 'swarm.ndjson'), 'utf8')
  expect(
    text
      .trimEnd()
      .split('\n')
      .map((one) => JSON.parse(one) as unknown),
  ).toEqual([
    { level: 40, time: 7, room: 'gate', msg: 'slow', upstream: 'bank' },
    { level: 40, time: 5, room: 'gate', msg: 'Error: plain words' },
    { level: 30, time: 5, room: 'gate', msg: 'I am the sitter' },
    { level: 30, time: 8, room: 'agent', agent: 'settler/0042', cell: 'cel_1', msg: 'paid' },
    { level: 30, time: 8, room: 'agent', msg: 'a\n{"room":"gate"}' },
  ])
  expect((await stat(join(directory, 'swarm.ndjson'))).mode & 0o777).toBe(0o600)
})

test('A line over 16 KiB loses its fields and the end of its message, and says so', async () => {
  const directory = await folderHere()
  await write(realFolder(directory), [
    line('\u0001'.repeat(16_000), { agent: 'settler/0001', much: 'x'.repeat(9_000) }),
  ])
  const text = (await readFile(join(directory, 'swarm.ndjson'), 'utf8')).trimEnd()
  expect(text.length).toBeLessThan(16_001)
  expect(JSON.parse(text)).toMatchObject({ agent: 'settler/0001', cut: true })
  expect(JSON.parse(text)).not.toHaveProperty('much')
})

test('Files are rotated, packed and kept under the total, and what is kept is read in order', async () => {
  const directory = await folderHere()
  const folder = realFolder(directory)
  const bounds = { fileBytes: 4_000, totalBytes: 6_000 }
  for (let round = 0; round < 60; round += 1)
    await write(
      folder,
      Array.from({ length: 20 }, (_, index) => line(`${round * 20 + index} ${Math.sin(round * 20 + index)}`)),
      bounds,
    )
  const files = await folder.list()
  expect(files.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(6_000 + 4_000)
  expect(files.filter(({ name }) => name.endsWith('.tmp'))).toEqual([])
  const packed = files.filter(({ name }) => name.endsWith('.zst'))
  expect(packed.length).toBeGreaterThan(1)
  expect(zstdDecompressSync(await readFile(join(directory, packed[0]!.name))).toString()).toContain('"msg"')
  const all = texts((await lastLines(folder, everything, plenty)).lines).map((msg) => Number(msg.split(' ')[0]))
  expect(all.at(-1)).toBe(1_199)
  expect(all).toEqual(Array.from({ length: all.length }, (_, index) => 1_200 - all.length + index))
  expect(all.length).toBeGreaterThan(40)
})

test('A reader that follows sees every line once, over rotations and packing', async () => {
  const folder = realFolder(await folderHere())
  const writer = openLogWriter({ folder, clock: realClock(), bounds: { fileBytes: 3_000 } })
  const seen: string[] = []
  let place = parsePlace((await lastLines(folder, everything, plenty)).place)
  const look = async (): Promise<void> => {
    const page = await linesAfter(folder, everything, place, { lines: 7, bytes: 1_000 })
    seen.push(...texts(page.lines))
    place = parsePlace(page.place)
    if (!page.complete) await look()
  }
  for (let index = 0; index < 400; index += 1) {
    writer.put(line(`line ${index}`))
    if (index % 40 === 39) {
      // The writer gathers for 50 ms of real time; looking meanwhile is part of the test.
      const wanted = seen.length + 1
      while (seen.length < wanted) await look()
    }
  }
  await writer.stop()
  await look()
  expect(seen).toEqual(Array.from({ length: 400 }, (_, index) => `line ${index}`))
  expect((await folder.list()).length).toBeGreaterThan(2)
})

/** A folder in which this happens right before the first read of a file with this name. */
const disturbed = (folder: Folder, name: string, happen: () => Promise<void>): Folder => {
  let happened = false
  return {
    ...folder,
    read: async function* (asked, from) {
      if (asked === name && !happened) {
        happened = true
        await happen()
      }
      yield* folder.read(asked, from)
    },
  }
}
const bytesOf = (...messages: string[]): Uint8Array =>
  Buffer.from(messages.map((msg) => `${JSON.stringify(line(msg))}\n`).join(''))

test('A rotation between the look at the folder and the read of a file costs no line and doubles none', async () => {
  const folder = realFolder(await folderHere())
  await folder.append('swarm.ndjson', bytesOf('one', 'two'))
  const rotating = disturbed(folder, 'swarm.ndjson', async () => {
    await folder.rename('swarm.ndjson', 'swarm-00000001.ndjson')
    await folder.append('swarm.ndjson', bytesOf('three'))
  })
  const start = { file: 1, offset: 0 }
  const page = await linesAfter(rotating, everything, start, plenty)
  expect([texts(page.lines), page.place.split(':')[0]]).toEqual([['one', 'two', 'three'], '2'])
  const packing = disturbed(folder, 'swarm-00000001.ndjson', async () => {
    await folder.compress('swarm-00000001.ndjson', 'swarm-00000001.ndjson.zst')
    await folder.remove('swarm-00000001.ndjson')
  })
  expect(texts((await linesAfter(packing, everything, start, plenty)).lines)).toEqual(['one', 'two', 'three'])
})

test('Filters compare: an id is that id, a level is it and above, grep is the text itself', async () => {
  const folder = realFolder(await folderHere())
  const evil = `${'a'.repeat(28)}!`
  await write(folder, [
    line('one', { agent: 'a/0001', level: 20, time: 1 }),
    line('two', { agent: 'a/00011', time: 2 }),
    line('three', { agent: 'aa/0001', level: 50, time: 3 }),
    line('about a/0001', { room: 'gate', time: 4 }),
    line('five', { cell: 'cel_1', time: 5 }),
    line(evil, { time: 6 }),
    line('a "quoted" word', { time: 4 }),
  ])
  const found = async (ask: Partial<LogAsk>): Promise<string[]> =>
    texts((await lastLines(folder, { ...everything, ...ask }, plenty)).lines)
  expect(await found({ id: 'a/0001' })).toEqual(['one'])
  expect(await found({ id: 'gate' })).toEqual(['about a/0001'])
  expect(await found({ id: 'cel_1' })).toEqual(['five'])
  expect(await found({ level: logLevels.error })).toEqual(['three'])
  expect(await found({ sinceMs: 5 })).toEqual(['five', evil])
  expect(await found({ grep: '(a+)+$' })).toEqual([])
  expect(await found({ grep: 'aaa!' })).toEqual([evil])
  expect(await found({ grep: 'out a/0' })).toEqual(['about a/0001'])
  expect(await found({ grep: 'a "quoted" word' })).toEqual(['a "quoted" word'])
  expect(await found({ id: '../../etc/passwd' })).toEqual([])
  const since = await placeSince(folder, 0)
  expect(texts((await linesAfter(folder, everything, since, { lines: 2, bytes: 1e9 })).lines)).toEqual(['one', 'two'])
})

test('What a cell printed before it was up is found by each of its agents', async () => {
  const folder = realFolder(await folderHere())
  const before = (agents: string): object => ({ cell: 'cel_9', source: 'stderr', fields: { agents } })
  await write(folder, [
    line('Cannot find package x', before('mailer/0001-0100, 0103 and 5 more')),
    line('forged', { ...before('mailer/0001-0100'), agent: 'other/0001' }),
    line('of another type', before('mailer2/0001-0100')),
  ])
  const found = async (id: string): Promise<readonly string[]> =>
    texts((await lastLines(folder, { ...everything, id }, plenty)).lines)
  for (const id of ['mailer/0001', 'mailer/0042', 'mailer/0103', 'cel_9']) {
    expect(await found(id)).toContain('Cannot find package x')
    expect(id.startsWith('cel') || (await found(id)).length === 1).toBe(true)
  }
  for (const id of ['mailer/0101', 'mailer/0104', 'mail/0001', 'other/0002']) expect(await found(id)).toEqual([])
})

test('A link, a pipe or a directory with the name of a log file is never read', async () => {
  const directory = await folderHere()
  await symlink('/etc/passwd', join(directory, 'swarm.ndjson'))
  execFileSync('mkfifo', [join(directory, 'swarm-00000001.ndjson')])
  await mkdir(join(directory, 'swarm-00000002.ndjson'))
  const folder = realFolder(directory)
  const raw = async (name: string): Promise<number> => {
    let bytes = 0
    for await (const chunk of folder.read(name, 0)) bytes += chunk.length
    return bytes
  }
  expect(await folder.list()).toEqual([])
  expect(await raw('swarm.ndjson')).toBe(0)
  expect(await raw('swarm-00000001.ndjson')).toBe(0)
  expect(await raw('swarm-00000002.ndjson')).toBe(0)
  for (const name of ['../x', '/etc/passwd', '.', '..', 'a/b'])
    expect(() => folder.read(name, 0), name).toThrow('no name')
})

test('Torn lines, strangers and a packed file that is broken cost themselves and nothing else', async () => {
  const directory = await folderHere()
  await writeFile(join(directory, 'swarm-00000001.ndjson.zst'), 'this is no zstd')
  await writeFile(join(directory, 'swarm-00000002.ndjson'), `{"level":30,"time":1,"room":"x","msg":"good"}\n{"level":`)
  const huge = 'x'.repeat(300_000)
  await writeFile(
    join(directory, 'swarm.ndjson'),
    `no json\n${huge}\n[1]\n{"level":30,"time":2,"room":"x","msg":"also"}\n{"level":30,"ti`,
  )
  const folder = realFolder(directory)
  const last = await lastLines(folder, everything, plenty)
  expect(last).toMatchObject({ lines: [{ msg: 'good' }, { msg: 'also' }], unread: ['swarm-00000001.ndjson.zst'] })
  const followed = await linesAfter(folder, everything, { file: 1, offset: 0 }, plenty)
  expect(followed).toMatchObject({ lines: [{ msg: 'good' }, { msg: 'also' }], unread: ['swarm-00000001.ndjson.zst'] })
})

test('A disk that takes nothing costs counted lines, and the count is told when it takes some again', async () => {
  const directory = await folderHere()
  const real = realFolder(directory)
  let full = true
  const refused = Promise.withResolvers<void>()
  const folder: Folder = {
    ...real,
    append: (name, bytes) => {
      if (!full) return real.append(name, bytes)
      refused.resolve()
      return Promise.reject(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }))
    },
  }
  const writer = openLogWriter({ folder, clock: realClock(), bounds: { waitingLines: 10 } })
  for (let index = 0; index < 15; index += 1) writer.put(line(`lost ${index}`))
  await refused.promise
  full = false
  writer.put(line('kept'))
  await writer.stop()
  expect(writer.lost).toBe(15)
  const { lines } = await lastLines(folder, everything, plenty)
  expect(lines[0]).toMatchObject({ room: 'watch', level: 40, lost: 15 })
  expect(lines[0]!.msg).toContain('ENOSPC')
  expect(texts(lines.slice(1))).toEqual(['kept'])
})

test('What a crash left half packed is removed, and what was left plain is packed', async () => {
  const directory = await folderHere()
  await writeFile(join(directory, 'swarm-00000001.ndjson'), `${JSON.stringify(line('old'))}\n`)
  await writeFile(join(directory, 'swarm-00000001.ndjson.zst.tmp'), 'half')
  await chmod(directory, 0o700)
  await write(realFolder(directory), [line('new')])
  expect((await readdir(directory)).toSorted()).toEqual(['swarm-00000001.ndjson.zst', 'swarm.ndjson'])
  expect(texts((await lastLines(realFolder(directory), everything, plenty)).lines)).toEqual(['old', 'new'])
})

test('A look stops at its bytes as they were read, packed or not, and says so; what it tells has no gap', async () => {
  const directory = await folderHere()
  // 8 MiB of lines in each, packed to next to nothing.
  for (const number of [1, 2, 3]) {
    const text = Array.from({ length: 8_192 }, (_, index) =>
      JSON.stringify(line(`${number}-${index} ${'x'.repeat(960)}`)),
    ).join('\n')
    await writeFile(join(directory, `swarm-0000000${number}.ndjson.zst`), zstdCompressSync(`${text}\n`))
  }
  const real = realFolder(directory)
  expect((await real.list()).every(({ bytes }) => bytes < 1_000_000)).toBe(true)
  let read = 0
  const folder: Folder = {
    ...real,
    read: async function* (name, from) {
      for await (const chunk of real.read(name, from)) {
        read += chunk.length
        yield chunk
      }
    },
  }
  const mebibyte = 1_048_576
  const seldom = { ...everything, grep: '-8191 ' }
  const page = await lastLines(folder, seldom, { lines: 10, bytes: 12 * mebibyte })
  expect(read).toBeLessThan(13 * mebibyte)
  expect(page.complete).toBe(false)
  // The third file was read whole; what was found of the second, without its end, is not told.
  expect(texts(page.lines).map((msg) => msg.split(' ')[0])).toEqual(['3-8191'])
  expect((await lastLines(folder, seldom, { lines: 10, bytes: 30 * mebibyte })).complete).toBe(true)
})

test('A sparse file of 10 GB costs a look its bound, and who follows comes through it', async () => {
  const directory = await folderHere()
  const path = join(directory, 'swarm.ndjson')
  await writeFile(path, `${JSON.stringify(line('first'))}\n`)
  await truncate(path, 10_000_000_000)
  const real = realFolder(directory)
  let read = 0
  const folder: Folder = {
    ...real,
    read: async function* (name, from) {
      for await (const chunk of real.read(name, from)) {
        read += chunk.length
        yield chunk
      }
    },
  }
  const budget = { lines: 10, bytes: 32 * 1_048_576 }
  const page = await lastLines(folder, everything, budget)
  expect(page).toMatchObject({ lines: [], complete: false })
  expect(read).toBeLessThan(34 * 1_048_576)
  read = 0
  const next = await linesAfter(folder, everything, { file: 1, offset: 0 }, budget)
  expect(next).toMatchObject({ lines: [{ msg: 'first' }], complete: false })
  expect(read).toBeLessThan(34 * 1_048_576)
  // The next asking goes on behind what was looked at.
  expect(parsePlace(next.place).offset).toBeGreaterThan(31 * 1_048_576)
})
