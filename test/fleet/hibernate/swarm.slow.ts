/**
 * Sleep and wake of a real swarm, started by the real command and looked at from outside: over HTTP, in /proc, and in
 * what a program wrote when it was told to end.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isThere, kill, processes, programOf, type Process } from '../../crash/machine.ts'

const root = join(import.meta.dirname, '..', '..', '..')
const directory = mkdtempSync(join(tmpdir(), 'hibernate-'))
const data = join(directory, 'data')
// Copies with names of their own: /proc shows the processes of other tests too.
const program = join(directory, 'napper.py')
copyFileSync(join(root, 'test', 'villains', 'program.py'), program)
const goodbye = join(directory, 'goodbye')
/** Ends the program in order when told to, and writes so; the wrapper's own name is what /proc shows. */
const wrapper = join(directory, 'wrapper.py')
const wrapperText = `
import os, runpy, signal, sys
def over(number, frame):
    open(${JSON.stringify(goodbye)}, 'a').write('TERM %d\\n' % os.getpid())
    sys.exit(0)
signal.signal(signal.SIGTERM, over)
sys.argv = [${JSON.stringify(program)}]
runpy.run_path(${JSON.stringify(program)}, run_name='__main__')
`
/** It is there when the swarm is started, and gone before anybody wakes. */
const ofTheMoon = join(directory, 'program-of-the-moon')
const after = '400ms'
const config = {
  name: 'nappers',
  agents: {
    napper: { run: { module: join(import.meta.dirname, 'napper.ts') }, count: 2_000, hibernate: { after } },
    program: {
      run: { command: ['python3', wrapper] },
      count: 20,
      // It writes its goodbye beside itself.
      cell: { kind: 'process', user: 'swarm' },
      hibernate: { after },
    },
    dreamer: {
      run: { module: join(root, 'test', 'villains', 'vm-witness.ts') },
      count: 1,
      cell: { kind: 'vm', orWeaker: true, memory: '8MB' },
      hibernate: { after },
    },
    // Cat is a program that gives back what it was given.
    parrot: { run: { exec: ['cat'] }, count: 20, cell: 'process', hibernate: { after: '0s' } },
    broken: {
      run: { command: [ofTheMoon] },
      count: 50,
      cell: { kind: 'process', user: 'swarm' },
      restart: { max: 1, base: '10ms', cap: '20ms' },
      hibernate: { after },
    },
  },
  tasks: {
    count: { agent: 'napper' },
    echo: { agent: 'program' },
    say: { agent: 'parrot' },
    moon: { agent: 'broken' },
    keep: { agent: 'dreamer' },
    kept: { agent: 'dreamer' },
  },
  api: { port: 0 },
}

let up: ChildProcess
let said = ''
type Answer = Record<string, unknown>
const api = async (path: string, body?: object): Promise<Answer> => {
  const { url } = JSON.parse(readFileSync(join(data, 'run', 'api.json'), 'utf8')) as { url: string }
  const token = readFileSync(join(data, 'run', 'operator.token'), 'utf8').trim()
  const answer = await fetch(`${url}/api/v1/${path}`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  return (await answer.json()) as Answer
}

/** Other processes do it: it is looked at again and again. */
const until = async <Value>(what: string, look: () => Promise<Value | undefined | false>): Promise<Value> => {
  for (const end = performance.now() + 60_000; performance.now() < end;) {
    const found = await look().catch(() => undefined)
    if (found !== undefined && found !== false) return found as Value
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`it did not come to pass: ${what}; the swarm said:\n${said.slice(-3_000)}`)
}

const submit = async (type: string, payload: unknown): Promise<string> =>
  (await api('tasks', { type, payload }))['id'] as string

interface Ended {
  readonly result: Answer
  readonly agent: string
  readonly attempts: number
}
const ended = (id: string): Promise<Ended> =>
  until(`${id} has succeeded`, async () => {
    const task = await api(`tasks/${id}`)
    const { state } = task['state'] as { state: string }
    if (state !== 'succeeded') return false
    const [agent, attempts] = [task['agent'] as string, task['attempts'] as number]
    return { result: JSON.parse(task['result'] as string) as Answer, agent, attempts }
  })

interface Fleet {
  readonly byType: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly restarts: number
  readonly cellsLost: number
  readonly coverage: { readonly reporting: number; readonly of: number; readonly asleep: number }
}
const fleet = async (): Promise<Fleet> => (await api('swarm'))['fleet'] as Fleet
const asleep = (type: string, count: number): Promise<Fleet> =>
  until(`all ${type} sleep`, async () => {
    const found = await fleet()
    return found.byType[type]?.['hibernating'] === count && found
  })
const programs = (): Process[] => processes().filter(({ command }) => command.includes(wrapper))

const begin = (): void => {
  up = spawn(
    process.execPath,
    [
      ...process.execArgv,
      '--conditions=source',
      join(root, 'src', 'main.ts'),
      'up',
      join(directory, 'config.json'),
    ].concat(['--data-dir', data]),
    {
      env: { ...process.env, XDG_CONFIG_HOME: join(directory, 'keys'), NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  for (const stream of [up.stdout!, up.stderr!])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk
    })
}

beforeAll(async () => {
  writeFileSync(wrapper, wrapperText)
  writeFileSync(ofTheMoon, '#!/bin/sh\n', { mode: 0o755 })
  writeFileSync(join(directory, 'config.json'), JSON.stringify(config))
  begin()
  await until('the swarm is up', async () => existsSync(join(data, 'run', 'api.json')) && (await fleet()))
  await rm(ofTheMoon)
}, 60_000)

afterAll(async () => {
  if (up.exitCode === null && up.signalCode === null) {
    const end = once(up, 'exit')
    up.kill('SIGTERM')
    await end
  }
  const left = programs()
  await rm(directory, { recursive: true, force: true })
  expect(left).toEqual([])
}, 60_000)

test('2,091 registered agents are no process at all until there is work', async () => {
  const { byType, coverage } = await fleet()
  expect(byType).toEqual({
    napper: { hibernating: 2_000 },
    program: { hibernating: 20 },
    parrot: { hibernating: 20 },
    broken: { hibernating: 50 },
    dreamer: { hibernating: 1 },
  })
  expect(coverage).toMatchObject({ reporting: 0, of: 0, asleep: 2_091 })
  expect(programs()).toEqual([])
  const page = await api('agents?type=napper&limit=3')
  expect((page['items'] as { id: string }[]).map(({ id }) => id)).toEqual(['napper/0001', 'napper/0002', 'napper/0003'])
})

test('A task wakes a program; after its time the program is told to end, and is gone; no loss, no restart', async () => {
  const { result, agent, attempts } = await ended(await submit('echo', { hello: 1 }))
  expect([result['payload'], attempts]).toEqual([{ hello: 1 }, 1])
  const pid = result['pid'] as number
  expect(programs().map((one) => one.pid)).toEqual([pid])
  const { restarts, cellsLost } = await asleep('program', 20)
  expect([restarts, cellsLost]).toEqual([0, 0])
  await until('its process is gone', async () => programs().length === 0)
  expect(readFileSync(goodbye, 'utf8')).toBe(`TERM ${pid}\n`)
  const view = await api(`agents/${agent}`)
  expect(view).toMatchObject({ state: 'hibernating', restarts: 0, cell: null })
  const [exists] = view['evidence'] as { fact: string; value: string; detail: string }[]
  expect(exists).toMatchObject({
    fact: 'exists',
    value: 'no',
    detail: expect.stringContaining('asleep since') as string,
  })
  expect((view['evidence'] as { fact: string }[]).map(({ fact }) => fact)).not.toContain('responds')
})

/** Hosts in which nappers live, by pid; not one that stands by. */
const hosts = async (): Promise<number[]> => {
  const { items } = (await api('cells')) as { items: (Answer & { identity: { pid: number } })[] }
  return items
    .filter((cell) => cell['agentType'] === 'napper' && cell['standsBy'] === undefined)
    .map(({ identity }) => identity.pid)
}

test('What an agent keeps outlives its sleep; its host ends with the last that is awake, and another wakes', async () => {
  const task = await submit('count', { name: 'visits', ms: 500 })
  const [pid] = await until('a host is there', async () => {
    const found = await hosts()
    return found.length > 0 && found
  })
  const host = processes().find((one) => one.pid === pid)!
  expect((await ended(task)).result['count']).toBe(1)
  await asleep('napper', 2_000)
  await until('its host is gone', async () => !isThere(host))
  const second = await ended(await submit('count', { name: 'visits' }))
  expect([second.result['count'], second.attempts]).toEqual([2, 1])
})

test(
  'A burst wakes as many as it needs into few hosts, does each task once, and all sleep again',
  { timeout: 120_000 },
  async () => {
    const tasks = await Promise.all(
      Array.from({ length: 150 }, (_, index) => submit('count', { name: `burst-${index}`, ms: 8_000 })),
    )
    const most = await until('all of them work', async () => {
      const { byType } = await fleet()
      return byType['napper']?.['busy'] === 150 && (await hosts()).length
    })
    expect(most).toBeLessThanOrEqual(3)
    const ends = await Promise.all(tasks.map(ended))
    expect(new Set(ends.map(({ result }) => result['count']))).toEqual(new Set([1]))
    expect(new Set(ends.map(({ attempts }) => attempts))).toEqual(new Set([1]))
    const { restarts, cellsLost } = await asleep('napper', 2_000)
    expect([restarts, cellsLost]).toEqual([0, 0])
  },
)

test('An exec agent sleeps too: its seat is given up at once', async () => {
  const { result } = await ended(await submit('say', { polly: true }))
  expect(result).toEqual({ polly: true })
  await asleep('parrot', 20)
})

test('A program that cannot be woken costs no attempt, three agents and no more, and people are told once', async () => {
  const id = await submit('moon', {})
  await until('it is given up', async () => (await fleet()).byType['broken']?.['quarantined'] === 3)
  const events = async (): Promise<unknown[]> =>
    (await api('events?subject=broken&newestFirst=true&limit=100'))['items'] as unknown[]
  const told = await until('people are told', async () => {
    const found = (await events()).filter((one) => (one as { kind: string }).kind === 'wake.given-up')
    return found.length > 0 && found
  })
  expect(told).toHaveLength(1)
  expect((await fleet()).byType['broken']).toEqual({ hibernating: 47, quarantined: 3 })
  expect(await api(`tasks/${id}`)).toMatchObject({ attempts: 0, state: { state: 'ready' } })
})

test(
  'One that awaits something in a machine of its own sleeps on when the sitter is killed, and is woken once by its timer',
  { timeout: 60_000 },
  async () => {
    await ended(await submit('keep', { ms: 5_000 }))
    await asleep('dreamer', 1)
    const bed = join(data, 'asleep', 'dreamer.0001.asleep')
    await until('it lies in its bed', async () => existsSync(bed))
    const sitter = programOf('sitter', data)
    kill(sitter)
    await until('another sitter is there', async () => {
      const now = programOf('sitter', data)
      return now !== undefined && now.pid !== sitter?.pid && (await fleet()) !== undefined
    })
    await until('its timer has woken it', async () => (await fleet()).byType['dreamer']?.['idle'] === 1)
    await asleep('dreamer', 1)
    // Had it begun anew, nothing would be kept; had its timer come twice, it would be another.
    expect((await ended(await submit('kept', {}))).result).toBe('kept 1')
    const anew = await api('events?subject=dreamer/0001&limit=100')
    expect((anew['items'] as { kind: string }[]).map(({ kind }) => kind)).not.toContain('agent.began-anew')
  },
)

test(
  'Killed -9 again and again between sleep and wake, every task is done and nothing is left',
  { timeout: 180_000 },
  async () => {
    const tasks: string[] = []
    for (let round = 0; round < 6; round += 1) {
      for (let number = 0; number < 5; number += 1) {
        tasks.push(await until('taken in', () => submit('echo', { round, number })))
        tasks.push(await until('taken in', () => submit('count', { name: `kill-${round}-${number}`, ms: 50 })))
      }
      // At another moment each time: while they start, while they work, while they are being laid to rest.
      await new Promise((resolve) => setTimeout(resolve, [20, 120, 300, 500, 700, 1_000][round]))
      const before = programs()
      const sitter = programOf('sitter', data)
      kill(sitter)
      await until('another sitter is there', async () => {
        const now = programOf('sitter', data)
        return now !== undefined && now.pid !== sitter?.pid && (await fleet()) !== undefined
      })
      // Nothing of the last sitter's lives on.
      await until('the last ones are gone', async () => !before.some(isThere))
    }
    for (const id of tasks) await ended(id)
    await asleep('program', 20)
    await asleep('napper', 2_000)
    await until('no program is left', async () => programs().length === 0)
    expect((await fleet()).byType['program']).toEqual({ hibernating: 20 })
  },
)
