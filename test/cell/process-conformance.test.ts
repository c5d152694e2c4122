/** One suite for all kinds and all ways to live in them: a pool host, a command, a process a task. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { hostWalls, poolCells, probeMachine, processCells, programCells } from '../../src/cell/cell.ts'
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

const machine = await probeMachine({ name: `swarmsitter-test-${process.pid}`, settle: true })
afterAll(() => machine.limits.close())
const { process: bounded, sandbox } = programCells({ ...ports, machine, swarm: 'conformance', hidden: () => [] })
const named = machine.bwrap === null ? `refused here: ${machine.abilities.namespaces.says}` : 'as this machine makes it'

cellConformance({
  name: `process with limits (${machine.abilities.limits.says})`,
  kind: bounded,
  run: python(),
  cell: 'process',
  hang: 'hang',
  givesUp: false,
})
if (machine.bwrap !== null) {
  const codeCache = mkdtempSync(join(tmpdir(), 'code-'))
  afterAll(() => rmSync(codeCache, { recursive: true, force: true }))
  const module = villain('witness')
  const walls = hostWalls({ machine, hidden: () => [], modules: [module], codeCache, swarm: codeCache })
  cellConformance({
    name: `pool behind walls, ${named}`,
    kind: poolCells({ ...ports, walls, codeCache }),
    run: { module },
    cell: 'pool',
    hang: 'patient',
    givesUp: true,
  })
  const machines = villain('vm-witness')
  const vmWalls = hostWalls({ machine, hidden: () => [], modules: [machines], codeCache, swarm: codeCache })
  cellConformance({
    name: `vm behind walls, ${named}`,
    kind: poolCells({ ...ports, walls: vmWalls, codeCache }),
    run: { module: machines },
    cell: 'vm',
    hang: 'abort',
    givesUp: true,
  })
  cellConformance({
    name: `sandbox, command, ${named}`,
    kind: sandbox,
    run: python(),
    cell: 'sandbox',
    hang: 'hang',
    givesUp: false,
  })
  cellConformance({
    name: `sandbox, exec, ${named}`,
    kind: sandbox,
    run: { exec: ['sh', '-c', hangOrEcho], directory: tmpdir() },
    cell: 'sandbox',
    hang: 'hang',
    givesUp: true,
  })
} else test(`A sandbox is ${named}`, () => expect(machine.abilities.namespaces.fix).not.toBeNull())
