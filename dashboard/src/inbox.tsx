/** Everything that waits for a person, each with its way out. */
import { InboxDeed, InboxDialogs, InboxLine } from './inbox-page.tsx'
import { askNow, inbox, swarm } from './known.ts'
import { hrefOf } from './route.ts'
import { count, counted } from './words.ts'

export const Inbox = () => {
  const view = swarm.value!
  const items = inbox.value?.items
  return (
    <section class={view.person > 0 ? 'inbox waiting' : 'inbox'} aria-labelledby="inbox-title">
      <h2 id="inbox-title">Waits for a person{view.person > 0 && <span class="badge">{count(view.person)}</span>}</h2>
      {view.person === 0 ? (
        <p class="empty">Nothing waits for a person.</p>
      ) : items === undefined ? (
        <p class="empty">Asking …</p>
      ) : (
        <>
          <ul class="plain scroll" tabIndex={0} aria-label="Waiting items">
            {items.map((item) => (
              <li key={item.id}>
                <InboxLine item={item} />
                <p class="way">
                  <InboxDeed item={item} after={askNow} />
                </p>
              </li>
            ))}
          </ul>
          {view.person > items.length && (
            <p class="empty">
              and {counted(view.person - items.length, 'more', 'more')}: <a href={hrefOf(['inbox'])}>the whole inbox</a>
            </p>
          )}
        </>
      )}
      <InboxDialogs after={askNow} />
    </section>
  )
}
