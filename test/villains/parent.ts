/**
 * A sitter that is about to be killed: starts cells, tells their pids, and gives one of them an endless loop. The
 * calm one is not bound to its parent.
 */
import { poolCells, type Cell, type CellKind } from '../../src/cell/cell.ts'
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

const start = async (kind: CellKind, id: string): Promise<Cell> => {
  const ready = Promise.withResolvers<void>()
  const own = `${directory}/${id}`
  const cell = await kind.start(
    {
      id,
      kind: 'pool',
      agentType: 'villain',
      run: { module },
      directory: own,
      gateSocket: `${own}/gate.sock`,
      sitterSocket: `${own}/sitter.sock`,
      seats: [seat('villain/0001')],
      env: {},
      memoryMb: 64,
    },
    {
      ready: () => ready.resolve(),
      frame: () => {},
      refused: () => {},
      line: () => {},
      gone: (end) => ready.reject(new Error(end.detail)),
    },
  )
  await ready.promise
  return cell
}

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
console.log(JSON.stringify({ looping, identities: cells.map((cell) => cell.identity) }))
