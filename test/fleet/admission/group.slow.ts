/**
 * A real swarm in a control group with a memory limit of its own: somebody else in the group takes most of it, and
 * nothing new starts until it is given back. Needs to write control groups of version 1 (as root here) or 2.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..', '..')
const limitBytes = 2_000_000_000

/** The group and the file of its limit, or why there is none. */
const makeGroup = (): { readonly directory: string } | { readonly why: string } => {
  const places = [
    { parent: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes' },
    { parent: '/sys/fs/cgroup', limit: 'memory.max' },
  ]
  for (const { parent, limit } of places) {
    const directory = join(parent, `sitter-test-${process.pid}`)
    try {
      mkdirSync(directory)
      if (!existsSync(join(directory, limit))) rmdirSync(directory)
      else {
        writeFileSync(join(directory, limit), String(limitBytes))
        return { directory }
      }
    } catch {
      // Not ours to make here: the next place.
    }
  }
  return { why: 'no control group with a memory limit can be made' }
}
const group = makeGroup()
const skipped = 'why' in group ? ` (not run: ${group.why})` : ''

const directory = mkdtempSync(join(tmpdir(), 'short-'))
const data = join(directory, 'data')
const config = {
  name: 'short',
  agents: { parrot: { run: { exec: ['cat'] }, count: 5, cell: 'process', hibernate: { after: '0s' } } },
  tasks: { say: { agent: 'parrot' } },
  // Well before the kernel has to end anybody.
  machine: { pressure: { memoryFree: '50%', memoryStalled: null } },
  api: { port: 0 },
}

/** Starts a program inside the group. */
const within = (command: string, words: readonly string[]): ChildProcess =>
  spawn(
    '/bin/sh',
    ['-c', 'echo 0 > "$0/cgroup.procs" && exec "$@"', 'why' in group ? '' : group.directory, command, ...words],
    { env: { ...process.env, XDG_CONFIG_HOME: join(directory, 'keys') }, stdio: ['pipe', 'pipe', 'ignore'] },
  )

const begun: ChildProcess[] = []
afterEach(async () => {
  for (const one of begun.toReversed()) {
    if (one.exitCode !== null || one.signalCode !== null) continue
    one.kill('SIGTERM')
    await once(one, 'exit')
  }
  await rm(directory, { recursive: true, force: true })
  if ('directory' in group) rmdirSync(group.directory)
})

const api = async <Answer>(path: string, body?: object): Promise<Answer> => {
  const { url } = JSON.parse(readFileSync(join(data, 'run', 'api.json'), 'utf8')) as { url: string }
  const token = readFileSync(join(data, 'run', 'operator.token'), 'utf8').trim()
  const answer = await fetch(`${url}/api/v1/${path}`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
  return (await answer.json()) as Answer
}
const until = async <Value>(what: string, look: () => Promise<Value | false>): Promise<Value> => {
  for (const end = performance.now() + 40_000; performance.now() < end;) {
    const found = await look().catch(() => false as const)
    if (found !== false) return found
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`it did not come to pass: ${what}`)
}

interface Swarm {
  readonly fleet: {
    readonly admission: {
      readonly short: { readonly why: string } | null
      readonly reading: { readonly memory: { readonly of: string; readonly totalBytes: number } | null } | null
    }
  }
}
interface Task {
  readonly state: { readonly state: string }
  readonly attempts: number
}

test.skipIf('why' in group)(
  `While its own group has too little memory left a swarm starts nothing, says so, and goes on when it has${skipped}`,
  { timeout: 120_000 },
  async () => {
    const file = join(directory, 'config.json')
    writeFileSync(file, JSON.stringify(config))
    const flags = [...process.execArgv, '--conditions=source', join(root, 'src', 'main.ts')]
    const up = within(process.execPath, [...flags, 'up', file, '--data-dir', data])
    up.stdout!.resume()
    begun.push(up)
    const seen = async (): Promise<Swarm['fleet']['admission']> => (await api<Swarm>('swarm')).fleet.admission
    const calm = await until('the swarm is up and looks', async () => {
      const found = await seen()
      return found.reading !== null && found
    })
    expect(calm.short).toBeNull()

    const hog = within('python3', [
      '-c',
      'import sys; kept = b"x" * 1_000_000_000; print("full", flush=True); sys.stdin.read()',
    ])
    begun.push(hog)
    await once(hog.stdout!, 'data')
    const { short, reading } = await until('it is short', async () => {
      const found = await seen()
      return found.short !== null && found
    })
    expect(short!.why).toMatch(/^[\d,]+ MB of our control group's memory are left, \d+(\.\d)? %; the bound is 50 %$/)
    expect(Math.abs(reading!.memory!.totalBytes - limitBytes)).toBeLessThan(4_096)
    const { id } = await api<{ id: string }>('tasks', { type: 'say', payload: { polly: 1 } })
    // Longer than a wake and three looks take.
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    expect(await api<Task>(`tasks/${id}`)).toMatchObject({ state: { state: 'ready' }, attempts: 0 })

    hog.stdin!.end()
    await once(hog, 'exit')
    await until('the task is done', async () => (await api<Task>(`tasks/${id}`)).state.state === 'succeeded')
    expect((await seen()).short).toBeNull()
    const { items } = await api<{ items: { kind: string }[] }>('events?limit=200')
    expect(items.map(({ kind }) => kind).filter((kind) => kind.startsWith('host.'))).toEqual([
      'host.short',
      'host.relieved',
    ])
  },
)
