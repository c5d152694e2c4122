/**
 * How an agent is written: a table of tasks, each a function. Only a marked value is run, so that a stray export
 * never is.
 */
import type { AgentContext, Context } from './context.ts'

/** What a Standard Schema (zod, valibot, arktype …) offers, as far as it is used here. */
export interface Schema<Payload> {
  readonly '~standard': {
    readonly validate: (value: unknown) => Judged<Payload> | Promise<Judged<Payload>>
  }
}
type Judged<Payload> =
  | { readonly value: Payload; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] }

export type TaskFunction<Payload> = (ctx: Context, payload: Payload) => unknown
/** A function, or a function with a reader of its payload; what the reader refuses fails for good. */
export type Task<Payload> =
  | TaskFunction<Payload>
  | { readonly parse: Schema<Payload> | ((payload: unknown) => Payload); readonly run: TaskFunction<Payload> }

export interface AgentDefinition<Payloads> {
  readonly tasks: { readonly [Type in keyof Payloads]: Task<Payloads[Type]> }
  /** Runs before the first task; an agent whose start throws is broken. */
  readonly start?: (ctx: AgentContext) => unknown
  /** Runs when the agent has to go; not when its process dies. */
  readonly stop?: (ctx: AgentContext) => unknown
}

/** Registered under a global name: the user's copy of this package and the host's may be two. */
const mark = Symbol.for('swarmsitter.agent')

export interface Agent {
  readonly tasks: Readonly<Record<string, Task<never>>>
  readonly start?: (ctx: AgentContext) => unknown
  readonly stop?: (ctx: AgentContext) => unknown
}

/**
 * `export default defineAgent({ tasks: { settle: async (ctx, payload: Payout) => … } })`: what the task returns is
 * its result (JSON).
 */
export const defineAgent = <const Payloads extends Readonly<Record<string, unknown>>>(
  definition: AgentDefinition<Payloads>,
): Agent => Object.freeze({ ...definition, [mark]: true }) as unknown as Agent

/** The agent that a module exports as default (or as `agent`). @throws when there is none, saying what was found. */
export const agentOf = (module: Readonly<Record<string, unknown>>, path: string): Agent => {
  const found = module['default'] ?? module['agent']
  if (typeof found === 'object' && found !== null && mark in found) return found as unknown as Agent
  const what = found === null ? 'null' : typeof found
  throw new Error(`${path} must export defineAgent({...}) as default; its default export is ${what}`)
}

/** What a task's reader makes of its payload. @throws what the reader throws, or why it refuses. */
export const readPayload = async (
  parse: Schema<never> | ((payload: unknown) => never),
  payload: unknown,
): Promise<never> => {
  if (typeof parse === 'function') return parse(payload)
  const judged = await parse['~standard'].validate(payload)
  if (judged.issues === undefined) return judged.value
  throw new Error(
    judged.issues
      .slice(0, 10)
      .map((issue) => issue.message)
      .join('; '),
  )
}
