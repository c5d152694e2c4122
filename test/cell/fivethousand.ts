/**
 * 5,000 agents in 50 hosts: all start, all answer one challenge. Run by hand, because it takes both cores for seconds:
 *   node --conditions=source --disable-warning=ExperimentalWarning test/cell/fivethousand.ts [walls]
 * Prints what it cost; fails when an agent is missing. Measured (2 cores, Node 26.10): ready after 3.5 s, 740 MB PSS
 * (14.8 each); without the code cache 12.2 s and 1,641 MB (32.8 each). Behind walls 3.9 s where it took 2.4 s without.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { formatAgent } from '../../src/model/model.ts'
import { hostWalls, probeMachine } from '../../src/cell/cell.ts'
import { openYard, villain } from './harness.ts'

const hosts = 50
const perHost = 100
const startsAtOnce = 4

const kilobytes = (pid: number, field: string): number =>
  Number(
    new RegExp(`^${field}:\\s+([0-9]+)`, 'm').exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ??
      Number.NaN,
  )

const machine = await probeMachine({ name: `swarmsitter-5000-${process.pid}`, settle: true })
const withWalls = process.argv[2] === 'walls'
const yard = await openYard(
  {},
  withWalls
    ? (codeCache) =>
        hostWalls({ machine, hidden: () => [], modules: [villain('witness')], codeCache, swarm: codeCache })
    : undefined,
)
const began = performance.now()
const all: Awaited<ReturnType<typeof yard.start>>[] = []
const left = Array.from({ length: hosts }, (_, index) => index)
const seatsOf = (host: number) =>
  Array.from({ length: perHost }, (_, index) => ({
    agent: formatAgent({ type: 'villain', number: host * perHost + index + 1 }),
    epoch: 1,
    mode: 'active' as const,
    config: {},
  }))
await Promise.all(
  Array.from({ length: startsAtOnce }, async () => {
    for (let host = left.shift(); host !== undefined; host = left.shift()) {
      const one = await yard.start(`cel_${host}`, { seats: seatsOf(host), module: villain('witness') })
      await one.ear.ready()
      all.push(one)
    }
  }),
)
const readyMs = performance.now() - began
const asked = performance.now()
const pongs = await Promise.all(
  all.map(async ({ cell }) => (await cell.ask('ping', { nonce: cell.id }, 5_000)) as { agents: string[] }),
)
const answeredMs = performance.now() - asked
const agents = new Set(pongs.flatMap((pong) => pong.agents))
const pids = all.map(({ cell }) => cell.identity.pid)
const sum = (field: string): number => pids.reduce((total, pid) => total + kilobytes(pid, field), 0) / 1_024
const report = {
  agents: agents.size,
  hosts: pids.length,
  readySeconds: readyMs / 1_000,
  challengeMs: answeredMs,
  pssMb: sum('Pss'),
  pssMbEach: sum('Pss') / hosts,
  rssMb: sum('Rss'),
  thisProcessMb: process.memoryUsage().rss / 1_048_576,
}
for (const [name, value] of Object.entries(report)) console.log(name.padEnd(16), Number(value.toFixed(1)))
await yard.clear()
await machine.limits.close()
assert.equal(agents.size, hosts * perHost)
