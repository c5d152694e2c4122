/** A few agents in a cell of each kind, for trying a machine: what limits do, what is left, who comes back. */
import { defineSwarm } from 'swarmsitter'

const limits = { memory: '64MB', cpu: 0.2, pids: 16, disk: '8MB', files: 64 } as const

export default defineSwarm({
  name: 'tried',
  agents: {
    pooled: { run: { module: './pooled.ts' }, count: 6, cell: 'pool' },
    walled: { run: { exec: ['/bin/sh', './work.sh'] }, count: 2, cell: 'sandbox', limits },
    plain: { run: { exec: ['/bin/sh', './work.sh'] }, count: 2, cell: 'process', limits },
    either: {
      run: { exec: ['/bin/sh', './work.sh'] },
      count: 1,
      cell: { kind: 'sandbox', orWeaker: true },
      limits,
    },
  },
  tasks: {
    pooled: { agent: 'pooled' },
    walled: { agent: 'walled', retry: { max: 1 } },
    plain: { agent: 'plain', retry: { max: 1 } },
    either: { agent: 'either', retry: { max: 1 } },
  },
  api: { port: 7700 },
})
