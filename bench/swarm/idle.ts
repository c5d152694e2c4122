/** A whole swarm that has nothing to do: how soon it is ready, its memory, its share of a core. */
import { answer, pause, readAsk } from '../programs.ts'
import { cpuMs, down, family, memory, up, writeConfig } from './swarm.ts'

const { directory, options } = readAsk()
const agents = Number(options['agents'])
const lookMs = Number(options['lookMs'])
writeConfig(directory, agents)
const swarm = await up(directory, agents)
// What starting left behind (garbage, compile caches) settles first.
await pause(3_000)
const pids = family(swarm.pid)
const before = cpuMs(pids)
await pause(lookMs)
const busyMs = cpuMs(pids) - before
const bytes = memory(pids)
await down(swarm)
answer(
  { 'ready after s': swarm.readyMs / 1_000, 'memory MB (PSS)': bytes / 1e6, '% of a core': (busyMs / lookMs) * 100 },
  { processes: pids.length, agents },
)
