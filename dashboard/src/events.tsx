/** The last events, newest first. */
import type { EventView } from '../../src/doors/api.ts'
import { events, eventsFault } from './known.ts'
import { Said } from './parts.tsx'
import { Clock } from './time.tsx'
import { visible } from './visible.ts'

const levelMark: Readonly<Record<string, string>> = { info: '·', warn: '▲', error: '■' }

export const EventLine = ({ event }: { event: EventView }) => (
  <li class={event.level}>
    <Clock ms={event.wallMs} />
    <span class="level" title={event.level}>
      <span aria-hidden="true">{levelMark[event.level] ?? '·'}</span>
      <span class="spoken">{event.level}</span>
    </span>
    <span class="subject">{visible(event.subject)}</span>
    <span class="message">
      <Said text={event.message} />
    </span>
  </li>
)

export const Events = () => {
  const known = events.value
  return (
    <section class="happened" aria-labelledby="events-title">
      <h2 id="events-title">Last events</h2>
      {eventsFault.value !== null && <p class="fault">{eventsFault.value}</p>}
      {known === null ? (
        <p class="empty">{eventsFault.value === null ? 'Asking …' : 'Not known.'}</p>
      ) : known.length === 0 ? (
        <p class="empty">Nothing has happened yet.</p>
      ) : (
        <ol class="events scroll" tabIndex={0} aria-label="Last events, newest first">
          {known.map((event) => (
            <EventLine key={event.seq} event={event} />
          ))}
        </ol>
      )}
    </section>
  )
}
