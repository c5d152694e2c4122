/** A host without a process: frames in and out as values, a clock that is moved by hand. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { agentHost, type Agent, type AgentHost, type HostPorts } from '../../src/agent/agent.ts'

export type Sent = Readonly<Record<string, unknown>> & {
  readonly method?: string
  readonly id?: number
  readonly params?: Readonly<Record<string, unknown>>
  readonly result?: Readonly<Record<string, unknown>>
}

export interface Rig {
  readonly host: AgentHost
  readonly sent: Sent[]
  /** Calls that got as far as the gate, which is not there. */
  readonly called: Parameters<HostPorts['fetch']>[0][]
  /** Fires every timer that is due within so many ms, in order. */
  readonly pass: (ms: number) => void
  /** Resolves with the first frame sent that fits, past or to come. */
  readonly until: (fits: (frame: Sent) => boolean) => Promise<Sent>
  readonly run: (agent: string, attempt: string, type: string, payload?: unknown) => void
  readonly answer: (frame: Sent, result: unknown) => void
  readonly refuse: (frame: Sent, data: object, message?: string) => void
  readonly ping: () => Sent['result']
}

export const rig = async (
  agent: Agent,
  names: readonly string[],
  context = new AsyncLocalStorage<object>(),
): Promise<Rig> => {
  const sent: Sent[] = []
  const called: Rig['called'] = []
  const waiting = new Set<() => void>()
  let now = 0
  let timers: { readonly at: number; readonly fire: () => void }[] = []
  const ports: HostPorts = {
    clock: {
      monoMs: () => now,
      timer: (delayMs, fire) => {
        const timer = { at: now + delayMs, fire }
        timers.push(timer)
        return () => {
          timers = timers.filter((one) => one !== timer)
        }
      },
    },
    send: (frame) => ports.sendLine(JSON.stringify(frame)),
    sendLine: (line) => {
      sent.push(JSON.parse(line) as Sent)
      for (const look of waiting) look()
    },
    pendingBytes: () => 0,
    fetch: (call) => {
      called.push(call)
      return Promise.reject(new Error('no gate here'))
    },
    socket: () => Promise.reject(new Error('no gate here')),
    within: (owner, work) => context.run(owner, work),
  }
  const host = agentHost({ default: agent }, 'agents.ts', ports)
  const seats = names.map((name) => ({ agent: name, epoch: 1, mode: 'active', config: { town: 'Turin' } }))
  const hello = host.hello('test')
  host.frame({ jsonrpc: '2.0', id: 0, result: { protocol: 1, sitter: 'test', seats } })
  await hello
  return {
    host,
    sent,
    called,
    pass: (ms) => {
      const until = now + ms
      for (;;) {
        const due = timers.filter((one) => one.at <= until).toSorted((one, other) => one.at - other.at)[0]
        if (due === undefined) break
        timers = timers.filter((one) => one !== due)
        now = due.at
        due.fire()
      }
      now = until
    },
    until: (fits) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = sent.find(fits)
          if (found === undefined) return
          waiting.delete(look)
          resolve(found)
        }
        waiting.add(look)
        look()
      }),
    run: (name, attempt, type, payload = {}) => {
      const params = { agent: name, attempt, task: 'tsk_1', type, payload, number: 1, deadline: null, key: 'k' }
      host.frame({ jsonrpc: '2.0', method: 'run', params })
    },
    answer: (frame, result) => host.frame({ jsonrpc: '2.0', id: frame.id, result }),
    refuse: (frame, data, message = 'no') =>
      host.frame({ jsonrpc: '2.0', id: frame.id, error: { code: -32000, message, data } }),
    ping: () => {
      host.frame({ jsonrpc: '2.0', id: 'p', method: 'ping', params: { nonce: 'n' } })
      return sent.findLast((frame) => (frame.id as unknown) === 'p')?.result
    },
  }
}

/** A promise that a test ends when it likes. */
export const gate = <Value = void>() => Promise.withResolvers<Value>()

export const one = 'settler/0001'
export const two = 'settler/0002'
export const ends = (attempt: string) => (frame: Sent) =>
  ['done', 'fail', 'park'].includes(frame.method ?? '') && frame.params?.['attempt'] === attempt
export const errorOf = (frame: Sent) => frame.params?.['error'] as Record<string, unknown>
