/**
 * `npm run test:clock`: a small swarm by the real command while the machine's wall clock jumps to and fro by two hours
 * (libfaketime, its file), and while its sitter is killed: nothing that is due comes early, nothing stalls. Seen from a
 * process whose clock does not jump. Needs `libfaketime` (Debian: faketime), so it is no part of `npm test`.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { prepare } from '../crash/swarm.ts'
import { Swarm } from '../live/swarm.ts'

const library = ['x86_64-linux-gnu', 'aarch64-linux-gnu']
  .map((machine) => `/usr/lib/${machine}/faketime/libfaketime.so.1`)
  .find((path) => existsSync(path))
if (library === undefined) {
  console.error('libfaketime is not here: apt-get install faketime')
  process.exit(69)
}

const earlyMs = 1_000
/** A busy machine, a sitter that has to come back, questions to the bank that grow apart. */
const lateMs = 15_000
const absentAfterMs = 12_000
const lastMs = 60_000
const jumps = ['+7200s', '-7200s', '+0s', '+7200s', '-7199s', '+3600s', '+0s', '-3600s'] as const

const directory = await mkdtemp(join(tmpdir(), 'clock-'))
const file = join(directory, 'wall')
writeFileSync(file, '+0s\n')
Object.assign(process.env, {
  FAKETIME_TIMESTAMP_FILE: file,
  FAKETIME_CACHE_DURATION: '1',
  FAKETIME_DONT_FAKE_MONOTONIC: '1',
})

const place = await prepare({ directory: join(directory, 'place'), agents: 4, rows: 1, faults: { cutBeforeAccept: 1 } })
const written = JSON.parse(readFileSync(place.config, 'utf8')) as Record<string, Record<string, object>>
const worker = { run: { module: join(import.meta.dirname, 'worker.ts') }, count: 4, cell: 'pool', upstreams: ['bank'] }
const retry = { max: 3, base: '200ms', cap: '1s' }
const config = {
  ...written,
  agents: { worker },
  tasks: {
    now: { agent: 'worker', retry },
    flaky: { agent: 'worker', retry },
    endless: { agent: 'worker', retry, deadline: '25s' },
    settle: { agent: 'worker', retry },
  },
  channels: {
    bank: {
      ...written['channels']!['bank'],
      resolve: { query: 'GET /v1/payouts?key={key}', absentAfter: `${absentAfterMs / 1_000}s` },
    },
  },
  api: { port: 0 },
}

// Only what the swarm starts is lied to: this process sees the time as it is.
process.env['LD_PRELOAD'] = library
const swarm = await Swarm.start(config)
delete process.env['LD_PRELOAD']

const fromMs = performance.now()
const sinceMs = (): number => Math.round(performance.now() - fromMs)
const faults: string[] = []
const judge = (what: string, dueMs: number, atMs: number): void => {
  const verdict = atMs < dueMs - earlyMs ? 'EARLY' : atMs > dueMs + lateMs ? 'LATE' : 'in time'
  console.log(`${what}: due after ${dueMs} ms, came after ${atMs} ms: ${verdict}`)
  if (verdict !== 'in time') faults.push(what)
}

/** When a task has ended, by our clock. */
const ends = async (what: string, dueMs: number, id: Promise<string>): Promise<void> => {
  const task = await id
  const atMs = await swarm.until(
    what,
    async () => ['succeeded', 'dead'].includes((await swarm.task(task)).state) && sinceMs(),
    lastMs,
  )
  judge(what, dueMs, atMs)
}
const submit = async (type: string, more: object = {}): Promise<string> =>
  (await swarm.api('tasks', { type, payload: {}, ...more }))['id'] as string

/** The payment is cut off before the bank takes it; it may be sent again only when its absence is certain. */
const payments = async (): Promise<void> => {
  const log = join(swarm.data, 'rehearsal', 'bank', 'log.ndjson')
  const payouts = (): number =>
    existsSync(log)
      ? readFileSync(log, 'utf8')
          .split('\n')
          .filter((line) => line.includes('"cut')).length
      : 0
  await swarm.submit('settle', { reference: 'R1', payee: 'Payee', amount: '1.00', currency: 'XTS' })
  let before = await swarm.until('the first payout', async () => payouts() === 1 && sinceMs())
  for (let number = 2; number <= 3; number += 1) {
    const atMs = await swarm.until(`payout ${number}`, async () => payouts() === number && sinceMs(), lastMs)
    judge(`payment sent again (${number - 1})`, absentAfterMs, atMs - before)
    before = atMs
  }
}

const jumping = async (until: Promise<unknown>): Promise<void> => {
  let over = false
  void until.finally(() => (over = true)).catch(() => {})
  for (let jump = 0; !over; jump += 1) {
    await Promise.race([until.catch(() => {}), wait(2_500)])
    writeFileSync(file, `${jumps[jump % jumps.length]}\n`)
    // Under a clock that is two hours off, one way and the other.
    if (jump === 3 || jump === 6) process.kill(swarm.process('sitter').pid, 'SIGKILL')
  }
}

try {
  const waits = Promise.all([
    ...[10_000, 20_000, 30_000].map((delayMs) =>
      ends(`task delayed by ${delayMs} ms`, delayMs, submit('now', { delayMs })),
    ),
    ends('retry after 15 s', 15_000, submit('flaky')),
    ends('deadline of 25 s', 25_000, submit('endless')),
    payments(),
  ])
  await Promise.all([waits, jumping(waits)])
  const { out } = await swarm.run('events', '--json')
  const told = out.split('\n').filter((line) => line.includes('"clock.jumped"')).length
  const again = out.split('\n').filter((line) => line.includes('"clock.differs"')).length
  console.log(`jumps that were told: ${told}; sitters that began with another clock than the machine's: ${again}`)
  if (told === 0) faults.push('no jump was told')
} catch (error) {
  faults.push((error as Error).message)
} finally {
  await swarm.stop()
  await rm(directory, { recursive: true, force: true })
}
for (const fault of faults) console.error(`fault: ${fault}`)
console.log(faults.length === 0 ? 'passed' : 'failed')
process.exit(faults.length === 0 ? 0 : 1)
