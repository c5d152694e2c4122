/**
 * A runaway agent in a whole swarm, under a budget, with the gate killed while it spends. What reached the upstream, by
 * its own log, is what counts.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Swarm } from './swarm.ts'

const everyMs = 15_000
const perWindow = 40
const seen: { readonly url: string; readonly atMs: number }[] = []
let server: Server
let swarm: Swarm

interface Setting {
  readonly target: string
  readonly source: string
  readonly mode: string
  readonly reason: string
}

beforeAll(async () => {
  server = createServer((request, response) => {
    seen.push({ url: request.url ?? '', atMs: Date.now() })
    request.resume().on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const agent = { run: { module: join(import.meta.dirname, 'spender-worker.ts') }, upstreams: ['api'] }
  swarm = await Swarm.start({
    name: 'spending',
    agents: { runaway: { ...agent, count: 1 }, steady: { ...agent, count: 1 } },
    tasks: { burn: { agent: 'runaway' }, steady: { agent: 'steady' } },
    // It is its budget that is looked at here.
    degrade: { repeats: false },
    upstreams: {
      api: { url: `http://${host}`, grant: [host], allow: ['POST /v1/**'], cost: { call: '0.01 XTS' }, breaker: false },
    },
    budgets: { short: { per: 'agent', types: ['runaway'], spend: '0.40 XTS', every: `${everyMs / 1_000}s` } },
    api: { port: 0 },
  })
}, 60_000)

afterAll(async () => {
  const left = await swarm.stop()
  server.close()
  expect(left).toEqual([])
}, 60_000)

const burnt = () => seen.filter(({ url }) => url === '/v1/burn')
interface Attempt {
  readonly outcome: string | null
  readonly error: { readonly name?: string } | null
}
/** What ended with its cell or its sitter. */
const losses: ReadonlySet<string | undefined> = new Set(['AgentLost', 'Interrupted'])
/**
 * The end of a task and its result. On a machine that stands still for long the watch may take a sitter or a cell for dead: what
 * it had in hand is given out anew, and is no failure. An attempt that ended otherwise is told with what happened.
 */
const endOf = async (task: string, withinMs: number): Promise<unknown> => {
  const look = async () =>
    (await swarm.api(`tasks/${task}`)) as unknown as {
      readonly state: { readonly state: string }
      readonly result: string | null
      readonly history: readonly Attempt[]
    }
  const isWell = ({ history }: Awaited<ReturnType<typeof look>>): boolean =>
    history.every(({ outcome, error }) => outcome === 'succeeded' || outcome === null || losses.has(error?.name))
  const ended = await swarm.until(
    `the end of ${task}`,
    async () => {
      const seen = await look()
      return (!isWell(seen) || seen.state.state === 'succeeded') && seen
    },
    withinMs,
  )
  if (isWell(ended)) return JSON.parse(ended.result!)
  const { items } = await swarm.api('events?limit=200')
  const events = items!.map((one) => JSON.stringify(one)).join('\n')
  throw new Error(`an attempt ended though it was well: ${JSON.stringify(ended, null, 1)}\n${events}\n${swarm.said}`)
}
const settings = async (): Promise<readonly Setting[]> =>
  (await swarm.api('modes')).items as unknown as readonly Setting[]

test('A runaway is parked by its budget and comes back with each window; nobody else notices, over a kill of the gate', async () => {
  const spendMs = 4 * everyMs
  const steady = await swarm.submit('steady', { ms: spendMs })
  const burn = await swarm.submit('burn', { ms: spendMs })
  const parked = await swarm.until('the runaway is parked', async () =>
    (await settings()).find(({ source }) => source === 'budget'),
  )
  expect(parked).toMatchObject({ target: 'agent:runaway/0001', mode: 'parked' })
  expect(parked.reason).toContain('0.40 XTS of 0.40 XTS spent, budget short')
  const incidents = await swarm.until('an incident', async () => {
    const { items } = await swarm.api('incidents')
    return items!.some(({ key }) => key === 'budgets/short') && items
  })
  expect(incidents.find(({ key }) => key === 'budgets/short')).toMatchObject({ severity: 'warning' })
  await swarm.until('it comes back', async () => (await settings()).length === 0)
  const before = burnt().length
  const isSpending = async (): Promise<boolean> => burnt().length > before + 3
  await swarm.until('it spends again', isSpending, 2 * everyMs)
  process.kill(swarm.process('gate').pid, 'SIGKILL')
  const spent = (await endOf(burn, 8 * spendMs)) as Record<string, number>
  const result = (await endOf(steady, 4 * spendMs)) as { codes: Record<string, number>; longestMs: number }
  // It asked on and on, how often is the machine's matter; more than one window was used up.
  expect(spent['budget-spent']).toBeGreaterThan(10)
  const windows = new Set(burnt().map(({ atMs }) => Math.floor(atMs / everyMs)))
  expect(windows.size).toBeGreaterThanOrEqual(4)
  expect(burnt().length).toBeLessThanOrEqual(windows.size * perWindow + 1)
  // A call that is under way at an edge may be seen behind it.
  for (const window of windows)
    expect(burnt().filter(({ atMs }) => Math.floor(atMs / everyMs) === window).length).toBeLessThanOrEqual(
      perWindow + 1,
    )
  expect(
    Object.keys(result.codes)
      .toSorted()
      .filter((code) => code !== 'gone' && code !== '502'),
  ).toEqual(['ok'])
  expect(result.codes['ok']).toBeGreaterThan(50)
  const told = await swarm.run('cost', '--by', 'agent', '--json')
  const costs = JSON.parse(told.out) as { items: readonly { owner: string; cost: string; calls: number }[] }
  const runaway = costs.items.find(({ owner }) => owner === 'runaway/0001')!
  // Calls that were under way when the gate was killed are counted, whether they were seen or not.
  expect(Math.abs(runaway.calls - burnt().length)).toBeLessThanOrEqual(1)
  const ofTask = JSON.parse((await swarm.run('cost', burn, '--json')).out) as { sums: readonly { calls: number }[] }
  expect(ofTask.sums[0]!.calls).toBe(runaway.calls)
  const { evidence } = await swarm.api('agents/steady/1')
  const useful = (evidence as readonly { fact: string; detail?: string }[]).find(({ fact }) => fact === 'useful')!
  expect(useful.detail).toMatch(/; cost [0-9.]+ XTS( and of \d+ calls unknown)? since \d\d:\d\d UTC$/)
  const { items } = await swarm.api('events?subject=runaway/0001&limit=1000')
  const kinds = items!.map(({ kind }) => kind as string)
  expect(kinds).toEqual(
    expect.arrayContaining(['budget.warned', 'budget.spent', 'mode.stepped-down', 'mode.stepped-up']),
  )
}, 900_000)
