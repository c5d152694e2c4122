/**
 * An order to the sitter, after a question that names everything it will touch. It is sent once: the button is dead
 * while it is under way, and a repetition after a lost answer carries the same key.
 */
import { signal, useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useRef } from 'preact/hooks'
import { newKey, sendText, type Sent } from './ask.ts'
import { Dialog } from './dialog.tsx'
import { connection, heard } from './known.ts'
import { visible } from './visible.ts'
import { duration } from './words.ts'

export interface Sending {
  readonly busy: boolean
  /** What became of the last try; null before the first. */
  readonly sent: Sent | null
  order(path: string, body: unknown): Promise<Sent | null>
  /** As `order`, with the JSON text as it is: its numbers are not read on the way. */
  orderText(path: string, json: string): Promise<Sent | null>
}

/** Sends at most one order at a time. The key belongs to the order's text: another text is another order. */
export const useSending = (): Sending => {
  const busy = useSignal(false)
  const sent = useSignal<Sent | null>(null)
  const lock = useRef(false)
  const key = useRef({ text: '', key: '' })
  const orderText = async (path: string, json: string): Promise<Sent | null> => {
    if (lock.current) return null
    lock.current = true
    busy.value = true
    const text = `${path} ${json}`
    if (key.current.text !== text) key.current = { text, key: newKey() }
    const outcome = await sendText(path, json, key.current.key)
    // Refused, or lost for ever under this key: another press is another order.
    if (outcome.kind !== 'unknown' || !outcome.sameKey) key.current = { text: '', key: '' }
    if (outcome.kind === 'refused' && outcome.signedOut) {
      heard.value = { ...heard.value, signedOut: true }
    }
    sent.value = outcome
    busy.value = false
    lock.current = false
    return outcome
  }
  return {
    busy: busy.value,
    sent: sent.value,
    order: (path, body) => orderText(path, JSON.stringify(body)),
    orderText,
  }
}

/** What became of an order, as a sentence; a lost answer is no failure and no success. */
export const Outcome = ({ sent, done }: { sent: Sent | null; done: ComponentChildren }) => {
  if (sent === null) return null
  if (sent.kind === 'done')
    return (
      <p class="outcome good" role="status">
        <b aria-hidden="true">✓</b> {done}
      </p>
    )
  if (sent.kind === 'refused')
    return (
      <p class="outcome bad" role="alert">
        <b aria-hidden="true">✗</b> Refused, nothing was done: {visible(sent.why)}
      </p>
    )
  return (
    <p class="outcome unsure" role="alert">
      <b aria-hidden="true">?</b> Not known whether it was done: {visible(sent.why)}.{' '}
      {sent.sameKey
        ? 'Sending it again is safe: it carries the same key.'
        : 'Close this, look at what became of it, and only then give a new order.'}
    </p>
  )
}

/** Said in each dialog when the figures above its question are not of this moment. */
export const OldFigures = () => {
  const now = connection.value
  if (now.state !== 'stale') return null
  return <p class="note">What this dialog tells is {duration(now.ageMs)} old.</p>
}

export interface Order {
  readonly title: string
  /** Everything that it touches, and what follows. */
  readonly radius: ComponentChildren
  readonly button: string
  /** Must be typed first, when it touches many. */
  readonly typed?: string
  /** A text that goes along, under its name in the body, unless it is left empty. */
  readonly text?: { readonly name: string; readonly label: string; readonly most: number }
  readonly path: string
  readonly body?: Readonly<Record<string, unknown>>
  readonly done: (answer: unknown) => string
  /** Another way to the same end, said when it is not known whether this one worked. */
  readonly hint?: ComponentChildren
  /** After it was done. */
  readonly after?: () => void
}

interface FieldProps {
  readonly id: string
  readonly now: string
  readonly most: number
  readonly set: (now: string) => void
  readonly children: ComponentChildren
}

const open = signal<Order | null>(null)
export const askOrder = (order: Order): void => {
  open.value = order
}

/** One line of text in an order's dialog. */
const Field = ({ id, now, most, set, children }: FieldProps) => (
  <p class="field">
    <label for={id}>{children}</label>
    <input
      id={id}
      autocomplete="off"
      spellcheck={false}
      maxLength={most}
      value={now}
      onInput={(event) => set(event.currentTarget.value)}
    />
  </p>
)

const OrderForm = ({ order }: { order: Order }) => {
  const sending = useSending()
  const typed = useSignal('')
  const text = useSignal('')
  const close = (): void => {
    open.value = null
  }
  const isDone = sending.sent?.kind === 'done'
  const ready = order.typed === undefined || typed.value.trim() === order.typed
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (!ready || isDone) return
    const sent = await sending.order(order.path, {
      ...order.body,
      ...(order.text !== undefined && text.value.trim() !== '' && { [order.text.name]: text.value.trim() }),
    })
    if (sent?.kind === 'done') order.after?.()
  }
  return (
    <Dialog title={visible(order.title)} closable={!sending.busy} onClose={close}>
      <form onSubmit={(event) => void submit(event)}>
        <OldFigures />
        <div class="radius">{order.radius}</div>
        {order.text !== undefined && !isDone && (
          <Field id="text" now={text.value} most={order.text.most} set={(now) => (text.value = now)}>
            {order.text.label}
          </Field>
        )}
        {order.typed !== undefined && !isDone && (
          <Field id="typed" now={typed.value} most={100} set={(now) => (typed.value = now)}>
            Type <b>{visible(order.typed)}</b> to go on
          </Field>
        )}
        <Outcome sent={sending.sent} done={isDone ? order.done(sending.sent.answer) : ''} />
        {sending.sent?.kind === 'unknown' && order.hint !== undefined && <p class="hint">{order.hint}</p>}
        <p class="deeds">
          {!isDone && (
            <button class="main" disabled={sending.busy || !ready}>
              {sending.busy ? 'Sending …' : order.button}
            </button>
          )}
          <button type="button" disabled={sending.busy} onClick={close}>
            {isDone ? 'Close' : 'Cancel'}
          </button>
        </p>
      </form>
    </Dialog>
  )
}

/** Where the open question is shown; once on the page. */
export const OrderDialog = () => (open.value === null ? null : <OrderForm order={open.value} />)
