/** Everything that waits for a person, by cause, each with its way out. */
import type { InboxCause } from '../../src/doors/api.ts'
import { InboxDeed, InboxDialogs, InboxLine } from './inbox-page.tsx'
import { askNow, inbox, swarm } from './known.ts'
import { Said } from './parts.tsx'
import { hrefOf } from './route.ts'
import { When } from './time.tsx'
import { visible } from './visible.ts'
import { count, counted } from './words.ts'

const shown = 50

/** Where those of a cause stand one by one. */
const hrefOfCause = ({ kind, like }: InboxCause): string => {
  if (like !== undefined) return hrefOf(['dead-letters'], like)
  return kind === 'unknown-settlement' ? hrefOf(['settlements'], { person: 'true' }) : hrefOf(['inbox'])
}

const Cause = ({ cause }: { cause: InboxCause }) => {
  if (cause.ids.length === 1) {
    const item = { ...cause, id: cause.ids[0]! }
    return (
      <>
        <InboxLine item={item} />
        <p class="way">
          <InboxDeed item={item} after={askNow} />
        </p>
      </>
    )
  }
  return (
    <>
      <p class="item-head">
        <b>{visible(cause.kind.replaceAll('-', ' '))}</b>
        <a href={hrefOfCause(cause)}>all {count(cause.count)}</a>
        <span class="age">
          <When ms={cause.sinceMs} />
        </span>
      </p>
      <p>
        <Said text={cause.what} />
      </p>
    </>
  )
}

export const Inbox = () => {
  const view = swarm.value!
  const causes = inbox.value
  return (
    <section class={view.person > 0 ? 'inbox waiting' : 'inbox'} aria-labelledby="inbox-title">
      <h2 id="inbox-title">Waits for a person{view.person > 0 && <span class="badge">{count(view.person)}</span>}</h2>
      {view.person === 0 ? (
        <p class="empty">Nothing waits for a person.</p>
      ) : causes === null ? (
        <p class="empty">Asking …</p>
      ) : (
        <>
          <ul class="plain scroll" tabIndex={0} aria-label="Waiting items">
            {causes.items.slice(0, shown).map((cause) => (
              <li key={`${cause.kind} ${cause.cause}`}>
                <Cause cause={cause} />
              </li>
            ))}
          </ul>
          {(causes.items.length > shown || causes.more) && (
            <p class="empty">
              {causes.items.length > shown && <>and {counted(causes.items.length - shown, 'more cause')}; </>}
              <a href={hrefOf(['inbox'])}>the whole inbox</a>
            </p>
          )}
        </>
      )}
      <InboxDialogs after={askNow} />
    </section>
  )
}
