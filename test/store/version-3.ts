/**
 * A record of version 3, whose attempts were rows of their own: tasks that were tried again, that died, that got another
 * life; and what must be true of it after the migration. The statements are those of both engines.
 */
import { expect } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import { claim, submit, succeed, task } from '../conformance/samples.ts'

interface TaskOf3 {
  readonly name: string
  readonly state: string
  readonly attempts: number
  readonly fence: number
  readonly life?: number
  readonly attempt?: string
  readonly error?: string
  readonly more?: Readonly<Record<string, string | number>>
}

const quoted = (value: string | number | null): string =>
  value === null ? 'NULL' : typeof value === 'number' ? String(value) : `'${value}'`

const insert = (table: string, row: Readonly<Record<string, string | number | null>>): string =>
  `INSERT INTO ${table} (${Object.keys(row).join(', ')}) VALUES (${Object.values(row).map(quoted).join(', ')});`

const failed = '{"name":"E","message":"no"}'

const taskRow = (seq: number, { name, state, attempts, fence, life = 1, attempt, error, more }: TaskOf3): string =>
  insert('tasks', {
    seq,
    id: `tsk_${name}`,
    type: name === 'other' ? 'report' : 'settle',
    agent_type: 'settler',
    key: name,
    payload: '{}',
    payload_hash: 'same',
    priority: 5,
    max_attempts: 3,
    state,
    attempt: attempt ?? null,
    agent: fence > 0 ? `settler/${fence}` : null,
    attempts,
    fence,
    life,
    error: error ?? null,
    created_ms: 10 + seq,
    updated_ms: 100 + seq,
    ...more,
  })

const attemptRow = (
  task: string,
  fence: number,
  [life, number, outcome]: readonly [number, number, string | null],
): string =>
  insert('attempts', {
    id: `att_${task}x${fence}`,
    task: `tsk_${task}`,
    number,
    fence,
    life,
    agent: `settler/${fence}`,
    agent_epoch: 1,
    cell: 'cel_1',
    owner: 'here',
    epoch: 1,
    started_ms: 20 + fence,
    ended_ms: outcome === null ? null : 30 + fence,
    outcome,
    error: outcome === null || outcome === 'succeeded' ? null : failed,
  })

const deadRow = (task: string, closed: string | null): string =>
  insert('dead_letters', {
    task: `tsk_${task}`,
    type: 'settle',
    life: 1,
    reason: 'permanent',
    outcome: 'permanent',
    error: failed,
    error_text: 'e no',
    attempts: 1,
    version: 1,
    died_ms: 40,
    closed,
  })

export const rowsOfVersion3: string = [
  insert('hosts', { owner: 'here', epoch: 1, boot_id: 'boot', opened_ms: 1 }),
  taskRow(1, { name: 'retried', state: 'succeeded', attempts: 2, fence: 2, more: { result: '7' } }),
  taskRow(2, { name: 'dead', state: 'dead', attempts: 2, fence: 3, error: failed }),
  taskRow(3, { name: 'again', state: 'running', attempts: 0, fence: 2, life: 2, attempt: 'att_againx2' }),
  taskRow(4, { name: 'redriven', state: 'ready', attempts: 0, fence: 1, life: 2 }),
  taskRow(6, { name: 'fresh', state: 'ready', attempts: 0, fence: 0, more: { awaited: 1 } }),
  taskRow(7, { name: 'behind', state: 'blocked', attempts: 0, fence: 0, more: { after: '["tsk_fresh"]' } }),
  taskRow(8, {
    name: 'waits',
    state: 'waiting',
    attempts: 1,
    fence: 1,
    error: failed,
    more: { reason: 'retry', until_ms: 900 },
  }),
  taskRow(9, { name: 'other', state: 'cancelled', attempts: 0, fence: 1 }),
  insert('dependencies', { task: 'tsk_behind', after: 'tsk_fresh', place: 0 }),
  // Rows of attempts stand in the order in which they began.
  attemptRow('retried', 1, [1, 1, 'transient']),
  attemptRow('dead', 1, [1, 1, 'transient']),
  attemptRow('again', 1, [1, 1, 'permanent']),
  attemptRow('redriven', 1, [1, 1, 'permanent']),
  attemptRow('waits', 1, [1, 1, 'transient']),
  attemptRow('other', 1, [1, 1, 'interrupted']),
  attemptRow('retried', 2, [1, 2, 'succeeded']),
  attemptRow('dead', 2, [1, 2, 'interrupted']),
  attemptRow('dead', 3, [1, 2, 'permanent']),
  attemptRow('again', 2, [2, 1, null]),
  deadRow('again', 'redriven'),
  deadRow('redriven', 'redriven'),
  deadRow('dead', null),
].join('\n')

const listed = async (store: Store): Promise<string[]> => {
  const lines: string[] = []
  for (let after: string | null = null; ;) {
    const page: Awaited<ReturnType<Store['read']['attemptsPage']>> = await store.read.attemptsPage({ limit: 3, after })
    lines.push(...page.items.map(({ id, life, number, outcome }) => `${id} ${life} ${number} ${outcome ?? 'runs'}`))
    after = page.next
    if (after === null) return lines
  }
}

/** What the record of version 3 has become, and that it goes on. */
export const judgeVersion3 = async (store: Store): Promise<void> => {
  const { read } = store
  expect(await read.taskCounts()).toEqual([
    { type: 'report', state: 'cancelled', count: 1 },
    { type: 'settle', state: 'blocked', count: 1 },
    { type: 'settle', state: 'dead', count: 1 },
    { type: 'settle', state: 'ready', count: 2 },
    { type: 'settle', state: 'running', count: 1 },
    { type: 'settle', state: 'succeeded', count: 1 },
    { type: 'settle', state: 'waiting', count: 1 },
  ])
  expect(await read.attemptCounts()).toEqual([
    { outcome: 'interrupted', count: 2 },
    { outcome: 'permanent', count: 3 },
    { outcome: 'running', count: 1 },
    { outcome: 'succeeded', count: 1 },
    { outcome: 'transient', count: 3 },
  ])
  expect(await listed(store)).toEqual([
    'att_retried.1 1 1 transient',
    'att_retried.2 1 2 succeeded',
    'att_dead.1 1 1 transient',
    'att_dead.2 1 2 interrupted',
    'att_dead.3 1 2 permanent',
    'att_again.1 1 1 permanent',
    'att_again.2 2 1 runs',
    'att_redriven.1 1 1 permanent',
    'att_waits.1 1 1 transient',
    'att_other.1 1 1 interrupted',
  ])
  expect(await read.task('tsk_again')).toMatchObject({ state: { state: 'running', attempt: 'att_again.2' }, life: 2 })
  expect(await read.task('tsk_waits')).toMatchObject({ state: { reason: 'retry', untilMs: 900 }, error: { name: 'E' } })
  expect(await read.task('tsk_retried')).toMatchObject({ result: '7', attempts: 2, agent: 'settler/2', createdMs: 11 })
  expect(await read.attempt('att_dead.3')).toMatchObject({
    agent: 'settler/3',
    startedMs: 23,
    endedMs: 33,
    error: { name: 'E' },
  })
  expect((await read.attempts('tsk_dead')).map(({ id }) => id)).toEqual(['att_dead.1', 'att_dead.2', 'att_dead.3'])
  expect(await read.deadLettersOf('tsk_dead')).toMatchObject([{ life: 1, closed: null, error: { name: 'E' } }])
  expect(await read.deadLettersOf('tsk_again')).toMatchObject([{ life: 1, closed: 'redriven' }])
  expect(await read.dependencies('tsk_behind')).toEqual([{ task: 'tsk_fresh', ended: null }])

  const [claimed, ended, added] = await store.transact([
    claim([8, 9]),
    succeed('again', 2),
    submit([task('new'), task('twice', { key: 'dead' })]),
  ] as const)
  expect(claimed.ok && claimed.value.claimed.map(({ attempt, number }) => [attempt, number])).toEqual([
    ['att_redriven.2', 1],
    ['att_fresh.1', 1],
  ])
  expect(ended.ok && ended.value[0]).toMatchObject({ outcome: 'done', task: 'tsk_again' })
  expect(added.ok && added.value.submitted.map(({ id, outcome }) => [id, outcome])).toEqual([
    ['tsk_new', 'created'],
    ['tsk_dead', 'exists'],
  ])
  expect((await listed(store)).filter((line) => line.includes('redriven'))).toEqual([
    'att_redriven.1 1 1 permanent',
    'att_redriven.2 2 1 runs',
  ])
  const { items } = await read.tasks({}, { limit: 100, after: null })
  expect(items.at(-1)?.id).toBe('tsk_new')
  const states = Map.groupBy(items, ({ type, state }) => `${type} ${state.state}`)
  const told = (await read.taskCounts()).map(({ type, state, count }) => [`${type} ${state}`, count])
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries([...states].map(([key, all]) => [key, all.length])))
}
