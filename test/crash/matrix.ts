/**
 * Sitter, gate and watch of a detached swarm die by SIGKILL in every combination that leaves one of them alive; then all
 * three are there again, every agent answers and works, and how long it took is told. The same in the foreground: what
 * the watch restarts comes back, and without it all end in order, for whoever started it to know.
 *
 * `--long`: the combinations with 5,000 agents, each of which has to be over within 30 s: the bound for a swarm of which
 * everything was killed at once.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Verdict } from './judge.ts'
import { isThere, kill, processes, programOf, type Process } from './machine.ts'
import { prepare, sitter, type Place, type Run } from './swarm.ts'

const roles = ['sitter', 'gate', 'watch'] as const
type Role = (typeof roles)[number]

const combinations: readonly (readonly Role[])[] = [
  ['sitter'],
  ['gate'],
  ['watch'],
  ['sitter', 'gate'],
  ['sitter', 'watch'],
  ['gate', 'watch'],
]
const mostMs = 120_000
/** How many agents, and within what time they have to be back; null = they only have to. */
interface Size {
  readonly agents: number
  readonly backWithinMs: number | null
}
const few: Size = { agents: 60, backWithinMs: null }
const many: Size = { agents: 5_000, backWithinMs: 30_000 }
/** Longer than a gate's patience with its calls and a start on a busy machine: then the log tells why. */
const longMs = 30_000

interface View {
  readonly nowMs: number
  readonly epoch: number
  readonly gate: { readonly pid?: number }
  readonly fleet: {
    readonly agents: number
    readonly byState: Readonly<Record<string, number>>
    readonly coverage: { readonly reporting: number }
  }
}

const asked = async <Value>(place: Place, path: string, body?: object): Promise<Value> => {
  const { url } = JSON.parse(readFileSync(join(place.data, 'run', 'api.json'), 'utf8')) as { url: string }
  const token = readFileSync(join(place.data, 'run', 'operator.token'), 'utf8').trim()
  const answer = await fetch(`${url}/api/v1/${path}`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    signal: AbortSignal.timeout(5_000),
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
  })
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
  return (await answer.json()) as Value
}

const until = async (what: string, truth: () => Promise<boolean>): Promise<number> => {
  const startedMs = performance.now()
  let last: unknown
  while (performance.now() - startedMs < mostMs) {
    try {
      if (await truth()) return Math.round(performance.now() - startedMs)
    } catch (error) {
      last = error
    }
    await wait(50)
  }
  throw new Error(`not within ${mostMs} ms: ${what} (${String(last)})`)
}

/** The parent of the sitter, whoever it is by now. */
const watchOf = (place: Place): Process | undefined => {
  const below = programOf('sitter', place.data)
  return below && processes().find(({ pid, command }) => pid === below.parent && command.includes(place.data))
}
const find = (place: Place, role: Role): Process | undefined =>
  role === 'watch' ? watchOf(place) : programOf(role, place.data)

const allWork = async (place: Place): Promise<boolean> => {
  const { fleet, gate } = await asked<View>(place, 'swarm')
  const working = (fleet.byState['idle'] ?? 0) + (fleet.byState['busy'] ?? 0)
  return gate.pid !== undefined && working === fleet.agents && fleet.coverage.reporting === fleet.agents
}

const lastWords = (place: Place): string =>
  readFileSync(join(place.data, 'logs', 'swarm.ndjson'), 'utf8')
    .split('\n')
    .slice(-40)
    .join('\n')

let made = 0
/** A payment through sitter, agent, gate and bank. */
const pays = async (place: Place): Promise<void> => {
  made += 1
  const file = join(place.data, '..', `one-${made}.csv`)
  writeFileSync(file, `reference,payee,amount,currency\nM-${made},Ann,1.00,XTS`)
  const run = sitter(place, 'settle', file, '--wait', '60s')
  const code = await run.ended
  if (code !== 0) throw new Error(`a payment afterwards ended with ${code}: ${run.output()}`)
}

const oneByOne = async (place: Place, { agents, backWithinMs }: Size): Promise<Verdict[]> => {
  const verdicts: Verdict[] = []
  for (const victims of combinations) {
    const title = `killed ${victims.join(' and ')}`
    try {
      await until('all work before', () => allWork(place))
      const before = Object.fromEntries(roles.map((role) => [role, find(place, role)!]))
      const bySeat = victims.map((role) => before[role])
      for (const victim of bySeat) kill(victim)
      const tookMs = await until('all there again, and at work', async () => {
        const now = roles.map((role) => find(place, role))
        const others = victims.every((role, index) => {
          const found = now[roles.indexOf(role)]
          return found !== undefined && found.pid !== bySeat[index]!.pid
        })
        return others && now.every((one) => one !== undefined) && allWork(place)
      })
      if (tookMs > longMs) console.log(lastWords(place))
      await pays(place)
      const late = backWithinMs !== null && tookMs > backWithinMs
      verdicts.push({
        title: `${title}: all ${agents} agents work again after ${tookMs} ms`,
        wrong: late ? [`not within ${backWithinMs} ms`] : [],
      })
    } catch (error) {
      verdicts.push({ title, wrong: [error instanceof Error ? error.message : String(error)] })
    }
  }
  return verdicts
}

/** Nobody brings back what somebody runs himself and has killed. */
const inForeground = async (place: Place, run: Run): Promise<Verdict> => {
  const title = 'in the foreground the watch alone is killed: the others end in order and nothing is left'
  try {
    await until('all work', () => allWork(place))
    const all = roles.map((role) => find(place, role)!)
    process.kill(run.pid, 'SIGKILL')
    const tookMs = await until('nothing left', async () => !all.some(isThere))
    await wait(3_000)
    const left = processes().filter(({ command }) => command.includes(place.data))
    return { title: `${title}, after ${tookMs} ms`, wrong: left.map(({ pid, command }) => `${pid} ${command}`) }
  } catch (error) {
    return { title, wrong: [error instanceof Error ? error.message : String(error)] }
  }
}

export const matrix = async (long = false): Promise<Verdict[]> => {
  const size = long ? many : few
  const directory = mkdtempSync(join(tmpdir(), 'sitter-matrix-'))
  const place = await prepare({ directory, agents: size.agents, rows: 1, faults: {} })
  try {
    const up = sitter(place, 'up', place.config, '--detach')
    if ((await up.ended) !== 0) throw new Error(`up --detach: ${up.output()}`)
    const verdicts = await oneByOne(place, size)
    await sitter(place, 'down', '--within', '5s').ended
    await until('all gone', async () => !processes().some(({ command }) => command.includes(place.data)))
    verdicts.push(await inForeground(place, sitter(place, 'up', place.config)))
    return verdicts
  } finally {
    for (const one of processes()) if (one.command.includes(place.data)) kill(one)
    rmSync(directory, { recursive: true, force: true })
  }
}
