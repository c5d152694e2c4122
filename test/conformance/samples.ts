/** What the suites of the record are made of: tasks, slots, and the commands around them. */
import type { Command, NewTask, Slot } from '../../src/store/store.ts'

export const owner = 'here'

export const firstTurn = { starts: 0, lastType: null }

export const task = (name: string, more: Partial<NewTask> = {}): NewTask => ({
  id: `tsk_${name}`,
  type: 'settle',
  agentType: 'settler',
  key: name,
  payload: '{}',
  payloadHash: 'same',
  priority: 5,
  maxAttempts: 3,
  deadlineMs: null,
  batch: null,
  notBeforeMs: null,
  after: [],
  onFailed: 'cancel',
  ...more,
})

export const submit = (
  tasks: readonly NewTask[],
  more: Partial<Extract<Command, { kind: 'tasks.submit' }>['with']> = {},
): Extract<Command, { kind: 'tasks.submit' }> => ({
  kind: 'tasks.submit',
  with: { tasks, all: true, claim: [], turn: firstTurn, owner, epoch: 1, wallMs: 10, ...more },
})

export const slot = (number: number): Slot => ({
  agent: `settler/${number}`,
  cell: 'cel_1',
  agentEpoch: 1,
})

export type Claim = Extract<Command, { kind: 'tasks.claim' }>

export const claim = (numbers: readonly number[], epoch = 1, more: Partial<Claim['with']> = {}): Claim => ({
  kind: 'tasks.claim',
  with: { agentType: 'settler', slots: numbers.map(slot), turn: firstTurn, owner, epoch, wallMs: 20, ...more },
})

/** Of the task `tsk_<name>`, its attempt number `fence`. */
export const succeed = (name: string, fence = 1): Extract<Command, { kind: 'attempts.finish' }> => ({
  kind: 'attempts.finish',
  with: {
    wallMs: 30,
    finishes: [
      {
        attempt: `att_${name}.${fence}`,
        type: 'settle',
        outcome: 'succeeded',
        result: '1',
        error: null,
        event: { event: 'succeed' },
        counts: true,
        deadly: false,
      },
    ],
  },
})
