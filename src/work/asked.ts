/** What an attempt asks on its way: more tasks, and what agents share. It acts as its agent, and holds as itself. */
import type { Command } from '../store/store.ts'
import type { Work, WorkRequest } from './port.ts'

export type Asked = Exclude<WorkRequest, { method: 'done' | 'fail' | 'park' }>

interface Asker {
  readonly agent: string
  readonly task: string
  readonly wallMs: number
}

const addTask = async (work: Work, { params }: Extract<Asked, { method: 'task.add' }>, by: Asker): Promise<unknown> => {
  const { type, payload, key, priority, delayMs, deadlineMs, after, onFailed } = params
  const facts = { type, key, by: by.task }
  const entry = { actor: `agent:${by.agent}`, action: 'task.submit', object: `task type ${type}`, facts }
  const told: Command = {
    kind: 'audit.append',
    with: { entries: [{ ...entry, decision: 'done' }], wallMs: by.wallMs },
  }
  const [answer] = await work.submit([{ type, payload, key, priority, delayMs, deadlineMs, after, onFailed }], [told])
  return answer!
}

/** @throws what the asked deed throws. */
export const askedBy = (work: Work, asked: Asked, by: Asker): Promise<unknown> => {
  const actor = `agent:${by.agent}`
  switch (asked.method) {
    case 'task.add':
      return addTask(work, asked, by)
    case 'state.get':
      return work.state(asked.params.name)
    case 'state.put':
      return work.putState(asked.params, actor)
    case 'lock.take':
      return work.takeLock(asked.params, { holder: asked.params.attempt, task: by.task })
    case 'lock.renew':
      return work.renewLock(asked.params, asked.params.attempt)
    case 'lock.free':
      return work.freeLock(asked.params, asked.params.attempt)
  }
}
