/**
 * The page: what the swarm does now, what waits for a person, and whether the books agree. It speaks HTTP only and
 * changes nothing.
 */
import { effect } from '@preact/signals'
import { render } from 'preact'
import { AgentMaps } from './agent-maps.tsx'
import { Checks } from './checks.tsx'
import { DescribePanel } from './describe-panel.tsx'
import { Events } from './events.tsx'
import { Header } from './header.tsx'
import { Inbox } from './inbox.tsx'
import { connection, isFresh, start, swarm } from './known.ts'
import { Run } from './run.tsx'

const Body = () => {
  if (connection.value.state === 'signed-out' || swarm.value === null) return null
  return (
    <main class={isFresh.value ? 'page' : 'page old'}>
      <Run />
      <AgentMaps />
      <Inbox />
      <Checks />
      <Events />
    </main>
  )
}

const App = () => (
  <>
    <Header />
    <Body />
    <DescribePanel />
  </>
)

/** The tab says what the title bar says, also when the page is behind others. */
effect(() => {
  const name = swarm.value?.name ?? 'Swarmsitter'
  document.title = connection.value.state === 'live' ? name : `${connection.value.state} · ${name}`
})

const root = document.getElementById('page')!
root.replaceChildren()
render(<App />, root)
start()
