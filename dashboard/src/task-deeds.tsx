/** What may be ordered of one task: cancel, go on now, another life, another payload, or an end for good. */
import { useSignal } from '@preact/signals'
import type { TaskDescription } from '../../src/doors/api.ts'
import { isTaskEnd } from '../../src/model/task.ts'
import { BarNote, DeedButton } from './deed.tsx'
import { ManyDialog } from './many-dialog.tsx'
import { askOrder } from './order.tsx'
import { PayloadDialog } from './payload-dialog.tsx'
import { visible } from './visible.ts'

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

export const TaskDeeds = ({ task, again }: { task: TaskDescription; again: () => void }) => {
  // The task as it was when the dialog was opened: what is asked about must not change under the question.
  const edited = useSignal<TaskDescription | null>(null)
  const discarded = useSignal(false)
  const { state } = task.state
  const held = state === 'waiting' || state === 'dead'
  return (
    <>
      <p class="deeds">
        {held && (
          <>
            <DeedButton deed="retry" look="main" onClick={() => retryTask(task, again)}>
              {state === 'dead' ? 'Redrive …' : 'Retry now …'}
            </DeedButton>
            <DeedButton deed="retry" onClick={() => (edited.value = task)}>
              Edit payload …
            </DeedButton>
          </>
        )}
        {state === 'dead' && (
          <DeedButton deed="discard" onClick={() => (discarded.value = true)}>
            Discard …
          </DeedButton>
        )}
        {!isTaskEnd(state) && state !== 'dead' && (
          <DeedButton deed="cancel" onClick={() => cancelTask(task, again)}>
            Cancel …
          </DeedButton>
        )}
        {(held || !isTaskEnd(state)) && <BarNote deeds={['retry', 'discard', 'cancel']} />}
      </p>
      {edited.value !== null && (
        <PayloadDialog task={edited.value} onClose={() => (edited.value = null)} after={again} />
      )}
      {discarded.value && (
        <ManyDialog deed="discard" ids={[task.id]} onClose={() => (discarded.value = false)} after={again} />
      )}
    </>
  )
}
