/**
 * A sitter that is about to be killed: starts cells and a host that stands by, tells their pids, and gives one of the
 * cells an endless loop. The calm one and the one that stands by are not bound to their parent.
 */
import { poolCells, type Cell, type CellEvents, type CellKind, type CellPlan } from '../../src/cell/cell.ts'
import { realClock, realDisk, realNet, realProc } from '../../src/std/real/real.ts'

const [directory = '', module = ''] = process.argv.slice(2)
const proc = realProc()
const ports = { clock: realClock(), proc, net: realNet(), disk: realDisk() }
const bound = poolCells(ports)
/** Its processes learn of their parent's death by the end of their socket alone. */
const unbound = poolCells({
  ...ports,
  proc: { ...proc, spawn: (options) => proc.spawn({ ...options, dieWithParent: false }) },
})
const seat = (agent: string) => ({ agent, epoch: 1, mode: 'active' as const, config: {} })

const place = (id: string): Omit<CellPlan, 'run' | 'seats'> => {
  const own = `${directory}/${id}`
  return {
    id,
    kind: 'pool',
    agentType: 'villain',
    directory: own,
    gateSocket: `${own}/gate.sock`,
    sitterSocket: `${own}/sitter.sock`,
    env: {},
    memoryMb: 64,
  }
}

const readyOf = async <Started>(begin: (events: CellEvents) => Promise<Started>): Promise<Started> => {
  const ready = Promise.withResolvers<void>()
  const started = await begin({
    ready: () => ready.resolve(),
    frame: () => {},
    refused: () => {},
    line: () => {},
    gone: (end) => ready.reject(new Error(end.detail)),
  })
  await ready.promise
  return started
}

const start = (kind: CellKind, id: string): Promise<Cell> =>
  readyOf((events) => kind.start({ ...place(id), run: { module }, seats: [seat('villain/0001')] }, events))

const ahead = await readyOf((events) => unbound.standBy!(place('ahead'), events))
const cells = await Promise.all([start(unbound, 'calm'), start(bound, 'looping')])
cells[1]!.send([
  {
    jsonrpc: '2.0',
    method: 'run',
    params: {
      agent: 'villain/0001',
      attempt: 'att_1',
      task: 'tsk_1',
      type: 'loop',
      payload: null,
      number: 1,
      deadline: null,
      key: 'k',
    },
  },
])
const looping = await cells[1]!.ask('ping', { nonce: 'n' }, 500).then(
  () => false,
  () => true,
)
console.log(JSON.stringify({ looping, identities: [...cells, ahead].map((cell) => cell.identity) }))
