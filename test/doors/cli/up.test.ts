/** `up` around a watch that is a script: the file, the progress, the report, the ways to end and their exit codes. */
import { expect, test } from 'vitest'
import { runCli } from '../../../src/doors/cli/cli.ts'
import { makeLive } from '../../../src/doors/cli/live.ts'
import { audit, batch, batchAnswer, ledger, problem, swarm } from './documents.ts'
import { fakeWatch, fakeWorld, moveUntil, settled, type FakeAsk, type FakeWorld } from './fake.ts'
import type { BatchDescription, SwarmView } from '../../../src/doors/api.ts'

const files = { '/home/swarm.config.ts': 'export default {}', '/home/payouts.csv': 'reference,payee,amount,currency\n' }
const args = ['up', '--settle', 'payouts.csv', '--exit-when-idle']

interface Script {
  view?: SwarmView
  batch?: BatchDescription
  answer?: unknown
  audit?: unknown
  ledger?: unknown
  silent?: boolean
}

/** An API that says what the script says at that moment. */
const api =
  (script: Script) =>
  (asked: string): unknown => {
    if (script.silent)
      throw new TypeError('fetch failed', { cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }) })
    switch (asked) {
      case 'POST /api/v1/batches':
        return script.answer ?? batchAnswer()
      case 'GET /api/v1/swarm':
        return script.view ?? swarm()
      case 'GET /api/v1/batches/bat_1':
        return script.batch ?? batch()
      case 'GET /api/v1/ledger/check':
        return script.ledger ?? ledger
      case 'GET /api/v1/audit/verify':
        return script.audit ?? audit
      default:
        return problem(404, 'not-found', asked)
    }
  }

const world = (script: Script, ask: FakeAsk = {}): FakeWorld => fakeWorld({ files, api: api(script), ...ask })

const upUntilEnd = async (
  script: Script,
  argv: readonly string[] = args,
): Promise<{ code: number | undefined; fake: FakeWorld; stops: number[] }> => {
  const watch = fakeWatch()
  const fake = world(script, { watch })
  return { code: await moveUntil(fake.clock, runCli(argv, fake.world)), fake, stops: watch.stops }
}

test('a run that ends well reports what was paid, its cost and its checks, stops in order, and exits 0', async () => {
  const { code, fake, stops } = await upUntilEnd({})
  expect(code).toBe(0)
  expect(stops).toEqual([30_000])
  const report = fake.out()
  for (const part of [
    'payouts.csv: 10,000 rows worth 1238.00 XTS, 10,000 of them new',
    '9,998, 1234.00 XTS (paid',
    '2, 4.00 XTS (the provider said no)',
    'unknown      0\n',
    '10,432 payment requests for 10,000 settlements',
    'p50 900 ms · p95 2.4 s · p99 4.1 s',
    '104.32 XTS for 10,432 calls, 0.01 XTS per settlement',
    'balanced: 20,000 transfers',
    'verified: 40,123 entries',
    '4,987 finished at least one of the newest 20,000 tasks',
    'no schedules yet',
    'every check holds',
  ])
    expect(report).toContain(part)
})

test('with --json the report is the one document on stdout', async () => {
  const { code, fake } = await upUntilEnd({}, [...args, '--json'])
  expect(code).toBe(0)
  expect(JSON.parse(fake.out())).toMatchObject({ answer: batchAnswer(), batch: batch(), ledger, audit, exit: 0 })
})

test('a second start that pays nothing says so', async () => {
  const { code, fake } = await upUntilEnd({
    answer: batchAnswer({ created: false, newTasks: 0, alreadyThere: 10_000 }),
    batch: batch({ settlements: { settled: { count: 10_000, amounts: { XTS: '1.00' } } } }),
  })
  expect(code).toBe(0)
  expect(fake.out()).toContain('nothing to pay: all 10,000 rows were settled before')
  const rejected = await upUntilEnd({ answer: batchAnswer({ created: false, newTasks: 0, alreadyThere: 10_000 }) })
  expect(rejected.fake.out()).toContain(
    'nothing to pay: all 10,000 rows had their end before: 9,998 settled · 2 rejected',
  )
})

test('what waits for a person makes it exit 4, and each unknown is told with its reason', async () => {
  const unknown = [{ id: 'set_7', reference: 'r-7', why: 'the connection was cut', person: true }]
  const view = swarm({ person: 1, settle: { ...swarm().settle, unknown, person: 1 } })
  const { code, fake } = await upUntilEnd({ view })
  expect(code).toBe(4)
  expect(fake.out()).toContain('r-7 (set_7): the connection was cut; waits for a person')
})

test('a check that fails, or that could not be made, makes it exit 1', async () => {
  const broken = await upUntilEnd({ audit: { ...audit, ok: false, firstBad: 42, why: 'hash' } })
  expect(broken.code).toBe(1)
  expect(broken.fake.out()).toContain('BROKEN at entry 42: hash')
  const unchecked = await upUntilEnd({ ledger: problem(500, 'bug', 'the sitter has a fault') })
  expect(unchecked.code).toBe(1)
  expect(unchecked.fake.out()).toContain('NOT CHECKED: the sitter has a fault')
})

test('a refused file stops the swarm in order and exits 2 with the rows', async () => {
  const answer = problem(422, 'file-invalid', 'payouts.csv is refused whole', {
    faults: [{ line: 3, field: 'reference', found: '', why: 'is missing' }],
  })
  const { code, fake, stops } = await upUntilEnd({ answer })
  expect(code).toBe(2)
  expect(stops).toEqual([30_000])
  expect(fake.messages()).toContain('line 3, reference: is missing')
  expect(fake.out()).toBe('')
})

test('a file that cannot be read starts nothing', async () => {
  const fake = fakeWorld({ files: { '/home/swarm.config.ts': '' }, api: api({}) })
  let started = false
  expect(
    await runCli(args, {
      ...fake.world,
      startWatch: async () => {
        started = true
        return fakeWatch().watching
      },
    }),
  ).toBe(2)
  expect(started).toBe(false)
})

const working = (done: number): Script => ({
  view: swarm({ idle: false, fleet: { ...swarm().fleet, byState: { idle: 4_000, starting: 1_000 } } }),
  batch: batch({
    tasks: { succeeded: done, ready: 10_000 - done },
    settlements: { settled: { count: done, amounts: { XTS: '1.00' } } },
  }),
})

test('in a pipe, progress is a line at most every two seconds, only when something changed', async () => {
  const script = working(1_000)
  const fake = world(script)
  const code = runCli(args, fake.world)
  await moveUntil(fake.clock, code, () => fake.clock.ms > 20_000)
  const lines = (): string[] =>
    fake
      .messages()
      .split('\n')
      .filter((line) => line.startsWith('agents'))
  expect(lines()).toHaveLength(2)
  expect(lines()[0]).toContain('the file is being read')
  expect(lines()[1]).toContain(
    'agents 4,000/5,000 ready · 1,000 settled · 0 rejected · 0 unknown · 9,000 to go of 10,000',
  )
  Object.assign(script, working(3_000))
  await moveUntil(fake.clock, code, () => fake.clock.ms > 30_000)
  expect(lines()).toHaveLength(3)
  Object.assign(script, { view: swarm(), batch: batch() })
  expect(await moveUntil(fake.clock, code)).toBe(0)
})

test('while the sitter does not answer that is said and no more, and the run goes on with its next epoch', async () => {
  const script = working(1_000)
  const fake = world(script, { terminal: true })
  const code = runCli(args, fake.world)
  await moveUntil(fake.clock, code, () => fake.messages().includes('1,000 settled'))
  script.silent = true
  await moveUntil(fake.clock, code, () => fake.messages().includes('no answer from the sitter'))
  expect(fake.messages()).toMatch(/no answer from the sitter for .*; the numbers are .* old/)
  expect(fake.messages()).not.toMatch(/sitter restart/)
  Object.assign(script, { silent: false, view: swarm({ epoch: 2 }), batch: batch() })
  expect(await moveUntil(fake.clock, code)).toBe(0)
  expect(fake.out()).toContain('sitter 1 during this run')
})

test('the live view repaints its own lines and never more than four times a second', async () => {
  const script = working(1_000)
  const fake = world(script, { terminal: true })
  const code = runCli(args, fake.world)
  await moveUntil(fake.clock, code, () => fake.messages().includes('1,000 settled'))
  const before = fake.messages().length
  const beganMs = fake.clock.ms
  await moveUntil(fake.clock, code, () => fake.clock.ms > beganMs + 10_000)
  const repaints = fake.messages().slice(before).split('\u001b[J').length - 1
  expect(repaints).toBeGreaterThan(5)
  expect(repaints).toBeLessThanOrEqual(41)
  expect(fake.messages()).toContain('http://127.0.0.1:7700/login?code=once')
  fake.signal('SIGTERM')
  expect(await moveUntil(fake.clock, code)).toBe(0)
})

test('the first Ctrl-C stops in order, the second at once; both are 130', async () => {
  const watch = fakeWatch()
  const fake = world(working(1), { watch })
  const slow = Promise.withResolvers<void>()
  const watching = {
    ...watch.watching,
    stop: async (withinMs: number) => {
      watch.stops.push(withinMs)
      if (withinMs > 0) await slow.promise
    },
  }
  const code = runCli(['up'], { ...fake.world, startWatch: async () => watching })
  await settled()
  fake.signal('SIGINT')
  await settled()
  expect(watch.stops).toEqual([30_000])
  expect(fake.messages()).toContain('Ctrl-C stops at once')
  fake.signal('SIGINT')
  expect(await moveUntil(fake.clock, code)).toBe(130)
  expect(watch.stops).toEqual([30_000, 0])
})

test('SIGTERM during a start stops it when it has started, with 0; one that never starts keeps nobody for longer', async () => {
  const watch = fakeWatch()
  const begun = Promise.withResolvers<typeof watch.watching>()
  const fake = world(working(1), { watch })
  const code = runCli(['up'], { ...fake.world, startWatch: () => begun.promise })
  await settled()
  fake.signal('SIGTERM')
  begun.resolve(watch.watching)
  expect(await moveUntil(fake.clock, code)).toBe(0)
  expect(watch.stops).toEqual([30_000])
  const other = world(working(1))
  const never = runCli(['up'], { ...other.world, startWatch: () => new Promise(() => {}) })
  await settled()
  other.signal('SIGTERM')
  expect(await moveUntil(other.clock, never)).toBe(130)
  expect(other.clock.ms).toBeLessThanOrEqual(31_000)
})

test('without --exit-when-idle it reports and serves on until it is stopped from elsewhere', async () => {
  const watch = fakeWatch()
  const fake = world({}, { watch })
  const code = runCli(['up', '--settle', 'payouts.csv'], fake.world)
  await moveUntil(fake.clock, code, () => fake.messages().includes('serving on'))
  expect(fake.out()).toContain('every check holds')
  watch.end()
  expect(await moveUntil(fake.clock, code)).toBe(0)
  expect(watch.stops).toEqual([])
})

test('a swarm that cannot be kept up exits 1 with the reason, and a flood of its lines is cut', async () => {
  const watch = fakeWatch()
  const fake = world(working(1), { watch })
  const code = runCli(args, fake.world)
  await settled()
  for (let index = 0; index < 500; index += 1) watch.say('warn', `sitter ended \u001b[2J ${index}`)
  watch.fail(new Error('sitter died 9 times in a row'))
  expect(await moveUntil(fake.clock, code)).toBe(1)
  expect(fake.messages()).toContain('sitter died 9 times in a row')
  expect(
    fake
      .messages()
      .split('\n')
      .filter((line) => line.includes('sitter ended')).length,
  ).toBeLessThanOrEqual(21)
  expect(fake.messages()).not.toContain('\u001b[2J')
})

test('--fresh asks on a terminal, and anything but the word leaves everything as it was', async () => {
  const asks: boolean[] = []
  const fresh = async (typed: string, argv: readonly string[]): Promise<number> => {
    const fake = fakeWorld({ files: { ...files, '/home/.sitter': '' }, terminal: true, typed, api: api({}) })
    const code = runCli(argv, {
      ...fake.world,
      startWatch: async (ask) => {
        asks.push(ask.fresh)
        return fakeWatch().watching
      },
    })
    return (await moveUntil(fake.clock, code))!
  }
  expect(await fresh('y', [...args, '--fresh'])).toBe(2)
  expect(asks).toEqual([])
  expect(await fresh('fresh', [...args, '--fresh'])).toBe(0)
  expect(await fresh('', [...args, '--fresh', '--yes'])).toBe(0)
  expect(asks).toEqual([true, true])
})

test('a file that meets a restarting sitter is sent again until it is taken', async () => {
  const script: Script = { silent: true }
  const fake = world(script)
  const code = runCli(args, fake.world)
  await moveUntil(fake.clock, code, () => fake.clock.ms > 10_000)
  script.silent = false
  expect(await moveUntil(fake.clock, code)).toBe(0)
  expect(fake.asked.filter((asked) => asked === 'POST /api/v1/batches').length).toBeGreaterThan(5)
})

test('however often something is shown, a terminal is painted four times a second and a log every two seconds', () => {
  for (const { terminal, dueMs } of [
    { terminal: true, dueMs: 250 },
    { terminal: false, dueMs: 2_000 },
  ]) {
    const fake = fakeWorld({ terminal })
    const live = makeLive(fake.world, false)
    const show = (text: string): void => live.show([text], { what: text, pace: '' })
    show('one')
    for (let index = 0; index < 10; index += 1) show(`many ${index}`)
    expect(fake.messages()).not.toContain('many')
    fake.clock.ms += dueMs
    show('two')
    expect(fake.messages()).toContain('two')
  }
})

test('an idle that is older than the file is not believed: the run goes on until it is idle in fresh figures', async () => {
  let looks = 0
  const script: Script = {
    get view() {
      looks += 1
      const fresh = swarm()
      if (looks <= 3) return swarm({ idle: true, figuresMs: fresh.nowMs - 60_000 })
      return looks <= 20 ? swarm({ idle: false }) : fresh
    },
  }
  const { code } = await upUntilEnd(script)
  expect(code).toBe(0)
  expect(looks).toBeGreaterThan(20)
})
