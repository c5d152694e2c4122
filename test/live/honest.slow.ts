/**
 * No figure that the API tells of the swarm and its upstreams is a decoration: under faults each one takes another
 * value. What stays as it was while the bank is ill, refuses and is slow, while payments are frozen, and while gate,
 * sitter and hosts are killed would be a claim, and no evidence. What is left out below names a thing, or says how it
 * was configured; test/fleet/honest.test.ts looks at agents and cells.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openUpstream, type TestUpstream } from '../gateway/upstream.ts'
import { Swarm } from './swarm.ts'

const beside = mkdtempSync(join(tmpdir(), 'honest-'))
const module = join(beside, 'frail.ts')
/** A release of the frail ones that works, or one whose hosts do not come up. */
const release = (works: boolean): void =>
  writeFileSync(
    module,
    works
      ? `export { default } from ${JSON.stringify(join(import.meta.dirname, 'worker.ts'))}\n`
      : `throw new Error('this release is broken')\n`,
  )

let bank: TestUpstream
let swarm: Swarm
/** How the bank is: it takes payments, is ill, refuses with and without a time, or takes its time. */
let mood: 'well' | 'ill' | 'refuses' | 'refuses-without-a-word' | 'slow' = 'well'
let left = 1_000

const answer: Parameters<TestUpstream['answer']>[0] = ({ method, url, headers }, response) => {
  const say = (status: number, body: unknown, more: Record<string, string> = {}): void => {
    setTimeout(
      () => response.writeHead(status, { 'content-type': 'application/json', ...more }).end(JSON.stringify(body)),
      mood === 'slow' ? 800 : 0,
    )
  }
  if (mood === 'ill') return say(503, { error: 'ill' })
  if (mood === 'refuses') return say(429, { error: 'too many' }, { 'retry-after': '2' })
  if (mood === 'refuses-without-a-word') return say(429, { error: 'too many' })
  left -= 1
  const told = { 'ratelimit-limit': '1000', 'ratelimit-remaining': String(left), 'ratelimit-reset': '60' }
  const key = String(headers['idempotency-key'])
  if (method === 'POST' && url === '/v1/payouts') return say(201, { id: `b-${key}`, status: 'settled', key })
  return say(200, { items: [] }, told)
}

const upstream = { limits: [{ per: 'upstream', rate: '20/s' }], parkAfter: '1s', cost: { call: '0.01 XTS' } }
const retry = { max: 2, base: '50ms', cap: '200ms' }

const config = (): object => ({
  name: 'honest',
  agents: {
    payer: {
      run: { module: join(import.meta.dirname, '..', 'modes', 'payer.ts') },
      count: 8,
      upstreams: ['bank', 'shop'],
      cell: { kind: 'pool', standby: 1, orWeaker: true },
    },
    frail: {
      run: { module },
      count: 6,
      perCell: 1,
      cell: { kind: 'pool', standby: 0, orWeaker: true },
    },
  },
  tasks: { pay: { agent: 'payer', retry }, call: { agent: 'payer', retry }, wait: { agent: 'frail', retry } },
  upstreams: {
    bank: {
      ...upstream,
      url: `http://${bank.host}`,
      grant: [bank.host],
      allow: ['GET /v1/**', 'POST /v1/**'],
      money: ['POST /v1/payouts'],
      breaker: { failures: 0.5, over: 5, probe: '1s' },
    },
    shop: { ...upstream, url: `http://${bank.host}`, grant: [bank.host], credentials: 'shop', allow: ['GET /v1/**'] },
  },
  credentials: { shop: { kind: 'bearer' } },
  channels: {
    bank: {
      kind: 'http',
      upstream: 'bank',
      pay: 'POST /v1/payouts',
      body: { reference: '{reference}' },
      resolve: { query: 'GET /v1/payouts?key={key}', absentAfter: '1s' },
    },
  },
  api: { port: 0 },
})
/** Every leaf by its path, without the numbers that name one of many. */
const leaves = (value: unknown, path: string, into: Map<string, string>): void => {
  if (typeof value === 'object' && value !== null && Object.keys(value).length > 0) {
    for (const [key, one] of Object.entries(value)) leaves(one, `${path}.${Array.isArray(value) ? '[]' : key}`, into)
    return
  }
  into.set(path, `${into.get(path) ?? ''}${JSON.stringify(value) ?? 'absent'}`)
}

/** What names a thing or says how it was configured, and what only another test can change. */
const named: readonly RegExp[] = [
  /^swarm\.(name|version|nodeVersion|owner|notBuilt\.\[\])$/,
  /^swarm\.gate\.(gateId|user\..*)$/,
  /^swarm\.fleet\.(agents|standbys\.wanted)$/,
  /^(swarm\.gate\.upstreams|upstreams)\.\[\]\.(name|url|credential|allow\.\[\]|money(\.\[\])?)$/,
  /\.limits\.\[\]\.(per|rate|usage\.of)$/,
  /^upstream\.(name|url|credential|unsigned|allow\.\[\]|money\.\[\])$/,
  // A host that runs short, and cells that are parted: test/fleet/honest.test.ts. What the machine lacks is its own.
  /^swarm\.fleet\.(apart|admission\.short|admission\.reading\.(stalled|memory)\.(cpu|io|memory|totalBytes|of))$/,
  // Only a disk that is full, or ill, refuses the gate's journal: test/storage/gate-full.test.ts.
  /^swarm\.gate\.journalRefuses$/,
  // Only a record that somebody has changed has wrong books: test/settle/books.test.ts.
  /^swarm\.ledger\.(ok|faults)$/,
]

const looks: ReadonlyMap<string, string>[] = []
const look = async (): Promise<void> => {
  const seen = new Map<string, string>()
  leaves(await swarm.api('swarm'), 'swarm', seen)
  leaves((await swarm.api('upstreams')).items, 'upstreams', seen)
  leaves(await swarm.api('upstreams/bank'), 'upstream', seen)
  looks.push(seen)
}
/** Looks until then, again and again. */
const lookFor = async (ms: number): Promise<void> => {
  for (const end = performance.now() + ms; performance.now() < end;) {
    // Without a gate, or a sitter, there is a moment in which nothing is told.
    await look().catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

let paid = 0
const pay = (): Promise<string> =>
  swarm.submit('pay', { reference: `R-${(paid += 1)}`, payee: 'ada', amount: '1.00', currency: 'XTS' })
const call = (method = 'GET'): Promise<string> => swarm.submit('call', { method })
const several = async (count: number, deed: () => Promise<unknown>): Promise<void> => {
  await Promise.all(Array.from({ length: count }, deed))
}
const told = async (...words: readonly string[]): Promise<void> => {
  expect(await swarm.run(...words), words.join(' ')).toMatchObject({ code: 0 })
}

beforeAll(async () => {
  release(true)
  bank = await openUpstream()
  bank.answer(answer)
  swarm = await Swarm.start(config())
}, 120_000)
afterAll(async () => {
  const still = await swarm.stop()
  await bank.close()
  rmSync(beside, { recursive: true, force: true })
  expect(still).toEqual([])
}, 120_000)

test('Each figure of the swarm and of its upstreams changes under faults', async () => {
  await look()
  await several(10, pay)
  await several(30, call)
  await lookFor(3_000)
  writeFileSync(join(beside, 'secrets.env'), 'shop=abcdefgh12345678\n')
  await told('vault', 'import', join(beside, 'secrets.env'), '--yes')
  for (const bad of ['ill', 'refuses', 'refuses-without-a-word', 'slow'] as const) {
    mood = bad
    await several(6, pay)
    await several(20, call)
    await lookFor(4_000)
    mood = 'well'
    await lookFor(2_000)
  }
  await told('freeze', '--reason', 'a look')
  await several(3, pay)
  await lookFor(1_000)
  await told('thaw', '--yes')
  await told('mode', 'shadow', 'payer', '--reason', 'a look')
  await lookFor(1_000)
  await told('mode', 'active', 'payer')
  await told('stop', 'payer/8', '--reason', 'a look')
  await told('quarantine', 'payer/7', '--reason', 'a look')
  await lookFor(1_000)
  // No host of the frail ones comes up: they are held, and their work waits for nobody.
  release(false)
  for (const { pid } of swarm.hosts()) process.kill(pid, 'SIGKILL')
  await swarm.submit('wait', { ms: 1 })
  await lookFor(8_000)
  release(true)
  // The gate dies with payments on their way: what became of them, and what they cost, it cannot tell.
  mood = 'slow'
  const reached = bank.seen.filter(({ method }) => method === 'POST').length
  await several(3, pay)
  await swarm.until(
    'a payment on its way',
    async () => bank.seen.filter((one) => one.method === 'POST').length > reached,
  )
  process.kill(swarm.process('gate').pid, 'SIGKILL')
  mood = 'well'
  await lookFor(4_000)
  process.kill(swarm.process('sitter').pid, 'SIGKILL')
  await lookFor(8_000)

  const paths = new Set(looks.flatMap((one) => [...one.keys()]))
  const constant = [...paths]
    .filter((path) => !named.some((one) => one.test(path)))
    .map((path) => [path, new Set(looks.map((one) => one.get(path)))] as const)
    .filter(([, values]) => values.size < 2)
    .map(([path, values]) => `${path} is always ${[...values][0]}`)
  // One text: a list is cut to its length in a report.
  expect(constant.join('\n')).toBe('')
}, 300_000)
