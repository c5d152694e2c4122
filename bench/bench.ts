/**
 * `npm run bench [name …] [--short] [--rounds N] [--floors]`: runs the named benches (all by default), prints a table
 * of each and writes results/<name>.json. It starts its own peers and stops them; what it cannot run it says. It ends
 * with 1 when a task was not delivered exactly once, and with `--floors` also when a figure of ours misses its floor.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { drain, endToEnd, latency, submit } from './queue.ts'
import { audit, density, gate, idle, killed, ledger, recovery, streams } from './whole.ts'
import { keep, missed, race, tell, type Machine, type Runner } from './rounds.ts'
import { startPostgres, startRedis } from './servers.ts'

const races: Readonly<Record<string, { readonly title: string; runners(short: boolean): readonly Runner[] }>> = {
  'end-to-end': { title: 'End to end, 100 in flight', runners: endToEnd },
  drain: { title: 'Drain a backlog', runners: drain },
  submit: { title: 'Submit, nobody works', runners: submit },
  latency: { title: 'Latency, one at a time', runners: (short) => latency(short, 0) },
  'latency-200': { title: 'Latency at 200 a second', runners: (short) => latency(short, 200) },
  idle: { title: '5,000 agents idle', runners: idle },
  density: { title: '50,000 registered, 500 awake', runners: density },
  kill: { title: 'Killed process to its replacement ready', runners: killed },
  recovery: { title: 'Everything killed -9', runners: recovery },
  gate: { title: 'Through the gate', runners: gate },
  streams: { title: 'Slow streams through the gate', runners: streams },
  audit: { title: 'Audit chain', runners: audit },
  ledger: { title: 'Ledger, two-phase', runners: ledger },
}

const main = async (): Promise<void> => {
  const options = {
    short: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    floors: { type: 'boolean', default: false },
  } as const
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  const names = positionals.length === 0 ? Object.keys(races) : positionals
  const strange = names.find((name) => !Object.hasOwn(races, name))
  if (strange !== undefined)
    throw new Error(`there is no bench ${strange}; there are: ${Object.keys(races).join(', ')}`)
  const redis = await startRedis()
  await redis?.stop()
  const postgres = await startPostgres()
  const machine: Machine = {
    rounds: Number(values.rounds),
    packages: existsSync(join(import.meta.dirname, 'node_modules')),
    redis: redis !== undefined,
    postgres,
  }
  try {
    for (const name of names) {
      const { title, runners } = races[name]!
      const asked = runners(values.short)
      const lines = await race(asked, machine)
      const below = missed(asked, lines)
      console.log(`\n${[tell(title, lines), ...below].join('\n')}`)
      keep(name, values.short, { redis: redis?.version ?? null, postgres: postgres?.version ?? null, lines, below })
      const inexact = lines.some(({ rounds }) => rounds.some((told) => told?.delivery?.exact === false))
      if (inexact || (values.floors && below.length > 0)) process.exitCode = 1
    }
  } finally {
    await postgres?.stop()
  }
}

await main()
