/**
 * A swarm of programs, run by the real command: Python agents over the protocol and a shell script a task, beside a
 * type whose program is not on this machine. Looked at from outside, over HTTP and in /proc.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, cpSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { processes } from '../crash/machine.ts'

const root = join(import.meta.dirname, '..', '..')
const directory = mkdtempSync(join(tmpdir(), 'languages-'))
// Where the tests are root, programs have users of their own, who must be able to read them.
chmodSync(directory, 0o755)
// Copies with names of their own: other tests run the same programs beside this one, and /proc shows all of them.
const example = join(directory, 'agents')
cpSync(join(root, 'examples', 'any-language'), example, { recursive: true })
const villain = join(example, 'villain.py')
copyFileSync(join(root, 'test', 'villains', 'program.py'), villain)
/** It is there when the swarm is started, takes itself away, and ends. */
const ofTheMoon = join(example, 'python-of-the-moon')
writeFileSync(ofTheMoon, '#!/bin/sh\nrm "$0"\nexit 1\n', { mode: 0o755 })
const retry = { max: 3, base: '50ms', cap: '200ms' }

const config = {
  name: 'languages',
  agents: {
    notifier: { run: { command: ['python3', join(example, 'notifier.py')] }, count: 3 },
    villain: { run: { command: ['python3', villain] }, count: 1, cell: 'process', restart: { base: '50ms' } },
    report: { run: { exec: [join(example, 'report.sh')] }, count: 2 },
    crasher: { run: { exec: ['sh', '-c', 'kill -SEGV $$'] } },
    nobody: {
      run: { command: [ofTheMoon] },
      // It writes beside itself.
      cell: { kind: 'process', user: 'swarm' },
      restart: { max: 1, base: '10ms', cap: '20ms' },
    },
  },
  tasks: {
    notify: { agent: 'notifier', retry },
    echo: { agent: 'villain', retry },
    fail: { agent: 'villain', retry },
    hang: { agent: 'villain', retry },
    chatter: { agent: 'villain', retry: { ...retry, max: 1 } },
    broken: { agent: 'villain', retry: { ...retry, max: 1 } },
    child: { agent: 'villain', retry },
    report: { agent: 'report', retry },
    crash: { agent: 'crasher', retry: { ...retry, max: 8 } },
  },
  api: { port: 0 },
}

let up: ChildProcess
let said = ''
const data = (): string => join(directory, 'data')

interface Answer {
  readonly items?: readonly Record<string, unknown>[]
}
const api = async (path: string, body?: object): Promise<Record<string, unknown> & Answer> => {
  const { url } = JSON.parse(readFileSync(join(data(), 'run', 'api.json'), 'utf8')) as { url: string }
  const token = readFileSync(join(data(), 'run', 'operator.token'), 'utf8').trim()
  const answer = await fetch(`${url}/api/v1/${path}`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  return (await answer.json()) as Record<string, unknown>
}

/** Asks until it gives something; the API is the only witness of some things. */
const until = async <Value>(look: () => Promise<Value | undefined | false>): Promise<Value> => {
  for (const end = performance.now() + 20_000; performance.now() < end;) {
    const found = await look().catch(() => undefined)
    if (found !== undefined && found !== false) return found as Value
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`it did not come to pass; the swarm said:\n${said.slice(-3_000)}`)
}

interface Task {
  readonly state: string
  readonly result: unknown
  readonly error: { readonly name: string; readonly message: string; readonly stack?: string } | null
  readonly outcomes: readonly string[]
}
const task = async (id: string): Promise<Task> => {
  const { state, result, error, history } = (await api(`tasks/${id}`)) as unknown as {
    readonly state: { readonly state: string }
    readonly result: string | null
    readonly error: Task['error']
    readonly history: readonly { readonly outcome: string }[]
  }
  return {
    state: state.state,
    result: result === null ? null : (JSON.parse(result) as unknown),
    error,
    outcomes: history.map(({ outcome }) => outcome),
  }
}
const submit = async (type: string, payload: unknown): Promise<string> =>
  (await api('tasks', { type, payload }))['id'] as string
const ended = (id: string): Promise<Task> =>
  until(async () => {
    const found = await task(id)
    return ['succeeded', 'dead', 'cancelled'].includes(found.state) && found
  })
interface AgentAnswer {
  readonly state: string
  readonly reason: string | null
  readonly restarts: number
  readonly cell: { readonly id: string; readonly kind: string; readonly pid: number; readonly startTime: string } | null
  readonly housing: { readonly requested: string; readonly effective: string }
  readonly evidence: readonly {
    readonly fact: string
    readonly value: string
    readonly source: string
    readonly detail?: string
  }[]
}
const agent = async (id: string): Promise<AgentAnswer> => (await api(`agents/${id}`)) as unknown as AgentAnswer
const idle = (id: string): Promise<AgentAnswer> =>
  until(async () => {
    const found = await agent(id)
    return found.state === 'idle' && found
  })
const programs = (): number[] =>
  processes()
    .filter(({ command }) => command.includes(villain) || command.includes(join(example, 'notifier.py')))
    .map(({ pid }) => pid)

const sitter = (...words: string[]): ChildProcess =>
  spawn(
    process.execPath,
    [...process.execArgv, '--conditions=source', join(root, 'src', 'main.ts'), ...words, '--data-dir', data()],
    {
      env: { ...process.env, XDG_CONFIG_HOME: join(directory, 'keys'), NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )

beforeAll(async () => {
  const path = join(directory, 'swarm.config.json')
  writeFileSync(path, JSON.stringify(config))
  up = sitter('up', path)
  for (const stream of [up.stdout!, up.stderr!])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk
    })
  await until(async () => existsSync(join(data(), 'run', 'api.json')))
  await Promise.all(['notifier/1', 'villain/1', 'report/1'].map(idle))
}, 60_000)

afterAll(async () => {
  if (up.exitCode === null && up.signalCode === null) {
    const end = once(up, 'exit')
    sitter('down', '--within', '1s')
    await end
  }
  const left = programs()
  await rm(directory, { recursive: true, force: true })
  expect(left).toEqual([])
}, 60_000)

test('Agents in Python and shell do their tasks', async () => {
  const notified = await Promise.all(['Ada', 'Grace', 'Edsger', 'Barbara'].map((to) => submit('notify', { to })))
  expect(await Promise.all(notified.map(ended))).toMatchObject(
    ['Ada', 'Grace', 'Edsger', 'Barbara'].map((told) => ({ state: 'succeeded', result: { told } })),
  )
  expect(await ended(await submit('report', { title: 'Monday' }))).toMatchObject({
    state: 'succeeded',
    result: { agent: expect.stringMatching(/^report\/000[12]$/) as string, payload: { title: 'Monday' } },
  })
})

test('Their failures are retried, and buried, like those of any agent', async () => {
  expect(await ended(await submit('fail', { kind: 'permanent' }))).toMatchObject({
    state: 'dead',
    outcomes: ['permanent'],
  })
  expect(await ended(await submit('fail', { kind: 'transient' }))).toMatchObject({
    state: 'dead',
    outcomes: ['transient', 'transient', 'transient'],
  })
  expect(await ended(await submit('notify', { nobody: 1 }))).toMatchObject({
    state: 'dead',
    error: { name: 'KeyError' },
  })
  expect(await ended(await submit('report', { no: 'name' }))).toMatchObject({
    state: 'dead',
    error: { message: 'exit code 65', stack: expect.stringContaining('the payload has no title') as string },
    outcomes: ['permanent'],
  })
})

test('A task that kills its process twice is dead as poison', async () => {
  expect(await ended(await submit('crash', {}))).toMatchObject({
    state: 'dead',
    outcomes: ['poison', 'poison'],
  })
})

test('What is said of an agent that is a program can be checked, and its boundary is no secret', async () => {
  const notifier = await idle('notifier/2')
  // A sandbox where this machine can make one; what else it is, and why, stands beside it.
  const { requested, effective } = notifier.housing
  expect(requested).toBe('sandbox')
  expect(['sandbox', 'process']).toContain(effective)
  expect(notifier.cell).toMatchObject({ kind: effective })
  expect(notifier.evidence[0]).toMatchObject({
    fact: 'exists',
    value: 'yes',
    detail: expect.stringContaining(`${effective}: `) as string,
  })
  expect(processes().find(({ pid }) => pid === notifier.cell!.pid)).toMatchObject({ started: notifier.cell!.startTime })
  expect(await api(`cells/${notifier.cell!.id}/challenge`, {})).toMatchObject({ agents: ['notifier/0002'] })
  const report = await idle('report/2')
  expect(report.cell).toBe(null)
  expect(report.evidence.slice(0, 2)).toMatchObject([
    { fact: 'exists', value: 'no', source: 'nothing runs: started per task' },
    { fact: 'responds', value: 'unknown' },
  ])
})

test('A type whose program is not on this machine any more is quarantined with the cause; the others work', async () => {
  const nobody = await until(async () => {
    const found = await agent('nobody/1')
    return found.state === 'quarantined' && found
  })
  expect(nobody.reason).toContain('python-of-the-moon is not there or may not be run')
})

test('A program that is killed is back within five seconds and its backoff', async () => {
  const before = await idle('villain/1')
  process.kill(before.cell!.pid, 'SIGKILL')
  const startedMs = performance.now()
  const after = await until(async () => {
    const found = await agent('villain/1')
    return found.state === 'idle' && found.cell?.pid !== before.cell!.pid && found
  })
  expect(performance.now() - startedMs).toBeLessThan(5_500)
  expect(after.restarts).toBeGreaterThan(before.restarts)
  expect(await ended(await submit('echo', {}))).toMatchObject({ state: 'succeeded', result: { pid: after.cell!.pid } })
})

test('Notifications that are none cost a program nothing but are told of', async () => {
  const before = await idle('villain/1')
  expect(await ended(await submit('chatter', { times: 50 }))).toMatchObject({
    state: 'succeeded',
    result: { pid: before.cell!.pid },
  })
  const refused = await until(async () => {
    const { items = [] } = await api('events?limit=1000')
    return items.find(({ kind, subject }) => kind === 'frame.refused' && subject === before.cell!.id)
  })
  expect(refused['message']).toMatch(/frames of cell cel_.* refused; last: /)
})

test('A program that says it is broken loses its task and is started anew', async () => {
  const before = await idle('villain/1')
  expect(await ended(await submit('broken', {}))).toMatchObject({
    state: 'dead',
    error: { message: expect.stringContaining('broken, says its cell: Fault: as told') as string },
  })
  const after = await until(async () => {
    const found = await agent('villain/1')
    return found.state === 'idle' && found.cell?.pid !== before.cell!.pid && found
  })
  expect(after.restarts).toBe(before.restarts + 1)
})

test('An ordered restart is a new process, and no loss', async () => {
  const before = await idle('notifier/3')
  await api('agents/notifier/3/restart', {})
  const after = await until(async () => {
    const found = await agent('notifier/3')
    return found.state === 'idle' && found.cell?.pid !== before.cell!.pid && found
  })
  expect(processes().some(({ pid }) => pid === before.cell!.pid)).toBe(false)
  expect(after.cell!.pid).not.toBe(before.cell!.pid)
})

test('When the sitter is killed no program and no grandchild survives five seconds', async () => {
  const { result } = (await ended(await submit('child', {}))) as { result: { child: number } }
  const held = await submit('hang', {})
  await until(async () => (await task(held)).state === 'running')
  const before = programs()
  // Four programs; those in a sandbox have its own two processes around them.
  expect(before.length).toBeGreaterThanOrEqual(4)
  const sitter = processes().find(({ command }) => command.includes('_sitter') && command.includes(data()))!
  process.kill(sitter.pid, 'SIGKILL')
  const startedMs = performance.now()
  const isLeft = (pid: number): boolean => processes().some((one) => one.pid === pid)
  while ([...before, result.child].some(isLeft)) {
    if (performance.now() - startedMs > 5_000) throw new Error('something is still there')
    await new Promise((resolve) => setImmediate(resolve))
  }
  await idle('notifier/1')
  expect(programs().filter((pid) => before.includes(pid))).toEqual([])
})
