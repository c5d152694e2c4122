/** One task: its state, payload, result, every attempt with its error, and what may be ordered. */
import type { TaskDescription } from '../../src/doors/api.ts'
import { useOne, type Asked } from './asked.ts'
import { Fresh } from './fresh.tsx'
import { ErrorText, Folded, Pair, Said, State } from './parts.tsx'
import { agentHref, hrefOf } from './route.ts'
import { TaskDeeds } from './task-deeds.tsx'
import { Clock, When } from './time.tsx'
import { visible } from './visible.ts'
import { counted, milliseconds } from './words.ts'

const everyMs = 2_000

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
    {task.comesAfter.length > 0 && (
      <Pair name="comes after">
        <ul class="plain">
          {task.comesAfter.map((one) => (
            <li key={one.task}>
              <a href={hrefOf(['tasks', one.task])}>{visible(one.task)}</a>,{' '}
              {one.ended === null ? 'still waited for' : <State of={one.ended} />}
            </li>
          ))}
        </ul>
      </Pair>
    )}
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

/** The payload as it is, and each one that was replaced, with who replaced it. */
const Payloads = ({ task }: { task: TaskDescription }) => (
  <>
    <Folded name={task.version === 1 ? 'Payload' : `Payload, version ${task.version}`} text={task.payload} json />
    {task.payloads.toReversed().map((one) => (
      <div key={one.version} class="replaced">
        <Folded name={`Payload, version ${one.version}, replaced`} text={one.payload} json />
        <p class="hint">
          Replaced by {visible(one.actor)}, <When ms={one.replacedMs} />
        </p>
      </div>
    ))}
  </>
)

/** Why it died, each time, and what a person made of it; the last one's error stands above already. */
const Deaths = ({ task }: { task: TaskDescription }) =>
  task.deadLetters.length === 0 ? null : (
    <>
      <h3>Deaths</h3>
      <ol class="plain attempts">
        {task.deadLetters.map((one) => (
          <li key={one.life}>
            <p>
              <b>Life {one.life}</b> ended <When ms={one.diedMs} /> after {counted(one.attempts, 'try', 'tries')}:{' '}
              {visible(one.reason)}, payload version {one.version}.{' '}
              {one.closed === null ? (
                <b>Waits for a person.</b>
              ) : (
                <>
                  {one.closed} by {visible(one.actor ?? 'unknown')}, <When ms={one.closedMs} none="time not recorded" />
                </>
              )}
            </p>
            {one.error !== null && one.life !== task.life && <ErrorText error={one.error} />}
          </li>
        ))}
      </ol>
    </>
  )

const sheet = (asked: Asked<TaskDescription>) => (task: TaskDescription) => (
  <>
    <TaskDeeds task={task} again={asked.again} />
    <Facts task={task} />
    <Payloads task={task} />
    {task.result !== null && <Folded name="Result" text={task.result} json />}
    {task.error !== null && (
      <>
        <h3>Last error</h3>
        <ErrorText error={task.error} />
      </>
    )}
    <Deaths task={task} />
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
