/** A sitter that is about to be killed: a program of it is a user of its own. Tells who that is, and who its reaper is. */
import { chmodSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { probeMachine, programCells } from '../../src/cell/cell.ts'
import { realClock, realDisk, realNet, realProc } from '../../src/std/real/real.ts'
import { Ear, runOf, seats } from '../cell/harness.ts'

const [directory = ''] = process.argv.slice(2)
const machine = await probeMachine({ name: `user-parent-${process.pid}`, settle: false })
const ports = { clock: realClock(), proc: realProc(), net: realNet(), disk: realDisk() }
const cells = programCells({ ...ports, machine, swarm: directory, hidden: () => [] })
const ear = new Ear()
const doors = `${directory}/doors`
mkdirSync(doors, { mode: 0o711 })
chmodSync(doors, 0o711)
const cell = await cells.process.start(
  {
    id: 'cel_1',
    kind: 'process',
    agentType: 'villain',
    run: { exec: ['sh', '-c', 'trap "" TERM HUP INT; echo up >&2; while :; do sleep 1; done'], directory },
    directory: `${directory}/cel_1`,
    gateSocket: `${doors}/cel_1/gate.sock`,
    sitterSocket: `${doors}/cel_1/sitter.sock`,
    seats: seats(1),
    env: {},
    memoryMb: 64,
    ownUser: true,
  },
  ear.events,
)
await ear.ready()
cell.send([runOf(seats(1)[0]!.agent, 'att_1', 'hang')])
await ear.until(() => (ear.lines.includes('up') ? true : undefined))
const reaper = readdirSync('/proc').find((pid) => {
  try {
    const isMine = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ')[1] === String(process.pid)
    return isMine && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('sitter-reaper')
  } catch {
    return false // no process, or gone meanwhile
  }
})
console.log(JSON.stringify({ worker: cell.processOf?.(seats(1)[0]!.agent), reaper: Number(reaper) }))
