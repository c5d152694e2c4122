/**
 * Redrives every dead letter that the filter selects, also those that the page does not hold: counted by the sitter
 * first, and the count is what must be typed.
 */
import { useSignal } from '@preact/signals'
import type { RedriveAnswer } from '../../src/doors/api.ts'
import { newKey, send } from './ask.ts'
import { DeedButton } from './deed.tsx'
import { askOrder } from './order.tsx'
import { visible } from './visible.ts'
import { counted } from './words.ts'

export interface Matching {
  readonly type?: string | undefined
  readonly error?: string | undefined
  readonly partial?: string | undefined
}

const path = '/api/v1/dead-letters:redrive'

const like = ({ type, error, partial }: Matching): string =>
  [
    type === undefined ? '' : ` of type ${visible(type)}`,
    error === undefined ? '' : ` with “${visible(error)}” in their error`,
    partial === undefined ? '' : ' that are partly done',
  ].join('')

export const RedriveMatching = ({ matching, after }: { matching: Matching; after: () => void }) => {
  const busy = useSignal(false)
  const fault = useSignal<string | null>(null)
  const filter = {
    ...(matching.type !== undefined && { type: matching.type }),
    ...(matching.error !== undefined && { error: matching.error }),
    ...(matching.partial !== undefined && { partial: true }),
  }
  const body = Object.keys(filter).length === 0 ? { all: true } : filter
  const count = async (): Promise<void> => {
    busy.value = true
    const sent = await send(path, { ...body, dryRun: true }, newKey())
    busy.value = false
    fault.value = sent.kind === 'done' ? null : sent.why
    if (sent.kind !== 'done') return
    const { count: found, more } = sent.answer as RedriveAnswer
    if (found === 0) return after()
    askOrder({
      title: 'Redrive all dead letters that match?',
      radius: (
        <p>
          <b>{counted(found, 'dead letter')}</b>
          {like(matching)} {found === 1 ? 'becomes' : 'become'} ready again, at once, with all tries before them, also
          those that this page does not show{more ? '; there are more, which stay' : ''}. What made them fail may still
          be there. Slowly: <code>sitter dlq redrive --rate</code>
        </p>
      ),
      button: `Redrive ${counted(found, 'task')}`,
      typed: String(found),
      path,
      // No more than the number that was typed, whatever has died meanwhile.
      body: { ...body, limit: found },
      done: (answer) => `${counted((answer as RedriveAnswer).count, 'task')} redriven.`,
      after,
    })
  }
  return (
    <>
      <DeedButton deed="redriveMatching" disabled={busy.value} onClick={() => void count()}>
        Redrive all that match …
      </DeedButton>
      {fault.value !== null && <span class="fault">Not counted: {visible(fault.value)}</span>}
    </>
  )
}
