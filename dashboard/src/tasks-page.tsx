/** Tasks as a table, filtered by type, state and batch. */
import { useSignal } from '@preact/signals'
import { taskStates } from '../../src/model/task.ts'
import type { TaskDescription } from '../../src/doors/api.ts'
import { useList } from './asked.ts'
import { Fresh } from './fresh.tsx'
import { swarm } from './known.ts'
import { IdLink, More, Pick, Said, State, TextFilter } from './parts.tsx'
import { hrefOf, place } from './route.ts'
import { Rows, type Column } from './rows.tsx'
import { When } from './time.tsx'
import { count, counted } from './words.ts'

export type TaskRow = Omit<TaskDescription, 'history'>

const everyMs = 5_000
const pageSize = 100
/** What one page holds; its refresh asks for all of them again. */
const mostPages = 10

const stateOf = ({ state }: TaskRow): string => (state.state === 'waiting' ? `waiting: ${state.reason}` : state.state)

export const taskColumns: readonly Column<TaskRow>[] = [
  { name: 'task', cell: (task) => <IdLink id={task.id} href={hrefOf(['tasks', task.id])} /> },
  { name: 'type', wide: true, cell: (task) => task.type },
  {
    name: 'state',
    cell: (task) => (
      <>
        {task.state.state === 'waiting' ? stateOf(task) : <State of={task.state.state} />}
        {task.error?.partial !== undefined && ', partly done'}
      </>
    ),
  },
  { name: 'tries', wide: true, cell: (task) => `${task.attempts} of ${task.maxAttempts}` },
  { name: 'changed', cell: (task) => <When ms={task.updatedMs} /> },
  { name: 'error', wide: true, cell: (task) => (task.error === null ? '' : <Said text={task.error.message} />) },
]

/** How many there are by the sitter's own count; null where it does not count (a batch). */
export const countedBySitter = (type: string | undefined, state: string | undefined): number | null => {
  const byType = swarm.value?.work.byType
  if (byType === undefined) return null
  return Object.entries(byType)
    .filter(([name]) => type === undefined || name === type)
    .flatMap(([, byState]) => Object.entries(byState))
    .reduce((sum, [name, some]) => (state === undefined || name === state ? sum + some : sum), 0)
}

export const ShownOf = ({ shown, all, one }: { shown: number; all: number | null; one: string }) => (
  <p class="count" role="status">
    {counted(shown, one)} shown{all === null ? '' : `, ${count(all)} at the last count`}
  </p>
)

const TaskRows = () => {
  const { type, state, batch, partial } = place.value.query
  const pages = useSignal(1)
  const asked = useList<TaskRow>({
    path: '/api/v1/tasks',
    query: { type, state, batch, partial },
    limit: pageSize,
    pages: pages.value,
    everyMs,
  })
  return (
    <Fresh asked={asked}>
      {({ items, next }) => (
        <>
          <ShownOf
            shown={items.length}
            all={batch === undefined && partial === undefined ? countedBySitter(type, state) : null}
            one="task"
          />
          {items.length === 0 ? (
            <p class="empty">No task is like that.</p>
          ) : (
            <Rows label="Tasks" look="of-tasks" items={items} keyOf={(task) => task.id} columns={taskColumns} />
          )}
          <More next={next} shown={items.length} most={pageSize * mostPages} more={() => (pages.value += 1)} />
        </>
      )}
    </Fresh>
  )
}

export const TasksPage = () => {
  const { type, state, batch, partial } = place.value.query
  return (
    <section class="sheet" aria-labelledby="sheet-title">
      <h2 id="sheet-title">Tasks</h2>
      <div class="filters">
        <Pick name="type" label="Type" values={Object.keys(swarm.value?.work.byType ?? {})} />
        <Pick name="state" label="State" values={taskStates} />
        <TextFilter name="batch" label="Batch" hint="bat_…" />
        <Pick name="partial" label="Partly done" values={['true']} />
      </div>
      <TaskRows key={`${type} ${state} ${batch} ${partial}`} />
    </section>
  )
}
