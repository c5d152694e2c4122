/** Everything that waits for a person, oldest matters first by kind, each with its way out on this page where it has one. */
import { signal, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { InboxItem } from '../../src/doors/api.ts'
import { useList } from './asked.ts'
import { DeedButton } from './deed.tsx'
import { Fresh } from './fresh.tsx'
import { swarm } from './known.ts'
import { ManyDialog } from './many-dialog.tsx'
import { askOrder } from './order.tsx'
import { IdLink, More, Said } from './parts.tsx'
import { ResolveDialog } from './resolve-dialog.tsx'
import { agentHref, hrefOf } from './route.ts'
import { When } from './time.tsx'
import { visible } from './visible.ts'
import { count, counted } from './words.ts'

const everyMs = 5_000
const pageSize = 50
const mostPages = 10

type Open = { readonly resolve: string } | { readonly redrive: string } | null
const open = signal<Open>(null)

/** Where an item is told in full; null for kinds that this page does not know. */
export const inboxHref = ({ kind, id }: InboxItem): string | null => {
  switch (kind) {
    case 'unknown-settlement':
    case 'held-settlement':
      return hrefOf(['settlements', id])
    case 'dead-letter':
      return hrefOf(['tasks', id])
    case 'mode':
      return id.startsWith('agent:') ? agentHref(id.slice('agent:'.length)) : null
    case 'quarantined':
      return id.includes('/') ? agentHref(id) : hrefOf(['agents'], { type: id, state: 'quarantined' })
    case 'credential':
    default:
      return null
  }
}

const release = (item: InboxItem, after: () => void): void =>
  askOrder({
    title: `Release ${item.id}?`,
    radius: (
      <p>
        {item.count === 1 ? 'One agent starts' : 'All quarantined agents of this type start'} again at once, and what is
        remembered of their losses begins anew: <b>{visible(item.id)}</b>.
      </p>
    ),
    button: item.count === 1 ? 'Release 1 agent' : `Release ${counted(item.count, 'agent')}`,
    path: `/api/v1/agents/${item.id.split('/').map(encodeURIComponent).join('/')}/release`,
    done: () => 'The release is ordered and recorded.',
    after,
  })

export const InboxDeed = ({ item, after }: { item: InboxItem; after: () => void }) => {
  switch (item.kind) {
    case 'unknown-settlement':
      return (
        <DeedButton deed="resolve" onClick={() => (open.value = { resolve: item.id })}>
          Resolve …
        </DeedButton>
      )
    case 'dead-letter':
      return (
        <DeedButton deed="redrive" onClick={() => (open.value = { redrive: item.id })}>
          Redrive …
        </DeedButton>
      )
    case 'quarantined':
      return (
        <DeedButton deed="release" onClick={() => release(item, after)}>
          Release …
        </DeedButton>
      )
    case 'held-settlement':
    case 'credential':
    case 'mode':
      // Its way out is a verb of the command line, which the row says.
      return null
    default:
      return null
  }
}

export const InboxLine = ({ item }: { item: InboxItem }) => {
  const href = inboxHref(item)
  return (
    <>
      <p class="item-head">
        <b>{visible(item.kind.replaceAll('-', ' '))}</b>
        {href === null ? <code>{visible(item.id)}</code> : <IdLink id={item.id} href={href} />}
        <span class="age">
          <When ms={item.sinceMs} />
        </span>
      </p>
      <p>
        <Said text={item.what} />
      </p>
    </>
  )
}

export const InboxDialogs = ({ after }: { after: () => void }) => {
  const now = open.value
  useEffect(
    () => () => {
      open.value = null
    },
    [],
  )
  const close = (): void => {
    open.value = null
  }
  if (now === null) return null
  return 'resolve' in now ? (
    <ResolveDialog id={now.resolve} onClose={close} after={after} />
  ) : (
    <ManyDialog deed="redrive" ids={[now.redrive]} onClose={close} after={after} />
  )
}

export const InboxPage = () => {
  const pages = useSignal(1)
  const asked = useList<InboxItem>({ path: '/api/v1/inbox', limit: pageSize, pages: pages.value, everyMs })
  const person = swarm.value?.person ?? null
  return (
    <section class="sheet inbox" aria-labelledby="sheet-title">
      <h2 id="sheet-title">Inbox</h2>
      <p class="hint">Money and work that go on only when a person decides.</p>
      <Fresh asked={asked}>
        {({ items, next }) => (
          <>
            <p class="count" role="status">
              {counted(items.length, 'item')} shown{person === null ? '' : `, ${count(person)} at the last count`}
            </p>
            {items.length === 0 ? (
              <p class="empty">Nothing waits for a person.</p>
            ) : (
              <ul class="plain">
                {items.map((item) => (
                  <li key={`${item.kind} ${item.id}`}>
                    <InboxLine item={item} />
                    <p class="way">
                      <InboxDeed item={item} after={asked.again} /> <code>{visible(item.wayOut)}</code>
                    </p>
                  </li>
                ))}
              </ul>
            )}
            <More next={next} shown={items.length} most={pageSize * mostPages} more={() => (pages.value += 1)} />
          </>
        )}
      </Fresh>
      <InboxDialogs after={asked.again} />
    </section>
  )
}
