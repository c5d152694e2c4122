/** What the suites about work share: commands around tasks, and where a task stands. */
import type { Command, Finish, NewTask, Store } from '../../src/store/store.ts'
import { task } from './samples.ts'

export type It = (title: string, body: (store: Store, reopen: () => Promise<Store>) => Promise<void>) => void

export const end = (attempt: string, more: Partial<Finish> = {}): Extract<Command, { kind: 'attempts.finish' }> => ({
  kind: 'attempts.finish',
  with: {
    wallMs: 30,
    finishes: [
      {
        attempt,
        type: 'settle',
        outcome: 'permanent',
        result: null,
        error: { name: 'E', message: 'No such Payee 100%' },
        event: { event: 'give-up', reason: 'permanent' },
        counts: true,
        deadly: false,
        ...more,
      },
    ],
  },
})
export const move = (id: string, event: 'cancel' | 'wake', wallMs = 40): Command => ({
  kind: 'task.move',
  with: { task: id, event: { event }, orNothing: false, wallMs },
})
export const redrive = (ids: readonly string[], untilMs: number | null = null, wallMs = 50): Command => ({
  kind: 'dead.redrive',
  with: { items: ids.map((id) => ({ task: id, untilMs })), actor: 'operator:ann', wallMs },
})
export const discard = (ids: readonly string[]): Command => ({
  kind: 'dead.discard',
  with: { tasks: ids, actor: 'operator:ann', wallMs: 60 },
})
export const after = (name: string, ids: readonly string[], more: Partial<NewTask> = {}): NewTask =>
  task(name, { after: ids.map((id) => `tsk_${id}`), ...more })

export const stateOf = async (store: Store, name: string): Promise<string | undefined> =>
  (await store.read.task(`tsk_${name}`))?.state.state
