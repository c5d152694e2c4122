/** The real forms of the ports, on this machine: files, sockets and processes of their own. */
import { readFileSync, writeFileSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { keptClock, realClock, realDisk, realNet, realProc, realRandom } from '../../../src/std/real/real.ts'
import type { Child, Kept, Link, SpawnOptions } from '../../../src/std/std.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sitter-std-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const disk = realDisk()
const net = realNet()
const proc = realProc()

const script = (code: string, more: Partial<SpawnOptions> = {}): SpawnOptions => ({
  command: process.execPath,
  args: ['-e', code],
  env: {},
  cwd: folder,
  ownGroup: false,
  dieWithParent: false,
  ...more,
})

test('A timer never fires before its time, though the one of the machine does', async () => {
  const machine = globalThis.setTimeout
  const early = (fire: () => void, delayMs: number): NodeJS.Timeout => machine(fire, delayMs / 2)
  globalThis.setTimeout = early as typeof setTimeout
  try {
    const clock = realClock()
    const from = clock.monoMs()
    await new Promise<void>((resolve) => {
      clock.timer(20, resolve)
    })
    expect(clock.monoMs() - from).toBeGreaterThanOrEqual(20)
  } finally {
    globalThis.setTimeout = machine
  }
})

test('A cancelled timer does not fire, and a delay of 100 days does not fire at once', async () => {
  const clock = realClock()
  const fired: string[] = []
  const cancel = clock.timer(1, () => fired.push('cancelled'))
  cancel()
  cancel()
  const cancelLong = clock.timer(100 * 86_400_000, () => fired.push('long'))
  await new Promise<void>((resolve) => {
    clock.timer(10, resolve)
  })
  cancelLong()
  expect(fired).toEqual([])
})

test('The stamp of this boot is shared by every clock of the machine', () => {
  const [one, other] = [realClock().stamp(), realClock().stamp()]
  expect(other.bootId).toBe(one.bootId)
  expect(other.monoMs).toBeGreaterThanOrEqual(one.monoMs)
  expect(Math.abs(one.wallMs - Date.now())).toBeLessThan(5_000)
})

test('Chance is uniform in [0, 1) and gives as many bytes as are asked for', () => {
  const random = realRandom()
  const drawn = Array.from({ length: 1_000 }, () => random.next())
  expect(drawn.every((value) => value >= 0 && value < 1)).toBe(true)
  expect(new Set(drawn).size).toBe(1_000)
  expect(random.bytes(33)).toHaveLength(33)
})

test('A file is written whole, with its mode, over one of another mode, and leaves nothing beside it', async () => {
  const path = join(folder, 'token')
  await writeFile(path, 'old')
  await chmod(path, 0o644)
  await Promise.all(['a', 'b', 'c', 'd'].map((text) => disk.writeWhole(path, text.repeat(10_000), 0o600)))
  expect(await readFile(path, 'utf8')).toMatch(/^([abcd])\1{9999}$/)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await disk.list(folder)).toEqual(['token'])
})

test('A write that fails leaves the old file and nothing beside it', async () => {
  const path = join(folder, 'folder')
  await disk.makeDirectory(join(path, 'inside'), 0o700)
  await expect(disk.writeWhole(path, 'text', 0o600)).rejects.toThrow()
  expect(await disk.list(folder)).toEqual(['folder'])
})

test('What is not there is undefined; what cannot be read is an error', async () => {
  expect(await disk.readTextIfThere(join(folder, 'none'))).toBeUndefined()
  await expect(disk.readTextIfThere(folder)).rejects.toThrow('EISDIR')
  expect(await disk.exists(join(folder, 'none'))).toBe(false)
  expect(await disk.list(join(folder, 'none'))).toEqual([])
})

test('Appending adds lines to a file that only its owner may read', async () => {
  const path = join(folder, 'audit')
  await disk.append(path, 'one\n')
  await disk.append(path, 'two\n')
  expect(await disk.readText(path)).toBe('one\ntwo\n')
  expect((await stat(path)).mode & 0o777).toBe(0o600)
})

const received = (link: Link): Promise<string> =>
  new Promise((resolve) => {
    let text = ''
    link.onData((chunk) => {
      text += Buffer.from(chunk).toString()
    })
    link.onClose(() => resolve(text))
  })

test('Two ends of a socket hear one another, and both hear the end', async () => {
  const path = join(folder, 'a.sock')
  const heard = new Promise<string>((resolve) => {
    void net
      .listen(path, (link) => {
        link.write('hello')
        resolve(received(link))
      })
      .then(async () => {
        const link = await net.connect(path)
        link.onData(() => {
          link.write('answer')
          link.close()
        })
      })
  })
  expect(await heard).toBe('answer')
  expect((await stat(path)).mode & 0o777).toBe(0o600)
})

test('A listener takes over a stale socket, and closing it cuts its links', async () => {
  const path = join(folder, 'a.sock')
  await writeFile(path, 'stale')
  const listening = await net.listen(path, () => {})
  const link = await net.connect(path)
  const closed = received(link)
  await listening.close()
  expect(await closed).toBe('')
  await expect(net.connect(path)).rejects.toThrow()
  expect(link.write('more')).toBe(false)
  await new Promise<void>((resolve) => {
    link.onClose(() => resolve())
  })
})

const line = (text: string): { readonly seen: Promise<void>; readonly onLine: NonNullable<SpawnOptions['onLine']> } => {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { seen: promise, onLine: (_stream, one) => (one === text ? resolve() : undefined) }
}

test('A process inherits nothing, speaks on its private line, and its end is told', async () => {
  const answers: string[] = []
  const child = await proc.spawn(
    script(
      `const line = require('fs').createReadStream(null, { fd: 3 }); const out = require('fs')
       line.on('data', (chunk) => { out.writeSync(3, 'heard ' + chunk); out.writeSync(3, JSON.stringify(Object.keys(process.env)) + '\\n'); process.exit(7) })`,
      { onPrivateLine: (text) => answers.push(text) },
    ),
  )
  child.tell('you')
  expect(await child.ended).toEqual({ code: 7, signal: null })
  await expect.poll(() => answers).toEqual(['heard you', '[]'])
  child.tell('too late')
})

test('A pid is killed only together with its start time', async () => {
  const ready = line('ready')
  const child = await proc.spawn(script(`console.log('ready'); setInterval(() => {}, 1000)`, { onLine: ready.onLine }))
  await ready.seen
  const { pid, startTime } = child.identity
  expect(proc.startTime(pid)).toBe(startTime)
  expect(proc.residentBytes(pid)).toBeGreaterThan(10_000_000)
  expect(proc.state(pid)).toMatch(/^[RSD]$/)
  expect(proc.openFiles(pid)!.open).toBeGreaterThan(2)
  expect(proc.openFiles(pid)!.most).toBeGreaterThan(proc.openFiles(pid)!.open)
  expect(proc.killExactly({ pid, startTime: `${Number(startTime) + 1}` }, 'SIGKILL')).toBe(false)
  expect(proc.startTime(pid)).toBe(startTime)
  expect(proc.killExactly(child.identity, 'SIGKILL')).toBe(true)
  expect(await child.ended).toEqual({ code: null, signal: 'SIGKILL' })
  expect(proc.startTime(pid)).toBeUndefined()
  expect(proc.residentBytes(pid)).toBeUndefined()
  expect(proc.openFiles(pid)).toBeUndefined()
  expect(proc.killExactly(child.identity, 'SIGKILL')).toBe(false)
})

test('Killing a group reaches the children of the child', async () => {
  let grandchild = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  const child = await proc.spawn(
    script(
      `const c = require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']); console.log(c.pid); setInterval(() => {}, 1000)`,
      {
        ownGroup: true,
        onLine: (_stream, text) => {
          grandchild = Number(text)
          resolve()
        },
      },
    ),
  )
  await promise
  expect(proc.startTime(grandchild)).toBeDefined()
  child.killGroup('SIGKILL')
  await child.ended
  await expect.poll(() => proc.startTime(grandchild)).toBeUndefined()
})

test.for([true, false])('A program that is not there is refused (bound to its parent: %s)', async (dieWithParent) => {
  const missing = proc.spawn({ ...script(''), command: join(folder, 'none'), dieWithParent })
  await expect(missing).rejects.toThrow('ENOENT')
})

test('A line of a megabyte is cut at its bound, and the next line is whole', async () => {
  const lines: string[] = []
  const child: Child = await proc.spawn(
    script(`process.stdout.write('x'.repeat(1e6) + '\\nshort\\n')`, { onLine: (_stream, text) => lines.push(text) }),
  )
  await child.ended
  await expect.poll(() => lines.map((text) => text.length)).toEqual([16_384, 5])
})

test('Two million lines of one byte keep the loop no longer than a few thousand: a line costs more than its bytes', async () => {
  let inTurn = 0
  let most = 0
  let lines = 0
  const { promise: enough, resolve } = Promise.withResolvers<void>()
  const look = (): void => {
    most = Math.max(most, inTurn)
    inTurn = 0
  }
  const child = await proc.spawn(
    script(`const text = 'x\\n'.repeat(32768); for (;;) try { require('fs').writeSync(2, text) } catch {}`, {
      readPerSecond: 1_048_576,
      onLine: () => {
        if (inTurn === 0) setImmediate(look)
        inTurn += 1
        lines += 1
        if (lines >= 60_000) resolve()
      },
    }),
  )
  await enough
  await new Promise((done) => {
    setImmediate(done)
  })
  proc.killExactly(child.identity, 'SIGKILL')
  await child.ended
  // A pipe holds 64 KiB, two of them are the whole bucket; without the cost of a line it is 32 of them in one turn.
  expect(most).toBeLessThan(200_000)
})

test('The kept clock goes on in another process where it was, and without its file where the machine is', () => {
  const path = join(folder, 'clock.json')
  const first = keptClock(path)
  expect(Math.abs(first.aheadMs())).toBeLessThan(50)
  first.keep()
  const { wallMs, ...kept } = JSON.parse(readFileSync(path, 'utf8')) as Kept
  // As if the machine's clock had gone back by two hours since.
  writeFileSync(path, JSON.stringify({ ...kept, wallMs: wallMs + 7_200_000 }))
  const next = keptClock(path)
  expect(Math.round(next.aheadMs() / 1_000)).toBe(-7_200)
  expect(next.wallMs() - next.civilMs()).toBeGreaterThan(7_199_000)
  for (const text of ['', '{}', '{"wallMs":"1"}', 'null']) {
    writeFileSync(path, text)
    expect(Math.abs(keptClock(path).aheadMs())).toBeLessThan(50)
  }
})
