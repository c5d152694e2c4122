/**
 * Another payload for a task that is dead or waits: the new version and the next try are one order. The version that
 * was read goes along, so that two people never write over each other.
 */
import { useSignal } from '@preact/signals'
import type { TaskDescription } from '../../src/doors/api.ts'
import { Dialog } from './dialog.tsx'
import { jsonFault } from './json-text.ts'
import { OldFigures, Outcome, useSending } from './order.tsx'
import { escaped, indented, visible } from './visible.ts'

/** The record refuses more. */
const mostCharacters = 256 * 1_024

export interface PayloadProps {
  readonly task: TaskDescription
  readonly onClose: () => void
  readonly after: () => void
}

export const PayloadDialog = ({ task, onClose, after }: PayloadProps) => {
  const sending = useSending()
  const before = escaped(indented(task.payload))
  const text = useSignal(before)
  const { sent, busy } = sending
  const isDone = sent?.kind === 'done'
  const fault = jsonFault(text.value)
  const same = text.value.trim() === before.trim()
  const ready = fault === null && !same
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (!ready || isDone) return
    const json = `{"version":${task.version},"payload":${text.value.trim()}}`
    const outcome = await sending.orderText(`/api/v1/tasks/${encodeURIComponent(task.id)}/retry`, json)
    if (outcome?.kind === 'done') after()
  }
  return (
    <Dialog title="Try again with another payload?" closable={!busy} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <OldFigures />
        <div class="radius">
          <p>
            One task, <b>{visible(task.id)}</b>, {task.state.state} now, gets payload version {task.version + 1} and
            becomes ready. Version {task.version} is kept in its history, with who replaced it.
          </p>
          <p>
            A payment is known by its reference: with the same reference and other parameters it is refused as a
            conflict, with another reference it is another payment.
          </p>
        </div>
        {!isDone && (
          <p class="field">
            <label for="payload">Payload, version {task.version} as it is now</label>
            <textarea
              id="payload"
              class="code"
              rows={12}
              spellcheck={false}
              autocomplete="off"
              maxLength={mostCharacters}
              aria-describedby="payload-fault"
              value={text.value}
              onInput={(event) => {
                text.value = event.currentTarget.value
              }}
            />
            <span id="payload-fault" class="hint" role="status">
              {fault ?? (same ? 'Nothing is changed yet.' : 'Valid JSON.')}
            </span>
          </p>
        )}
        <Outcome
          sent={sent}
          done={`The task has payload version ${task.version + 1}, and is tried as soon as an agent is free.`}
        />
        <p class="deeds">
          {!isDone && (
            <button class="main" disabled={busy || !ready}>
              {busy ? 'Sending …' : `Save as version ${task.version + 1} and try again`}
            </button>
          )}
          <button type="button" disabled={busy} onClick={onClose}>
            {isDone ? 'Close' : 'Cancel'}
          </button>
        </p>
      </form>
    </Dialog>
  )
}
