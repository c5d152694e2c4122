/**
 * The page: what the swarm does now, what waits for a person, whether the books agree, and the few things that a
 * person may order. It speaks HTTP only; every order is asked about first and sent once.
 */
import { effect } from '@preact/signals'
import { render } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { AgentMaps } from './agent-maps.tsx'
import { AgentPage } from './agent-page.tsx'
import { AgentsPage } from './agents-page.tsx'
import { BooksPage } from './books-page.tsx'
import { CredentialsPage } from './credentials-page.tsx'
import { Checks } from './checks.tsx'
import { DeadPage } from './dead-page.tsx'
import { DescribePanel } from './describe-panel.tsx'
import { Events } from './events.tsx'
import { Header } from './header.tsx'
import { Help } from './help.tsx'
import { InboxPage } from './inbox-page.tsx'
import { Inbox } from './inbox.tsx'
import { startKeys } from './keys.ts'
import { connection, isFresh, start, swarm } from './known.ts'
import { LogPage } from './log-page.tsx'
import { OrderDialog } from './order.tsx'
import { titleOf } from './pages.ts'
import { hrefOf, place, startRoute } from './route.ts'
import { Run } from './run.tsx'
import { SettlementPage } from './settlement-page.tsx'
import { SettlementsPage } from './settlements-page.tsx'
import { TaskPage } from './task-page.tsx'
import { TasksPage } from './tasks-page.tsx'
import { Verdict } from './verdict.tsx'
import { visible } from './visible.ts'

const Overview = () => (
  <>
    <Verdict />
    <Run />
    <AgentMaps />
    <Inbox />
    <Checks />
    <Events />
  </>
)

const Nowhere = () => (
  <section class="sheet">
    <h2>No such page</h2>
    <p>
      Nothing is at this address. <a href={hrefOf([])}>Overview</a>
    </p>
  </section>
)

const Here = ({ path }: { path: readonly string[] }) => {
  const [name = '', ...rest] = path
  const id = rest.join('/')
  switch (name) {
    case '':
      return <Overview />
    case 'agents':
      return id === '' ? <AgentsPage /> : <AgentPage key={id} id={id} />
    case 'tasks':
      return id === '' ? <TasksPage /> : <TaskPage key={id} id={id} />
    case 'dead-letters':
      return <DeadPage />
    case 'settlements':
      return id === '' ? <SettlementsPage /> : <SettlementPage key={id} id={id} />
    case 'inbox':
      return <InboxPage />
    case 'credentials':
      return <CredentialsPage />
    case 'log':
      return <LogPage />
    case 'books':
      return <BooksPage />
    default:
      return <Nowhere />
  }
}

const Body = () => {
  const { path } = place.value
  const main = useRef<HTMLElement>(null)
  const was = useRef(path.join('/'))
  const now = path.join('/')
  useEffect(() => {
    // Another page is read from its beginning, also by who hears it.
    if (was.current === now) return
    was.current = now
    main.current?.focus()
    scrollTo(0, 0)
  }, [now])
  if (connection.value.state === 'signed-out' || swarm.value === null) return null
  const kind = path.length === 0 ? 'page' : 'page one'
  return (
    <main ref={main} tabIndex={-1} aria-label={visible(titleOf(path))} class={isFresh.value ? kind : `${kind} old`}>
      <Here path={path} />
    </main>
  )
}

const App = () => (
  <>
    <Header />
    <Body />
    <DescribePanel />
    {connection.value.state !== 'signed-out' && <OrderDialog />}
    <Help />
  </>
)

/** The tab says what the page says, also when it is behind others. */
const followTitle = (): void => {
  effect(() => {
    const name = swarm.value?.name ?? 'Swarmsitter'
    const { path } = place.value
    const title = path.length === 0 ? name : `${titleOf(path)} · ${name}`
    document.title = visible(connection.value.state === 'live' ? title : `${connection.value.state} · ${title}`)
  })
}

const root = document.getElementById('page')!
startRoute()
startKeys()
followTitle()
root.replaceChildren()
render(<App />, root)
start()
