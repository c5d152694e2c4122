/**
 * A button that orders something. Who may not use it sees it, cannot press it, and is told why: by pointing at it, by
 * walking to it with the keyboard, or in the line below.
 */
import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'
import { barred, type DeedName } from './role.ts'

export interface DeedProps {
  readonly deed: DeedName
  readonly onClick: () => void
  readonly children: ComponentChildren
  readonly disabled?: boolean
  readonly look?: string
}

export const DeedButton = ({ deed, onClick, children, disabled = false, look = '' }: DeedProps) => {
  const id = useId()
  const bar = barred(deed)
  if (bar === null)
    return (
      <button type="button" class={look} disabled={disabled} onClick={onClick}>
        {children}
      </button>
    )
  return (
    <>
      <button type="button" class={`${look} barred`} aria-disabled="true" aria-describedby={id} title={bar}>
        {children}
      </button>
      <span id={id} class="spoken">
        {bar}
      </span>
    </>
  )
}

/** Said once beside buttons of which none is for this role. */
export const BarNote = ({ deeds }: { deeds: readonly DeedName[] }) => {
  const bars = deeds.map(barred)
  return bars.includes(null) || bars[0] === undefined ? null : <span class="bar-note">{bars[0]}</span>
}
