/**
 * A sitter that dies by SIGKILL each time one certain agent has begun its work, among others that work all the time:
 * after some lives it is named, and starts last and later each time; when a person takes it out all others work on.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Verdict } from './judge.ts'
import { kill, processes, programOf } from './machine.ts'
import { prepare, sitter, type Place } from './swarm.ts'

const counters = 20
const counts = 4_000
const mostMs = 300_000
const quietMs = 10_000
const villain = 'biter/0001'

interface AgentSeen {
  readonly id: string
  readonly state: string
}

const asked = async <Value>(place: Place, path: string, body?: object): Promise<Value> => {
  const { url } = JSON.parse(readFileSync(join(place.data, 'run', 'api.json'), 'utf8')) as { url: string }
  const token = readFileSync(join(place.data, 'run', 'operator.token'), 'utf8').trim()
  const answer = await fetch(`${url}/api/v1/${path}`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    signal: AbortSignal.timeout(2_000),
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
  })
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
  return (await answer.json()) as Value
}

const until = async <Value>(what: string, look: () => Promise<Value | undefined>): Promise<Value> => {
  for (const end = performance.now() + mostMs; performance.now() < end;) {
    const found = await look().catch(() => undefined)
    if (found !== undefined) return found
    await wait(100)
  }
  throw new Error(`not within ${mostMs} ms: ${what}`)
}

const makePlace = async (directory: string): Promise<Place> => {
  const place = await prepare({ directory, agents: 10, rows: 1, faults: {}, counters })
  const config = JSON.parse(readFileSync(place.config, 'utf8')) as Record<string, Record<string, object>>
  config['agents']!['biter'] = {
    run: { module: join(import.meta.dirname, 'biter.ts') },
    count: 1,
    cell: { kind: 'pool', walls: false },
  }
  config['tasks']!['bite'] = { agent: 'biter' }
  writeFileSync(place.config, JSON.stringify(config))
  return place
}

/** Kills the sitter whenever there is a mark; counts. */
const avenge = (place: Place, mark: string): { readonly deaths: () => number; stop(): void } => {
  let deaths = 0
  const timer = setInterval(() => {
    if (!existsSync(mark)) return
    rmSync(mark, { force: true })
    if (kill(programOf('sitter', place.data))) deaths += 1
  }, 20)
  return { deaths: () => deaths, stop: () => clearInterval(timer) }
}

/** The sitter has named it, and nobody else. */
const isNamed = async (place: Place): Promise<true | undefined> => {
  const { items } = await asked<{ items: readonly { kind: string; subject: string }[] }>(place, 'events?limit=1000')
  const named = items.filter(({ kind }) => kind === 'boot.suspects').at(-1)
  return named?.subject === villain ? true : undefined
}

const isFound = async (place: Place): Promise<readonly AgentSeen[] | undefined> => {
  const { items } = await asked<{ items: readonly AgentSeen[] }>(place, 'agents?limit=1000')
  const others = items.filter(({ id }) => id !== villain)
  const found = items.some(({ id, state }) => id === villain && state === 'quarantined')
  return found && others.every(({ state }) => state === 'idle' || state === 'busy') ? items : undefined
}

export const villainAtWork = async (): Promise<Verdict[]> => {
  const directory = mkdtempSync(join(tmpdir(), 'sitter-villain-'))
  const place = await makePlace(directory)
  const mark = join(directory, 'mark')
  const run = sitter(place, 'up', place.config)
  const killer = avenge(place, mark)
  try {
    await until('the API', () => asked<object>(place, 'swarm'))
    for (let at = 0; at < counts; at += 100) {
      const lines = Array.from({ length: 100 }, (_, index) => ({ type: 'count', payload: { number: at + index } }))
      await Promise.all(lines.map((line) => asked(place, 'tasks', line)))
    }
    await asked(place, 'tasks', { type: 'bite', payload: { mark }, priority: 9 })
    const startedMs = performance.now()
    await until('the villain named', () => isNamed(place))
    await until('the villain taken out', () => asked<object>(place, `agents/${villain}/quarantine`, {}))
    await until('the villain in quarantine and all others at work', () => isFound(place))
    const tookMs = Math.round(performance.now() - startedMs)
    const deaths = killer.deaths()
    await wait(quietMs)
    return [
      {
        title: `named after ${deaths} deaths of the sitter, ${tookMs} ms; the others work and nobody else is held`,
        wrong: [
          ...(killer.deaths() === deaths ? [] : ['the sitter died again']),
          ...((await isFound(place)) === undefined ? ['not all others work'] : []),
        ],
      },
    ]
  } finally {
    killer.stop()
    process.kill(run.pid, 'SIGTERM')
    await Promise.race([run.ended, wait(30_000)])
    for (const one of processes()) if (one.command.includes(place.data)) kill(one)
    rmSync(directory, { recursive: true, force: true })
  }
}
