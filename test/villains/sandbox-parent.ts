/**
 * A sitter that is about to be killed: starts a program in a cell of the kind that it is told, gives it a daemon that
 * leaves its session, and tells what there is.
 */
import { probeMachine, programCells } from '../../src/cell/cell.ts'
import { realClock, realDisk, realNet, realProc } from '../../src/std/real/real.ts'
import { Ear, runOf, seats } from '../cell/harness.ts'

const [directory = '', kind = '', name = ''] = process.argv.slice(2)
const machine = await probeMachine({ name, settle: true })
const ports = { clock: realClock(), proc: realProc(), net: realNet(), disk: realDisk() }
const cells = programCells({ ...ports, machine, swarm: directory, hidden: () => [] })
const ear = new Ear()
const own = `${directory}/cel_1`
const script = `setsid sh -c 'trap "" TERM HUP; exec >/dev/null 2>&1; while sleep 1; do :; done' ${name} & echo up >&2; sleep 600`
const cell = await cells[kind as 'process' | 'sandbox'].start(
  {
    id: 'cel_1',
    kind: kind as 'process' | 'sandbox',
    agentType: 'villain',
    run: { exec: ['sh', '-c', script], directory },
    directory: own,
    gateSocket: `${own}/gate.sock`,
    sitterSocket: `${own}/sitter.sock`,
    seats: seats(1),
    env: {},
    memoryMb: 64,
  },
  ear.events,
)
await ear.ready()
cell.send([runOf(seats(1)[0]!.agent, 'att_1', 'hang')])
await ear.until(() => (ear.lines.includes('up') ? true : undefined))
console.log(JSON.stringify({ worker: cell.processOf?.(seats(1)[0]!.agent), limits: machine.limits.kind }))
