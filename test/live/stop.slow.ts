/**
 * The end of a swarm under load, from outside: the exit code and how long it took, the machine, the bank's own log, and
 * the record as a file.
 */
import { readFileSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { hostsOf, processes, programOf } from '../crash/machine.ts'
import { judge } from '../crash/judge.ts'
import { prepare, sitter, type Place, type Run } from '../crash/swarm.ts'
import { writeFileSync } from 'node:fs'

const rows = 600
const counts = 60
const waits = 6

const until = async (what: string, truth: () => boolean | Promise<boolean>, mostMs = 60_000): Promise<void> => {
  for (const end = performance.now() + mostMs; performance.now() < end;) {
    if (await truth()) return
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
  throw new Error(`${what} did not come to pass within ${mostMs} ms`)
}

const accepted = (place: Place): number => {
  try {
    return readFileSync(place.log, 'utf8').split('"accepted"').length - 1
  } catch {
    return 0
  }
}

const read = <Row>(place: Place, sql: string): Row[] => {
  const record = new DatabaseSync(join(place.data, 'swarm.db'), { readOnly: true })
  const all = record.prepare(sql).all() as Row[]
  record.close()
  return all
}

const api = async (place: Place, path: string, body?: object): Promise<Response> => {
  const { url } = JSON.parse(readFileSync(join(place.data, 'run', 'api.json'), 'utf8')) as { url: string }
  const token = readFileSync(join(place.data, 'run', 'operator.token'), 'utf8').trim()
  return fetch(`${url}/api/v1/${path}`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
  })
}

const isUp =
  (place: Place): (() => Promise<boolean>) =>
  async () => {
    try {
      return (await api(place, 'swarm')).ok
    } catch {
      return false
    }
  }

/** All agents of the configuration are there: two types depend on nobody, the third on the counters. */
const makePlace = async (): Promise<Place> => {
  const directory = await mkdtemp(join(tmpdir(), 'stop-'))
  const place = await prepare({ directory, agents: 40, rows, faults: {}, rate: '200/s', counters: 8 })
  const config = JSON.parse(readFileSync(place.config, 'utf8')) as Record<string, Record<string, object>>
  config['agents']!['waiter'] = {
    run: { module: join(import.meta.dirname, 'worker.ts') },
    count: waits,
    dependsOn: ['counter'],
    maxLifetime: '1h',
  }
  config['tasks']!['wait'] = { agent: 'waiter' }
  config['groups'] = { pair: { agents: ['counter/0001', 'counter/0002'], strategy: 'one_for_all' } }
  writeFileSync(place.config, JSON.stringify(config))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return place
}

const left = (place: Place): string[] =>
  processes()
    .filter(({ command }) => command.includes(place.data))
    .map(({ pid, command }) => `${pid} ${command}`)

/** Ends it whatever happened, by the processes that are its own. */
const endAtLast = (place: Place, run: Run): void => {
  onTestFinished(async () => {
    for (const { pid, command } of processes())
      if (command.includes(place.data)) {
        try {
          process.kill(pid, 'SIGKILL')
        } catch {
          /* gone by itself */
        }
      }
    await run.ended
  })
}

test('SIGTERM under load ends with 0 in its time: nothing is lost, paid twice, left behind, or charged as an attempt', async () => {
  const place = await makePlace()
  const first = sitter(place, 'up', place.config, '--settle', place.file)
  endAtLast(place, first)
  await until('the API', isUp(place))
  for (let at = 0; at < counts; at += 1)
    expect((await api(place, 'tasks', { type: 'count', payload: { key: `k${at}` }, key: `k${at}` })).status).toBe(201)
  await until('payments', () => accepted(place) > 50)

  // In the midst of the payments.
  const termMs = performance.now()
  process.kill(first.pid, 'SIGTERM')
  expect(await first.ended).toBe(0)
  expect(performance.now() - termMs).toBeLessThan(30_000)
  expect(left(place)).toEqual([])
  expect(accepted(place)).toBeLessThan(rows)
  expect(read(place, "SELECT id FROM tasks WHERE state = 'running'")).toEqual([])
  const outcomes = (): string[] =>
    read<{ outcome: string }>(place, 'SELECT DISTINCT outcome FROM attempts WHERE outcome IS NOT NULL').map(
      ({ outcome }) => outcome,
    )
  expect(outcomes().filter((one) => one !== 'succeeded' && one !== 'interrupted')).toEqual([])

  // What takes longer than the time that is given is interrupted, and costs no attempt.
  const second = sitter(place, 'up', place.config)
  endAtLast(place, second)
  await until('the API', isUp(place))
  for (let at = 0; at < waits; at += 1)
    await api(place, 'tasks', { type: 'wait', payload: { ms: 3_000 }, key: `w${at}` })
  const running = async (): Promise<boolean> =>
    ((await (await api(place, 'tasks?type=wait&state=running')).json()) as { items: object[] }).items.length === waits
  await until('all waiters at work', running)
  const hosts = hostsOf(programOf('sitter', place.data))
  expect(hosts.length).toBeGreaterThan(2)
  const downMs = performance.now()
  const down = sitter(place, 'down', '--within', '1s')
  expect(await down.ended).toBe(0)
  expect(await second.ended).toBe(0)
  expect(performance.now() - downMs).toBeLessThan(15_000)
  expect(left(place)).toEqual([])
  const waited = read<{ state: string; attempts: number; outcome: string; agent: string | null }>(
    place,
    "SELECT state, attempts, outcome FROM tasks WHERE type = 'wait'",
  )
  expect(waited.map(({ state, attempts, outcome }) => ({ state, attempts, outcome }))).toEqual(
    Array.from({ length: waits }, () => ({ state: 'ready', attempts: 0, outcome: 'interrupted' })),
  )

  // The next one ends it all.
  const third = sitter(place, 'up', place.config, '--exit-when-idle')
  endAtLast(place, third)
  expect(await third.ended).toBe(0)
  const verdicts = await judge(place, { rows, others: counts })
  expect(verdicts.filter(({ wrong }) => wrong.length > 0)).toEqual([])
  expect(read(place, 'SELECT id FROM tasks WHERE attempts > 1')).toEqual([])
  expect(read(place, "SELECT id FROM tasks WHERE state <> 'succeeded'")).toEqual([])
}, 180_000)
