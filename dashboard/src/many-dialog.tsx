/** Redrives or discards the chosen dead letters: how many, how far, and what became of each that did not go. */
import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { Dialog } from './dialog.tsx'
import { OldFigures } from './order.tsx'
import { manyOf, sendMany, tally, unfinished, type Each, type Many } from './many.ts'
import { hrefOf } from './route.ts'
import { visible } from './visible.ts'
import { count, counted } from './words.ts'

export type ManyDeed = 'redrive' | 'discard'

/** From so many on the number must be typed: what is discarded does not come back. */
const manyAre: Readonly<Record<ManyDeed, number>> = { redrive: 10, discard: 2 }
const verbs: Readonly<Record<ManyDeed, string>> = { redrive: 'Redrive', discard: 'Discard' }
const past: Readonly<Record<ManyDeed, string>> = { redrive: 'redriven', discard: 'discarded' }
const said: Readonly<Record<Each['kind'], string>> = {
  waits: 'not sent yet',
  'under-way': 'under way',
  left: 'not sent: stopped before it',
  done: 'done',
  refused: 'refused',
  unknown: 'not known whether it was done',
}

const Progress = ({ many, deed }: { many: Many; deed: ManyDeed }) => {
  const counts = tally(many)
  const over = counts.done + counts.refused + counts.unknown + counts.left
  const troubles = many.ids.filter((id) => ['refused', 'unknown', 'left'].includes(many.each[id]!.kind))
  return (
    <>
      <progress max={many.ids.length} value={over} aria-label={`${past[deed]} so far`} />
      <p role="status">
        {count(over)} of {count(many.ids.length)}: {count(counts.done)} {past[deed]}, {count(counts.refused)} refused,{' '}
        {count(counts.unknown)} not known, {count(counts.left)} not sent.
      </p>
      {troubles.length > 0 && (
        <ul class="plain lines troubles" tabIndex={0} aria-label="What did not go">
          {troubles.map((id) => {
            const each = many.each[id]!
            return (
              <li key={id}>
                <a href={hrefOf(['tasks', id])}>{id}</a> {said[each.kind]}
                {'why' in each && `: ${visible(each.why)}`}
              </li>
            )
          })}
        </ul>
      )}
    </>
  )
}

const Redriven = ({ ids }: { ids: readonly string[] }) => (
  <p>
    <b>{counted(ids.length, 'task')}</b> {ids.length === 1 ? 'becomes' : 'become'} ready again, with all tries before{' '}
    {ids.length === 1 ? 'it' : 'them'}. What made {ids.length === 1 ? 'it' : 'them'} fail may still be there.
  </p>
)

const Discarded = ({ ids }: { ids: readonly string[] }) => (
  <>
    <p>
      <b>{counted(ids.length, 'task')}</b> {ids.length === 1 ? 'ends' : 'end'} as cancelled, for good:{' '}
      {ids.length === 1 ? 'it is' : 'they are'} never tried again and {ids.length === 1 ? 'leaves' : 'leave'} the dead
      letters. What {ids.length === 1 ? 'it was' : 'they were'} to do, somebody else must do.
    </p>
    <p>Payload, errors and history stay in the record. A payment that was sent already stays what it is.</p>
  </>
)

export interface ManyProps {
  readonly deed: ManyDeed
  readonly ids: readonly string[]
  readonly onClose: () => void
  /** After some were sent. */
  readonly after: () => void
}

export const ManyDialog = ({ deed, ids, onClose, after }: ManyProps) => {
  const many = useSignal<Many>(manyOf(ids))
  const running = useSignal(false)
  const begun = useSignal(false)
  const typed = useSignal('')
  const stop = useRef(new AbortController())
  const left = unfinished(many.value).length
  const mustType = ids.length >= manyAre[deed] && !begun.value
  const run = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (running.value || left === 0 || (mustType && typed.value.trim() !== String(ids.length))) return
    running.value = true
    begun.value = true
    stop.current = new AbortController()
    await sendMany(many.value, {
      path: (id) => `/api/v1/dead-letters/${encodeURIComponent(id)}/${deed}`,
      stop: stop.current.signal,
      told: (now) => {
        many.value = now
      },
    })
    running.value = false
    after()
  }
  return (
    <Dialog title={`${verbs[deed]} ${counted(ids.length, 'dead letter')}?`} closable={!running.value} onClose={onClose}>
      <form onSubmit={(event) => void run(event)}>
        <OldFigures />
        {begun.value ? (
          <Progress many={many.value} deed={deed} />
        ) : (
          <div class="radius">{deed === 'redrive' ? <Redriven ids={ids} /> : <Discarded ids={ids} />}</div>
        )}
        {mustType && (
          <p class="field">
            <label for="typed">
              Type <b>{ids.length}</b> to go on
            </label>
            <input
              id="typed"
              inputMode="numeric"
              autocomplete="off"
              value={typed.value}
              onInput={(event) => {
                typed.value = event.currentTarget.value
              }}
            />
          </p>
        )}
        <p class="deeds">
          {running.value ? (
            <button type="button" onClick={() => stop.current.abort()}>
              Stop
            </button>
          ) : (
            left > 0 && (
              <button class="main" disabled={mustType && typed.value.trim() !== String(ids.length)}>
                {begun.value ? `Try ${counted(left, 'task')} again` : `${verbs[deed]} ${counted(left, 'task')}`}
              </button>
            )
          )}
          <button type="button" disabled={running.value} onClick={onClose}>
            {begun.value ? 'Close' : 'Cancel'}
          </button>
        </p>
      </form>
    </Dialog>
  )
}
