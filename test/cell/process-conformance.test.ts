/** One suite, three ways to live: a pool host, a command, a process a task. */
import { tmpdir } from 'node:os'
import { poolCells, processCells } from '../../src/cell/cell.ts'
import { realClock, realDisk, realNet, realProc } from '../../src/std/real/real.ts'
import { cellConformance } from '../conformance/cell.ts'
import { villain } from './harness.ts'
import { python } from './process-yard.ts'

const ports = { clock: realClock(), proc: realProc(), net: realNet(), disk: realDisk() }
const hangOrEcho = 'payload=$(cat); case $payload in *text*) echo "$payload" ;; *) exec sleep 600 ;; esac'

cellConformance({
  name: 'pool',
  kind: poolCells(ports),
  run: { module: villain('witness') },
  cell: 'pool',
  hang: 'patient',
  givesUp: true,
})
cellConformance({
  name: 'process, command',
  kind: processCells(ports),
  run: python(),
  cell: 'process',
  hang: 'hang',
  givesUp: false,
})
cellConformance({
  name: 'process, exec',
  kind: processCells(ports),
  run: { exec: ['sh', '-c', hangOrEcho], directory: tmpdir() },
  cell: 'process',
  hang: 'hang',
  givesUp: true,
})
