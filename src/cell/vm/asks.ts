/** What an agent in a machine asks of its host: answered by the same context that a pool's agents have. */
import {
  TaskFailure,
  type AgentContext,
  type Context,
  type Lock,
  type UpstreamAnswer,
  type Asked,
} from '../../agent/agent.ts'

/** Of one agent or attempt: what it holds here. */
export interface Held {
  readonly ctx: AgentContext | Context
  readonly locks: Map<string, Lock>
  readonly answers: Map<number, { readonly answer: UpstreamAnswer; parts?: AsyncIterator<Uint8Array> }>
}
export const held = (ctx: AgentContext | Context): Held => ({ ctx, locks: new Map(), answers: new Map() })

/** Answers of upstreams that an attempt has not read to their end. */
const mostAnswers = 100

const lockOf = ({ locks }: Held, [name, fence]: readonly unknown[]): Lock => {
  const lock = locks.get(`${String(name)} ${String(fence)}`)
  if (lock === undefined) throw new TaskFailure(`no lock ${String(name)} is held`, { code: 'stale', kind: 'refused' })
  return lock
}

const answerOf = ({ answers }: Held, id: unknown): { answer: UpstreamAnswer; parts?: AsyncIterator<Uint8Array> } => {
  const found = answers.get(id as number)
  if (found === undefined) throw new TypeError('this answer was read already')
  return found
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
/** Part of a body that goes in at once. */
const partBytes = 65_536

const fetched = async (held: Held, id: number, [upstream, path, init]: readonly unknown[]): Promise<unknown> => {
  if (held.answers.size >= mostAnswers)
    throw new TaskFailure(`${mostAnswers} answers are not read yet`, { code: 'overloaded', kind: 'transient' })
  const { bytes, ...rest } = (init ?? {}) as { readonly bytes?: unknown }
  const body = typeof bytes === 'string' ? { body: Buffer.from(bytes, 'latin1') } : {}
  const answer = await held.ctx.fetch(String(upstream), String(path), { ...rest, ...body })
  held.answers.set(id, { answer })
  const { status, ok, headers } = answer
  return { id, status, ok, headers }
}

const partOf = async (held: Held, id: unknown): Promise<string | null> => {
  const found = answerOf(held, id)
  const parts = (found.parts ??= split(found.answer.body)[Symbol.asyncIterator]())
  const next = await parts.next()
  if (next.done !== true) return latin1(next.value)
  held.answers.delete(id as number)
  return null
}

async function* split(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const part of body)
    for (let at = 0; at < part.length; at += partBytes) yield part.subarray(at, at + partBytes)
}

const textOf = async (held: Held, id: unknown, mostBytes: number): Promise<string> => {
  const { answer } = answerOf(held, id)
  held.answers.delete(id as number)
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of answer.body) {
    bytes += part.length
    if (bytes > mostBytes) {
      const message = `the answer has more than ${mostBytes} bytes, a quarter of this agent's memory`
      throw new TaskFailure(`${message}: read its body in parts`, { code: 'too-large', kind: 'permanent' })
    }
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

interface Ask {
  readonly id: number
  readonly what: Asked
  readonly with: readonly unknown[]
}

/** What the agent hands over may be hostile: it goes through the checks of the context and of the sitter. */
export const answerTo = async (held: Held, { id, what, with: values }: Ask, mostBytes: number): Promise<unknown> => {
  if (what === 'fetch') return fetched(held, id, values)
  if (what === 'body') return partOf(held, values[0])
  if (what === 'text') return textOf(held, values[0], mostBytes)
  const { ctx } = held
  if (!('task' in ctx)) throw new TypeError(`only a task may ask for ${what}`)
  const [first, second, third] = values as [never, never, never]
  if (what === 'settle') return ctx.settle(Object(first) as never)
  if (what === 'addTask') return ctx.addTask(Object(first) as never)
  if (what === 'state.get') return ctx.state.get(first)
  if (what === 'state.put') return ctx.state.put(first, second, third)
  if (what === 'renew') return lockOf(held, values).renew(third)
  if (what === 'free') return lockOf(held, values).free()
  if (what !== 'lock') throw new TypeError(`nobody answers ${String(what)}`)
  const lock = await ctx.lock(first, second)
  const { name, fence, leaseMs } = lock
  held.locks.set(`${name} ${fence}`, lock)
  return { name, fence, leaseMs }
}

/** What it left unread is let go. */
export const letGo = ({ answers }: Held): void => {
  for (const { answer, parts } of answers.values())
    void Promise.resolve((parts ?? answer.body[Symbol.asyncIterator]()).return?.()).catch(() => {})
  answers.clear()
}
