/** What the keys do, and how to switch them off. */
import { Dialog } from './dialog.tsx'
import { helpOpen, keysOn, switchKeys } from './keys.ts'

const keys: readonly (readonly [string, string])[] = [
  ['/', 'search: an agent (settler/42), a task, a settlement, or any text'],
  ['j  k', 'next and previous row of a table; the arrows do the same'],
  ['Enter', 'open the row'],
  ['Escape', 'close a dialog, leave a field, or go up to the list'],
  ['?', 'this help'],
]

export const Help = () =>
  helpOpen.value ? (
    <Dialog
      title="Keys"
      onClose={() => {
        helpOpen.value = false
      }}
    >
      <dl class="pairs keys">
        {keys.map(([key, says]) => (
          <>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{says}</dd>
          </>
        ))}
      </dl>
      <p>
        <label>
          <input type="checkbox" checked={keysOn.value} onChange={(event) => switchKeys(event.currentTarget.checked)} />{' '}
          single letters are keys (remembered here)
        </label>
      </p>
      <p class="deeds">
        <button
          type="button"
          onClick={() => {
            helpOpen.value = false
          }}
        >
          Close
        </button>
      </p>
    </Dialog>
  ) : null
