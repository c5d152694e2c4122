/** An agent of the swarm under fire, as a program behind walls of its own: speaks the protocol by hand. */
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { attack, type Targets } from '../../villains/hazards.ts'
import { beat, beatEveryMs, type Turn } from './beats.ts'

interface Frame {
  readonly id?: unknown
  readonly method?: string
  readonly params?: unknown
  readonly result?: { readonly seats?: readonly { readonly agent: string }[] } | null
}
interface Run {
  readonly agent: string
  readonly attempt: string
  readonly payload: Turn & { readonly targets: Targets }
}

const link = connect(process.env['SITTER_SOCKET']!)
const send = (frame: object): void => void link.write(`${JSON.stringify({ jsonrpc: '2.0', ...frame })}\n`)
let me = ''
const open = new Set<string>()

const work = async ({ agent, attempt, payload: turn }: Run): Promise<void> => {
  open.add(attempt)
  const isMe = agent === turn.who
  await wait(isMe ? turn.waitMs / 2 : turn.waitMs)
  const result = isMe ? `${turn.hazard}: ${await attack(turn)}` : 'worked'
  open.delete(attempt)
  send({ id: attempt, method: 'done', params: { agent, attempt, result } })
}

const begin = (agent: string): void => {
  me = agent
  const number = Number(agent.split('/')[1])
  setInterval(() => beat(number), beatEveryMs)
}

link.once('connect', () =>
  send({
    id: 'hello',
    method: 'hello',
    params: { protocol: 1, agents: [], tasks: ['box'], version: 'boxed', open: [] },
  }),
)
link.once('close', () => process.exit(0))
createInterface({ input: link }).on('line', (line) => {
  const frame = JSON.parse(line) as Frame
  const seat = frame.id === 'hello' ? frame.result?.seats?.[0] : undefined
  if (seat !== undefined) begin(seat.agent)
  else if (frame.method === 'run') void work(frame.params as Run)
  else if (frame.method === 'ping') {
    const { nonce } = frame.params as { readonly nonce: string }
    const held = [...open].map((attempt) => ({ agent: me, attempt }))
    send({ id: frame.id, result: { nonce, agents: [me], open: held } })
  } else if (frame.method === 'drain') send({ id: frame.id, result: { open: [] } })
})
