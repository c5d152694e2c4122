/** The frame of every answer: being asked, failed, old or fresh. What is old is said to be, with its age and why. */
import type { ComponentChildren } from 'preact'
import type { Asked } from './asked.ts'
import { nowMs } from './known.ts'
import { visible } from './visible.ts'
import { duration } from './words.ts'

/** An answer this much later than it should have come is old. */
const graceMs = 3_500

interface FreshProps<Answer> {
  readonly asked: Asked<Answer>
  readonly children: (answer: Answer) => ComponentChildren
}

export const Fresh = <Answer,>({ asked, children }: FreshProps<Answer>) => {
  const { answer, atMs, fault, missing, forbidden } = asked
  const again = (
    <button type="button" onClick={asked.again}>
      Ask again
    </button>
  )
  if (answer === null || atMs === null) {
    if (fault === null) return <p class="empty asking">Asking …</p>
    return (
      <p class="fault" role="alert">
        {missing ? '' : forbidden ? 'Not shown: ' : 'Not known: '}
        {visible(fault)} {!forbidden && again}
      </p>
    )
  }
  const ageMs = nowMs.value - atMs
  const old = fault !== null || ageMs > asked.everyMs + graceMs
  return (
    <>
      {old && (
        <p class="note" role="status">
          This is {duration(ageMs)} old: {visible(fault ?? 'no newer answer yet')}. {again}
        </p>
      )}
      <div class={old ? 'answer was' : 'answer'}>{children(answer)}</div>
    </>
  )
}
