/** One task: its state, payload, result, every attempt with its error, and what may be ordered. */
import type { TaskDescription } from '../../src/doors/api.ts'
import { isTaskEnd } from '../../src/model/task.ts'
import { useOne, type Asked } from './asked.ts'
import { Fresh } from './fresh.tsx'
import { askOrder } from './order.tsx'
import { ErrorText, Folded, Pair, Said, State } from './parts.tsx'
import { agentHref, hrefOf } from './route.ts'
import { Clock, When } from './time.tsx'
import { visible } from './visible.ts'
import { milliseconds } from './words.ts'

const everyMs = 2_000

const cancelTask = (task: TaskDescription, after: () => void): void =>
  askOrder({
    title: 'Cancel this task?',
    radius: (
      <>
        <p>
          One task ends: <b>{task.id}</b>, a {task.type} task that is {task.state.state} now. It cannot be started
          again.
        </p>
        {task.state.state === 'running' && (
          <p>
            {visible(task.agent ?? 'Its agent')} is told to give up the attempt. What it has already done outside stays
            done; a payment that was sent is not called back.
          </p>
        )}
      </>
    ),
    button: 'Cancel 1 task',
    path: `/api/v1/tasks/${encodeURIComponent(task.id)}/cancel`,
    done: () => 'The task is cancelled.',
    after,
  })

const retryTask = (task: TaskDescription, after: () => void): void =>
  askOrder({
    title: task.state.state === 'dead' ? 'Redrive this dead letter?' : 'Go on now?',
    radius: (
      <p>
        One task becomes ready: <b>{task.id}</b>.{' '}
        {task.state.state === 'dead'
          ? `Its tries begin anew: up to ${task.maxAttempts}.`
          : 'It no longer waits for its time; its tries stay counted.'}
      </p>
    ),
    button: task.state.state === 'dead' ? 'Redrive 1 task' : 'Retry 1 task',
    path: `/api/v1/tasks/${encodeURIComponent(task.id)}/retry`,
    done: () => 'The task is ready; an agent takes it as soon as one is free.',
    after,
  })

const Deeds = ({ task, again }: { task: TaskDescription; again: () => void }) => (
  <p class="deeds">
    {(task.state.state === 'waiting' || task.state.state === 'dead') && (
      <button type="button" onClick={() => retryTask(task, again)}>
        {task.state.state === 'dead' ? 'Redrive …' : 'Retry now …'}
      </button>
    )}
    {!isTaskEnd(task.state.state) && (
      <button type="button" onClick={() => cancelTask(task, again)}>
        Cancel …
      </button>
    )}
  </p>
)

const Facts = ({ task }: { task: TaskDescription }) => (
  <dl class="pairs">
    <Pair name="state">
      <b>
        <State of={task.state.state} />
      </b>{' '}
      · <When ms={task.updatedMs} />
      {task.state.state === 'waiting' && (
        <>
          , for {task.state.reason}, until <When ms={task.state.untilMs} none="something wakes it" />
        </>
      )}
    </Pair>
    <Pair name="type">
      <a href={hrefOf(['tasks'], { type: task.type })}>{visible(task.type)}</a>, priority {task.priority}
    </Pair>
    <Pair name="tries">
      {task.attempts} of {task.maxAttempts}
    </Pair>
    <Pair name="agent">
      {task.agent === null ? 'none now' : <a href={agentHref(task.agent)}>{visible(task.agent)}</a>}
    </Pair>
    <Pair name="batch">
      {task.batch === null ? 'none' : <a href={hrefOf(['tasks'], { batch: task.batch })}>{visible(task.batch)}</a>}
    </Pair>
    <Pair name="key">{task.key === null ? 'none' : <Said text={task.key} />}</Pair>
    <Pair name="submitted">
      <When ms={task.createdMs} />
    </Pair>
    <Pair name="deadline">
      <When ms={task.deadlineMs} none="none" />
    </Pair>
  </dl>
)

const History = ({ task }: { task: TaskDescription }) =>
  task.history.length === 0 ? (
    <p class="empty">No agent has tried it yet.</p>
  ) : (
    <ol class="plain attempts">
      {task.history.map((one) => (
        <li key={one.id}>
          <p>
            <b>
              Try {one.number}
              {one.life > 1 && ` of life ${one.life}`}
            </b>{' '}
            {one.outcome === null ? <State of="running" /> : <State of={one.outcome} />} by{' '}
            <a href={agentHref(one.agent)}>{visible(one.agent)}</a> in {visible(one.cell)}, began{' '}
            <Clock ms={one.startedMs} />
            {one.endedMs !== null && `, took ${milliseconds(one.endedMs - one.startedMs)}`}
          </p>
          {one.error !== null && <ErrorText error={one.error} />}
        </li>
      ))}
    </ol>
  )

const sheet = (asked: Asked<TaskDescription>) => (task: TaskDescription) => (
  <>
    <Deeds task={task} again={asked.again} />
    <Facts task={task} />
    <Folded name="Payload" text={task.payload} json />
    {task.result !== null && <Folded name="Result" text={task.result} json />}
    {task.error !== null && (
      <>
        <h3>Last error</h3>
        <ErrorText error={task.error} />
      </>
    )}
    <h3>Attempts</h3>
    <History task={task} />
  </>
)

export const TaskPage = ({ id }: { id: string }) => {
  const asked = useOne<TaskDescription>(`/api/v1/tasks/${encodeURIComponent(id)}`, everyMs)
  return (
    <section class="sheet" aria-labelledby="sheet-title">
      <p class="trail">
        <a href={hrefOf(['tasks'])}>Tasks</a> / {visible(id)}
      </p>
      <h2 id="sheet-title">{visible(id)}</h2>
      <Fresh asked={asked}>{sheet(asked)}</Fresh>
    </section>
  )
}
