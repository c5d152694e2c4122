/** What is measured on whole swarms and on single rooms; only `kill` has peers. */
import type { Runner } from './rounds.ts'

const alone = (name: string, program: string, options: Runner['options']): Runner => ({
  name,
  program,
  needs: 'nothing',
  options,
})

export const idle = (short: boolean): readonly Runner[] => [
  alone('ours, 5,000 agents in 50 cells', 'swarm/idle.ts', { agents: 5_000, lookMs: short ? 5_000 : 20_000 }),
]

export const density = (short: boolean): readonly Runner[] => [
  alone('ours, 50,000 registered, 500 awake', 'swarm/density.ts', {
    agents: 50_000,
    awake: 500,
    wakes: short ? 100 : 300,
    cold: short ? 10 : 30,
  }),
]

export const killed = (short: boolean): readonly Runner[] => {
  const kills = short ? 5 : 12
  return [
    alone('ours, a cell of 10 agents, a host stands by', 'kill/ours.ts', { kills, standby: 1 }),
    alone('ours, a cell of 10 agents, nobody stands by', 'kill/ours.ts', { kills, standby: 0 }),
    {
      ...alone('plain fork loop, one process', 'kill/peers.mjs', { kills, how: 'fork' }),
      floor: { figure: 'ready p50 ms', atMost: 1.2 },
    },
    alone('pm2 fork mode, one process', 'kill/peers.mjs', { kills, how: 'pm2' }),
  ]
}

/** nginx is not a package: without it the rounds say so. */
export const gate = (short: boolean): readonly Runner[] => {
  const options = { warmMs: short ? 3_000 : 6_000, measureMs: short ? 3_000 : 10_000 }
  const through = (how: string): Runner => alone(how, 'gate/race.ts', { ...options, how })
  return [
    through('gate without a credential'),
    { ...through('nginx'), floor: { figure: 'requests/s', atLeast: 0.2 } },
    through('bare Node'),
    through('gate with a credential'),
  ]
}

/** What a stream says in a minute is 1,200 bytes: whoever kept them would grow by that. */
const mostGrown = { figure: 'bytes in use a stream, grown in a minute', most: 200 }

export const streams = (short: boolean): readonly Runner[] => {
  const count = short ? 2_000 : 10_000
  const options = { streams: count, lookMs: short ? 20_000 : 40_000 }
  return [{ ...alone(`ours, ${count} slow streams`, 'gate/streams.ts', options), floor: mostGrown }]
}

export const recovery = (short: boolean): readonly Runner[] => {
  const rows = short ? 100_000 : 1_000_000
  return [alone(`ours, 5,000 agents, ${rows} rows`, 'swarm/recovery.ts', { agents: 5_000, rows })]
}

export const audit = (short: boolean): readonly Runner[] => [
  alone('ours', 'record/audit.ts', { count: short ? 20_000 : 100_000 }),
]

export const ledger = (short: boolean): readonly Runner[] => [
  alone('ours', 'record/ledger.ts', { count: short ? 5_000 : 20_000 }),
]
