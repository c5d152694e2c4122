/** What an attempt shares with others through the record: values with versions, and locks. */
import type { LockHeld, Run, StateValue } from '../wire/wire.ts'
import type { Context, Lock } from './context.ts'
import type { Requests } from './requests.ts'

export interface SharedTools {
  readonly requests: Pick<Requests, 'ask'>
  readonly signal: () => AbortSignal
  /** Has the attempt wait for what was asked. */
  readonly remember: <Answer>(asked: Promise<Answer>) => Promise<Answer>
}

export const sharedOf = (run: Run, { requests, signal, remember }: SharedTools): Pick<Context, 'state' | 'lock'> => {
  const ask = <Answer>(method: string, params: object): Promise<Answer> => {
    const frame = { agent: run.agent, attempt: run.attempt, ...params }
    return remember(requests.ask(method, frame, signal()) as Promise<Answer>)
  }
  const held = (first: LockHeld): Lock => ({
    ...first,
    renew: async (leaseMs = first.leaseMs) => {
      await ask('lock.renew', { name: first.name, fence: first.fence, leaseMs })
    },
    free: async () => (await ask<{ freed: boolean }>('lock.free', { name: first.name, fence: first.fence })).freed,
  })
  return {
    state: {
      get: (name) => ask<StateValue>('state.get', { name }),
      put: (name, value, version) => ask<StateValue>('state.put', { name, value, version }),
    },
    lock: async (name, leaseMs) => held(await ask<LockHeld>('lock.take', { name, leaseMs })),
  }
}
