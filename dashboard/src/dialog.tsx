/** A native dialog: the browser keeps the focus inside, closes it on Escape and gives the focus back. */
import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'

export interface DialogProps {
  readonly title: string
  readonly children: ComponentChildren
  /** False while something is being sent: then it stays until the outcome is known. */
  readonly closable?: boolean
  readonly onClose: () => void
}

export const Dialog = ({ title, children, closable = true, onClose }: DialogProps) => {
  const frame = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    const dialog = frame.current!
    const before = document.activeElement
    dialog.showModal()
    return () => {
      // Closed first: while it is open everything behind it is inert and takes no focus.
      dialog.close()
      if (before instanceof HTMLElement && before.isConnected) before.focus()
    }
  }, [])
  return (
    <dialog
      ref={frame}
      aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault()
        if (closable) onClose()
      }}
      // A browser may close in spite of the above when Escape is pressed twice.
      onClose={() => {
        if (frame.current !== null) onClose()
      }}
    >
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  )
}
