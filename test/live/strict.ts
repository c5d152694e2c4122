/** A swarm of 500 agents before a strict provider, and what both wrote down. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { freePort } from '../port.ts'
import type { How } from './strict-provider.ts'
import { Swarm } from './swarm.ts'

export interface Seen {
  /** Unix ms. */
  readonly atMs: number
  readonly how: string
}
export interface Provider {
  readonly address: string
  tell(how: How): Promise<void>
  seen(): readonly Seen[]
  close(): Promise<void>
}

export const openProvider = async (): Promise<Provider> => {
  const directory = await mkdtemp(join(tmpdir(), 'strict-'))
  const log = join(directory, 'log')
  const port = await freePort()
  const child: ChildProcess = fork(join(import.meta.dirname, 'strict-provider.ts'), [String(port), log])
  await once(child, 'message')
  return {
    address: `127.0.0.1:${port}`,
    tell: async (how) => {
      const told = once(child, 'message')
      child.send(how)
      await told
    },
    seen: () =>
      readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => {
          const [atMs = '', how = ''] = line.split(' ')
          return { atMs: Number(atMs), how }
        }),
    close: async () => {
      child.disconnect()
      if (child.exitCode === null) await once(child, 'exit')
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export const swarmBefore = ({ address }: Provider, upstream: object, agents = 500): object => ({
  name: 'strict',
  agents: {
    reader: {
      run: { module: join(import.meta.dirname, 'worker.ts') },
      count: agents,
      cell: { kind: 'pool', standby: 0 },
      upstreams: ['api'],
    },
  },
  tasks: { call: { agent: 'reader', retry: { max: 20, base: '200ms', cap: '2s' } } },
  upstreams: { api: { url: `http://${address}`, grant: [address], allow: ['GET /v1/**'], ...upstream } },
  api: { port: 0 },
})

export const startSwarm = (...asked: Parameters<typeof swarmBefore>): Promise<Swarm> =>
  Swarm.start(swarmBefore(...asked))

/** So many tasks of one call each. */
export const submitCalls = async (swarm: Swarm, count: number, priority = 5): Promise<void> => {
  const { url } = JSON.parse(readFileSync(join(swarm.data, 'run', 'api.json'), 'utf8')) as { url: string }
  const token = readFileSync(join(swarm.data, 'run', 'operator.token'), 'utf8').trim()
  const task = { type: 'call', payload: { path: `/v1/p${priority}`, times: 1 }, priority }
  const answer = await fetch(`${url}/api/v1/tasks:batch`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
    body: `${JSON.stringify(task)}\n`.repeat(count),
  })
  const text = await answer.text()
  if (!answer.ok || text.includes('"error"')) throw new Error(`${answer.status} ${text.slice(0, 500)}`)
}

export const states = async (swarm: Swarm): Promise<Readonly<Record<string, number>>> => {
  const { work } = (await swarm.api('swarm')) as unknown as {
    readonly work: { readonly byType: Readonly<Record<string, Readonly<Record<string, number>>>> }
  }
  return work.byType['call'] ?? {}
}

/** Of all attempts, by how they ended. */
export const outcomesOf = async (swarm: Swarm): Promise<Readonly<Record<string, number>>> => {
  const { url } = JSON.parse(readFileSync(join(swarm.data, 'run', 'api.json'), 'utf8')) as { url: string }
  const token = readFileSync(join(swarm.data, 'run', 'operator.token'), 'utf8').trim()
  const answer = await fetch(`${url}/api/v1/export/attempts`, { headers: { authorization: `Bearer ${token}` } })
  const counts: Record<string, number> = {}
  for (const line of (await answer.text()).split('\n')) {
    const { outcome } = (line === '' ? {} : JSON.parse(line)) as { readonly outcome?: string }
    if (outcome !== undefined) counts[outcome] = (counts[outcome] ?? 0) + 1
  }
  return counts
}

/** Departures by the gate's own journal, Unix ms of the record; only when no gate writes it. */
export const departures = (
  swarm: Swarm,
): readonly { readonly sentMs: number; readonly heardMs: number; readonly status: number | null }[] => {
  const db = new DatabaseSync(join(swarm.data, 'gate', 'gate.db'), { readOnly: true })
  try {
    return db
      .prepare(
        'SELECT sent_ms AS sentMs, sent_ms + took_ms AS heardMs, status FROM calls WHERE sent_ms IS NOT NULL ORDER BY sent_ms',
      )
      .all() as never
  } finally {
    db.close()
  }
}

/** Most of these in any closed window. */
export const mostIn = (times: readonly number[], windowMs: number): number => {
  const sorted = times.toSorted((one, other) => one - other)
  let [most, from] = [0, 0]
  for (const [index, at] of sorted.entries()) {
    while (at - sorted[from]! > windowMs) from += 1
    most = Math.max(most, index - from + 1)
  }
  return most
}
