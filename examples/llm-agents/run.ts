/**
 * Runs the example from beginning to end: starts the swarm anew, gives it notes to write and a loop to fall into, waits
 * until nothing moves any more, and reports what it cost, beside what the provider's own log says that it billed. Exit
 * 0 when both agree.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { agree, billOf, linesOf, type Told } from './bill.ts'

const here = import.meta.dirname
const { values } = parseArgs({
  options: {
    notes: { type: 'string', default: '120' },
    'data-dir': { type: 'string', default: join(here, '.sitter') },
  },
})
const data = resolve(values['data-dir'])
const notes = Number(values.notes)
const startWithinMs = 60_000
const endWithinMs = 300_000

const say = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

/** One command of the CLI, to its end; its JSON. */
const sitter = (words: readonly string[], quiet = true) =>
  spawn(
    process.execPath,
    [...process.execArgv, join(here, '..', '..', 'src', 'main.ts'), ...words, '--data-dir', data],
    { stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'] },
  )
const told = async <Value>(...words: readonly string[]): Promise<Value> => {
  const child = sitter([...words, '--json'])
  let text = ''
  child.stdout!.setEncoding('utf8').on('data', (part: string) => (text += part))
  await once(child, 'close')
  return JSON.parse(text) as Value
}

const api = async <Value>(path: string, body?: object): Promise<Value> => {
  const { url } = JSON.parse(readFileSync(join(data, 'run', 'api.json'), 'utf8')) as { url: string }
  const token = readFileSync(join(data, 'run', 'operator.token'), 'utf8').trim()
  const answer = await fetch(`${url}/api/v1/${path}`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  return (await answer.json()) as Value
}

const until = async (what: string, withinMs: number, look: () => Promise<boolean>): Promise<void> => {
  for (const end = performance.now() + withinMs; performance.now() < end; await wait(250)) {
    try {
      if (await look()) return
    } catch {
      // Not there yet.
    }
  }
  throw new Error(`${what}: not within ${withinMs / 1_000} s`)
}

interface Tasks {
  readonly work: { readonly byType: Readonly<Record<string, Readonly<Record<string, number>>>> }
}
interface Cost extends Told {
  readonly currency: string
  readonly counted: string
  readonly calls: number
}
interface Costs {
  readonly totals: readonly Cost[]
  readonly items: readonly (Cost & { readonly owner: string })[]
  readonly budgets: readonly {
    readonly budget: string
    readonly owner: string
    readonly spent: string
    readonly most: string
  }[]
}
const topics = ['queues', 'clocks', 'ledgers', 'fences', 'budgets', 'breakers', 'retries', 'leases']

const work = async (): Promise<void> => {
  await api('tasks', { type: 'loop', payload: {} })
  for (let at = 0; at < notes; at += 1) {
    const payload = { topic: `${topics[at % topics.length]} (${at})`, careful: at % 4 === 0 }
    await api('tasks', { type: 'note', payload, key: `note-${at}` })
  }
  await until('every note is written, and the loop has spent what it may', endWithinMs, async () => {
    const { byType } = (await api<Tasks>('swarm')).work
    const { succeeded = 0, dead = 0 } = byType['note'] ?? {}
    return succeeded + dead === notes && (byType['loop']?.['waiting'] ?? 0) === 1
  })
}

/** What both sides say; whether they agree. */
const report = async (): Promise<boolean> => {
  const { byType } = (await api<Tasks>('swarm')).work
  const costs = await told<Costs>('cost', '--by', 'agent', '--since', 'all')
  const lines = linesOf(readFileSync(join(data, 'rehearsal', 'llm', 'log.ndjson'), 'utf8'))
  const kinds = Object.entries(Object.groupBy(lines, ({ kind }) => kind)).map(([kind, all]) => `${kind} ${all!.length}`)
  const looper = costs.items.find(({ owner }) => owner.startsWith('looper/'))
  const [total] = costs.totals
  const { answered, cut, cuts, failed } = billOf(lines)
  const agrees = agree(lines, total)
  say('')
  say(`notes        ${byType['note']?.['succeeded'] ?? 0} written, ${byType['note']?.['dead'] ?? 0} given up`)
  say(`provider     ${kinds.join(', ')}`)
  say(`it billed    ${answered} USD for answers, and ${cut} USD for ${cuts} that were cut off`)
  say(`it failed    at ${failed}, by which nobody on this side can know what was done`)
  say(
    `sitter cost  ${total?.cost} USD for ${total?.calls} calls; unknown for ${total?.unknown}, counted as ${total?.counted} USD with them`,
  )
  say(`the looper   spent ${looper?.counted} USD in ${looper?.calls} calls, and waits for its next budget`)
  for (const { budget, owner, spent, most } of costs.budgets)
    say(`budget       ${budget}: ${owner} has spent ${spent} of ${most}`)
  say(agrees ? 'both sides agree to the last digit' : 'THE TWO SIDES DO NOT AGREE')
  return agrees
}

const up = sitter(['up', join(here, 'swarm.config.ts'), '--fresh', '--yes'], false)
const ended = once(up, 'exit')
try {
  await until('the swarm answers', startWithinMs, async () => {
    if (up.exitCode !== null) throw new Error('it has ended')
    return existsSync(join(data, 'run', 'api.json')) && (await api<Tasks>('swarm')).work !== undefined
  })
  await work()
  process.exitCode = (await report()) ? 0 : 1
} catch (error) {
  say(String(error))
  process.exitCode = 1
} finally {
  up.kill('SIGTERM')
  await ended
}
