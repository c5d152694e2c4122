/** Everything that waits for a person, each with its way out. */
import { choose, inbox, sitterNowMs, swarm } from './known.ts'
import { counted, duration } from './words.ts'

export const Inbox = () => {
  const view = swarm.value!
  const items = inbox.value?.items
  return (
    <section class={view.person > 0 ? 'inbox waiting' : 'inbox'} aria-labelledby="inbox-title">
      <h2 id="inbox-title">Waits for a person{view.person > 0 && <span class="badge">{view.person}</span>}</h2>
      {view.person === 0 ? (
        <p class="empty">Nothing waits for a person.</p>
      ) : items === undefined ? (
        <p class="empty">Asking …</p>
      ) : (
        <>
          <ul class="plain scroll" tabIndex={0} aria-label="Waiting items">
            {items.map((item) => (
              <li key={item.id}>
                <p>
                  <b>{item.kind.replace('-', ' ')}</b>
                  {item.kind === 'quarantined' && (
                    <>
                      {' '}
                      <button type="button" class="link" onClick={() => choose(item.id)}>
                        {item.id}
                      </button>
                    </>
                  )}{' '}
                  {item.what} <span class="age">{duration(sitterNowMs.value - item.sinceMs)}</span>
                </p>
                <p class="way">
                  <code>{item.wayOut}</code>
                </p>
              </li>
            ))}
          </ul>
          {view.person > items.length && (
            <p class="empty">
              and {counted(view.person - items.length, 'more', 'more')}: <code>sitter inbox</code>
            </p>
          )}
        </>
      )}
    </section>
  )
}
