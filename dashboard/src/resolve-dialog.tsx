/**
 * A person says what became of a payment that nobody else can tell. Both answers move money or the books, so the page
 * says what follows, wants evidence, and shows what came of it.
 */
import { useSignal } from '@preact/signals'
import type { SettlementAnswer, SettlementDescription } from '../../src/doors/api.ts'
import { useOne } from './asked.ts'
import { Dialog } from './dialog.tsx'
import { Fresh } from './fresh.tsx'
import { OldFigures, Outcome, useSending, type Sending } from './order.tsx'
import { Said, State } from './parts.tsx'
import { visible } from './visible.ts'
import { grouped } from './words.ts'

type Verdict = 'settled' | 'absent'
/** The record keeps this much of the evidence. */
const mostEvidence = 500

const Follows = ({ as, one }: { as: Verdict; one: SettlementAnswer }) => {
  const amount = `${grouped(one.amount)} ${one.currency}`
  return as === 'settled' ? (
    <p class="note">
      The books will say that <b>{amount}</b> reached <Said text={one.payee} />, and the payment is never sent again. If
      it did not arrive there, the payee goes without it.
    </p>
  ) : (
    <p class="note">
      The payment of <b>{amount}</b> to <Said text={one.payee} /> is <b>sent again, at once</b>, with the same key{' '}
      <code>
        <Said text={one.providerKey} />
      </code>
      . If the first one did arrive and the provider does not honour the key, it is paid twice.
    </p>
  )
}

const Choice = ({ value, now, says, set }: { value: Verdict; now: Verdict | null; says: string; set: () => void }) => (
  <label class="choice">
    <input type="radio" name="as" value={value} checked={now === value} onChange={set} required />{' '}
    <span>
      <b>{value}</b>: {says}
    </span>
  </label>
)

interface FormProps {
  readonly one: SettlementDescription
  readonly sending: Sending
  readonly onClose: () => void
  readonly after: () => void
}

const ResolveForm = ({ one, sending, onClose, after }: FormProps) => {
  const as = useSignal<Verdict | null>(null)
  const evidence = useSignal('')
  const { sent, busy } = sending
  const done = sent?.kind === 'done' ? (sent.answer as SettlementAnswer) : null
  const ready = as.value !== null && evidence.value.trim() !== ''
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (!ready || done !== null) return
    const body = { as: as.value, evidence: evidence.value.trim() }
    const outcome = await sending.order(`/api/v1/settlements/${encodeURIComponent(one.id)}/resolve`, body)
    if (outcome?.kind === 'done') after()
  }
  return (
    <form onSubmit={(event) => void submit(event)}>
      <p>
        One payment: <Said text={one.reference} />, {grouped(one.amount)} {one.currency} to <Said text={one.payee} />{' '}
        over {visible(one.channel)}, <State of={one.state} /> now
        {one.reason !== null && (
          <>
            : <Said text={one.reason} />
          </>
        )}
        .
      </p>
      {done === null && (
        <>
          <fieldset>
            <legend>What became of it?</legend>
            <Choice value="settled" now={as.value} says="the money arrived" set={() => (as.value = 'settled')} />
            {one.state === 'unknown' && (
              <Choice
                value="absent"
                now={as.value}
                says="the provider never got it"
                set={() => (as.value = 'absent')}
              />
            )}
          </fieldset>
          {as.value !== null && <Follows as={as.value} one={one} />}
          <p class="field">
            <label for="evidence">Evidence (kept in the audit, at most {mostEvidence} characters)</label>
            <textarea
              id="evidence"
              rows={4}
              required
              maxLength={mostEvidence}
              value={evidence.value}
              placeholder="statement of 21 November, line 14; call with the bank, who and when"
              onInput={(event) => {
                evidence.value = event.currentTarget.value
              }}
            />
          </p>
        </>
      )}
      <Outcome
        sent={sent}
        done={
          done === null ? (
            ''
          ) : (
            <>
              Recorded. The settlement is now <State of={done.state} />.
            </>
          )
        }
      />
      <p class="deeds">
        {done === null && (
          <button class="main" disabled={!ready || busy}>
            {busy ? 'Sending …' : `Resolve${as.value === null ? '' : ` as ${as.value}`}`}
          </button>
        )}
        <button type="button" disabled={busy} onClick={onClose}>
          {done === null ? 'Cancel' : 'Close'}
        </button>
      </p>
    </form>
  )
}

export interface ResolveProps {
  readonly id: string
  readonly onClose: () => void
  readonly after: () => void
}

export const ResolveDialog = ({ id, onClose, after }: ResolveProps) => {
  const asked = useOne<SettlementDescription>(`/api/v1/settlements/${encodeURIComponent(id)}`, 5_000)
  const sending = useSending()
  return (
    <Dialog title="Resolve this settlement?" closable={!sending.busy} onClose={onClose}>
      <OldFigures />
      <Fresh asked={asked}>
        {(one) => <ResolveForm one={one} sending={sending} onClose={onClose} after={after} />}
      </Fresh>
      {asked.answer === null && (
        <p class="deeds">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </p>
      )}
    </Dialog>
  )
}
