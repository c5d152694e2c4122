/**
 * Which square of a map a person means. Keys and mouse each have their own place, so that a mouse that only rests on
 * the map does not pull the keys' place away: browsers send moves without movement whenever the page beneath changes.
 */
import { useSignal } from '@preact/signals'
import { indexAfter, indexAt, type Layout } from './map-layout.ts'

export interface PointingAsk {
  readonly agents: number
  readonly layout: Layout
  /** Enter, space or a click on a square. */
  readonly pick: (index: number) => void
}

export interface Pointing {
  /** Index of the square that is meant now; null = none. */
  readonly at: number | null
  /** Whether it was reached by keys, and is therefore spoken. */
  readonly byKey: boolean
  readonly handlers: {
    readonly onMouseMove: (event: MouseEvent) => void
    readonly onMouseLeave: () => void
    readonly onClick: (event: MouseEvent) => void
    readonly onFocus: () => void
    readonly onBlur: () => void
    readonly onKeyDown: (event: KeyboardEvent) => void
  }
}

export const usePointing = ({ agents, layout, pick }: PointingAsk): Pointing => {
  const cursor = useSignal(0)
  const hover = useSignal<number | null>(null)
  const byKey = useSignal(false)
  const place = Math.min(cursor.value, agents - 1)

  const under = (event: MouseEvent): number | null => {
    const box = (event.currentTarget as Element).getBoundingClientRect()
    return indexAt(layout, agents, event.clientX - box.left, event.clientY - box.top)
  }
  const at = byKey.value ? place : hover.value
  return {
    at: at !== null && at >= 0 && at < agents ? at : null,
    byKey: byKey.value,
    handlers: {
      onMouseMove: (event) => {
        if (event.movementX === 0 && event.movementY === 0) return
        byKey.value = false
        hover.value = under(event)
      },
      onMouseLeave: () => {
        hover.value = null
      },
      onClick: (event) => {
        const index = under(event)
        if (index === null) return
        cursor.value = index
        byKey.value = false
        pick(index)
      },
      // A click focuses too; its square is shown by the mouse, so only a focus without a mouse over the map counts as
      // keys.
      onFocus: () => {
        byKey.value = hover.value === null
      },
      onBlur: () => {
        byKey.value = false
      },
      onKeyDown: (event) => {
        if (event.key === 'Enter' || event.key === ' ') {
          event.preventDefault()
          pick(place)
          return
        }
        const index = indexAfter(event.key, place, agents, layout)
        if (index === null) return
        event.preventDefault()
        cursor.value = index
        byKey.value = true
      },
    },
  }
}
