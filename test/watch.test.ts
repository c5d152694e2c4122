/** The watch with real programs: what dies or falls silent is started again, what it left is gone, and an end is an end. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { realClock, realProc } from '../src/std/real/real.ts'
import { cannotTrace, injectFault, untraced } from './storage/strace.ts'
import { lockInstance, startWatch, type Program, type ProgramChange, type Watch, type WatchLine } from '../src/watch.ts'

/** Programs of a few lines; each speaks over descriptor 3 as the real ones do, and tells its pid in `ready`. */
const opening = `const line = new (require('node:net').Socket)({ fd: 3 })
const say = (text) => line.write(text + '\\n')
line.setEncoding('utf8').on('data', (text) => { if (text.startsWith('stop ')) process.exit(0) })
line.on('end', () => process.exit(0))
`
const programs = {
  honest: `setInterval(() => say('beat'), 200); say('ready ' + JSON.stringify({ pid: process.pid }))`,
  mute: `say('ready ' + JSON.stringify({ pid: process.pid })); setInterval(() => {}, 1000)`,
  idle: `setInterval(() => say('beat'), 200); say('ready ' + JSON.stringify({ pid: process.pid }))
    line.on('data', (text) => text.startsWith('account') && console.log('it waits for a promise'))`,
  locked: `setInterval(() => say('beat'), 200)
    const reasons = setInterval(() => say('idle the record is locked'), 200)
    say('ready ' + JSON.stringify({ pid: process.pid }))
    setTimeout(() => (clearInterval(reasons), say('progress')), 4_000)`,
  slow: `setTimeout(() => say('ready ' + JSON.stringify({ pid: process.pid })), 1_400)
    setInterval(() => say('beat'), 200)`,
  broken: `console.error('Error: this program cannot work'); process.exit(3)`,
  refusing: `say('failed ' + JSON.stringify({ code: 'port-taken', message: 'port 1 is taken' })); setTimeout(() => process.exit(1), 100)`,
  parent: `const { pid } = require('node:child_process').spawn('sleep', ['60'], { stdio: 'ignore' })
    setInterval(() => say('beat'), 200); say('ready ' + JSON.stringify({ pid: process.pid, child: pid }))`,
  leaver: `setInterval(() => say('beat'), 200); say('ready {}'); setTimeout(() => say('down 1000'), 300)`,
  deaf: `process.on('SIGTERM', () => {}); line.removeAllListeners('data'); line.resume()
    setInterval(() => say('beat'), 200); say('ready ' + JSON.stringify({ pid: process.pid }))`,
} as const

const open: Watch[] = []
afterEach(async () => {
  for (const watch of open.splice(0)) await watch.stop(0)
})

interface Started {
  readonly watch: Watch
  readonly lines: WatchLine[]
  readonly changes: ProgramChange[]
  readonly printed: string[]
  readonly lockFile: string
  /** Facts of the program's next `ready` after the ones that are known now. */
  again(name: keyof typeof programs): Promise<Readonly<Record<string, unknown>>>
}

const start = async (names: readonly (keyof typeof programs)[], more: Partial<Program> = {}): Promise<Started> => {
  const directory = mkdtempSync(join(tmpdir(), 'sitter-watch-'))
  const lockFile = join(directory, 'watch.db')
  const lines: WatchLine[] = []
  const changes: ProgramChange[] = []
  const printed: string[] = []
  const watch = await startWatch({
    programs: names.map((name) => {
      const file = join(directory, `${name}.cjs`)
      writeFileSync(file, opening + programs[name])
      const env = { PATH: process.env['PATH'] ?? '' }
      return { name, command: process.execPath, args: [file], env, readyWithinMs: 5_000, silentAfterMs: 1_500, ...more }
    }),
    lockFile,
    directory,
    clock: realClock(),
    proc: realProc(),
    patienceMs: 1_000,
    onLine: (_program, _stream, text) => printed.push(text),
    onEvent: (line) => lines.push(line),
    onChange: (change) => changes.push(change),
  })
  open.push(watch)
  const again = async (name: string): Promise<Readonly<Record<string, unknown>>> => {
    const before = watch.facts(name)
    await expect.poll(() => watch.facts(name) !== before, { timeout: 15_000, interval: 20 }).toBe(true)
    return watch.facts(name)
  }
  return { watch, lines, changes, printed, lockFile, again }
}

const lives = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

test('what became of each program is told, life after life', async () => {
  const { watch, changes, again } = await start(['honest'])
  const next = again('honest')
  process.kill(watch.facts('honest')['pid'] as number, 'SIGKILL')
  await next
  expect(changes.map(({ is }) => is)).toEqual(['started', 'ready', 'ended', 'started', 'ready'])
  expect(changes[2]).toMatchObject({ program: 'honest', by: 'signal SIGKILL', deaths: 1, againInMs: 100 })
})

test('a program that dies is started again, and the others are left alone', async () => {
  const { watch, lines, again } = await start(['honest', 'parent'])
  const [before, beside] = [watch.facts('honest')['pid'] as number, watch.facts('parent')['pid']]
  const next = again('honest')
  process.kill(before, 'SIGKILL')
  expect((await next)['pid']).not.toBe(before)
  expect(watch.facts('parent')['pid']).toBe(beside)
  expect(lines.map((line) => line.message).join()).toContain('honest ended by signal SIGKILL')
})

test(`a dead program whose body is held is left behind, and another takes its place${untraced}`, async () => {
  expect(cannotTrace).toBeUndefined()
  const { watch, lines, again } = await start(['honest'])
  const before = watch.facts('honest')['pid'] as number
  const debuggerOfIt = await injectFault(before, 'fsync:error=EIO:when=1')
  try {
    debuggerOfIt.hang()
    const next = again('honest')
    process.kill(before, 'SIGKILL')
    const { pid } = await next
    expect(pid).not.toBe(before)
    expect(readFileSync(`/proc/${before}/stat`, 'utf8')).toMatch(/\) [tZ] /)
    expect(lines.map((line) => line.message).join()).toContain(`process ${before} was killed but is not gone`)
  } finally {
    await debuggerOfIt.stop()
  }
})

test(`a stop ends though the body of a program is held${untraced}`, async () => {
  expect(cannotTrace).toBeUndefined()
  const { watch } = await start(['deaf'])
  const pid = watch.facts('deaf')['pid'] as number
  const debuggerOfIt = await injectFault(pid, 'fsync:error=EIO:when=1')
  try {
    debuggerOfIt.hang()
    await watch.stop(0)
    expect(readFileSync(`/proc/${pid}/stat`, 'utf8')).toMatch(/\) [tZ] /)
  } finally {
    await debuggerOfIt.stop()
  }
})

test('how a program ended is told with its name, for the record', async () => {
  const { watch, lines, again } = await start(['honest'])
  const next = again('honest')
  process.kill(Number(watch.facts('honest')['pid']), 'SIGKILL')
  await next
  expect(lines.flatMap(({ ended }) => ended ?? [])).toMatchObject([
    { program: 'honest', by: 'signal SIGKILL', deaths: 1, againInMs: expect.any(Number) },
  ])
})

test('what a dead program leaves in its group does not outlive it', async () => {
  const { watch, again } = await start(['parent'])
  const { pid, child } = watch.facts('parent') as { pid: number; child: number }
  expect(lives(child)).toBe(true)
  const next = again('parent')
  process.kill(pid, 'SIGKILL')
  await next
  expect(lives(child)).toBe(false)
})

test('a program that gives no sign of life is killed and started again', async () => {
  const { watch, lines, again } = await start(['mute'])
  const before = watch.facts('mute')['pid']
  expect((await again('mute'))['pid']).not.toBe(before)
  expect(lines.some((line) => line.level === 'error' && line.message.includes('no sign of life'))).toBe(true)
})

test('a program that beats and makes no progress says what it waits for, is killed and started again', async () => {
  const { watch, lines, printed, again } = await start(['idle'], { idleAfterMs: 1_500 })
  const before = watch.facts('idle')['pid']
  expect((await again('idle'))['pid']).not.toBe(before)
  expect(lines.map(({ level, message }) => `${level} ${message}`)).toContain(
    'error idle lives, but made no progress for 1500 ms and does not say why: killed',
  )
  expect(printed).toContain('it waits for a promise')
})

test('a program that says why it makes no progress is told of, and not killed', async () => {
  const { watch, lines } = await start(['locked'], { idleAfterMs: 1_500 })
  const before = watch.facts('locked')['pid']
  await expect.poll(() => lines.length, { timeout: 15_000, interval: 50 }).toBeGreaterThan(1)
  expect(lines.slice(0, 2).map(({ message }) => message)).toEqual([
    'locked makes no progress: the record is locked; it lives, and is not ended for that',
    'locked makes progress again',
  ])
  expect([watch.facts('locked')['pid'], lives(before as number)]).toEqual([before, true])
})

test('a program that never becomes ready is given up with its last words', async () => {
  await expect(start(['broken'])).rejects.toMatchObject({
    message: expect.stringContaining('this program cannot work'),
  })
})

test('a machine that is too slow for the time that a start may take gets more of it', async () => {
  const { lines } = await start(['slow'], { readyWithinMs: 900 })
  expect(lines[0]!.message).toBe('slow was not ready within 900 ms: killed')
})

test('a refusal that starting again cannot mend ends at once, with its code, and everything else is stopped', async () => {
  await expect(start(['honest', 'refusing'])).rejects.toMatchObject({ code: 'port-taken' })
})

test('a program may ask for the end of all', async () => {
  const { watch } = await start(['honest', 'leaver'])
  const pid = watch.facts('honest')['pid'] as number
  await watch.stopped
  expect(lives(pid)).toBe(false)
})

test('a program that does not stop is killed when its time is over', async () => {
  const { watch } = await start(['deaf'])
  const pid = watch.facts('deaf')['pid'] as number
  await watch.stop(100)
  expect(lives(pid)).toBe(false)
}, 20_000)

test('there is one watch for a data directory, and its end frees the place', async () => {
  const { watch, lockFile } = await start(['honest'])
  expect(() => lockInstance(lockFile)).toThrow('another sitter runs')
  await watch.stop(1_000)
  lockInstance(lockFile).release()
})
