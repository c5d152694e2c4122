/**
 * Freeze and thaw: the one order that must be found at once. It says what stops and what goes on; it works also while
 * the page's figures are old, and says what to type where the sitter does not answer.
 */
import type { SwarmView } from '../../src/doors/api.ts'
import { BarNote, DeedButton } from './deed.tsx'
import { askNow, swarm } from './known.ts'
import { askOrder } from './order.tsx'
import { openStates } from './progress.ts'
import { Said } from './parts.tsx'
import { visible } from './visible.ts'
import { count, counted, duration } from './words.ts'

const Money = ({ view }: { view: SwarmView }) => {
  const open = Object.values(view.work.byType).reduce(
    (sum, byState) => sum + openStates.reduce((some, state) => some + (byState[state] ?? 0), 0),
    0,
  )
  const upstreams = 'unknown' in view.gate ? null : view.gate.upstreams.map(({ name }) => visible(name))
  return (
    <ul class="what">
      <li>
        <b>Stops:</b> every new call and payment of the swarm <b>{visible(view.name)}</b>
        {upstreams === null
          ? '; which upstreams, is not known: the gate does not answer'
          : upstreams.length === 0
            ? ''
            : ` to ${upstreams.join(', ')}`}
        {'queued' in view.gate && ` (${count(view.gate.queued)} wait in the gate now)`}. {counted(open, 'task')} that
        have not ended may fail at the gate or pass their deadline meanwhile.
      </li>
      <li>
        <b>Goes on:</b>{' '}
        {'inFlight' in view.gate
          ? counted(view.gate.inFlight, 'call') + ' in flight'
          : 'calls in flight (how many is not known)'}{' '}
        end and are recorded; {counted(view.fleet.agents, 'agent')} keep running.
      </li>
      <li>
        <b>Lasts:</b> through restarts, until somebody thaws.
      </li>
    </ul>
  )
}

const askFreeze = (view: SwarmView): void =>
  askOrder({
    title: `Freeze ${view.name}?`,
    radius: <Money view={view} />,
    button: 'Freeze: nothing new goes out',
    text: { name: 'reason', label: 'Reason, for whoever thaws and for the audit (may be empty)', most: 500 },
    path: '/api/v1/swarm/freeze',
    done: (answer) =>
      (answer as { gate: unknown }).gate === true
        ? 'Frozen: the gate says so.'
        : 'Ordered. The gate has not confirmed it; it looks by itself every 250 ms. The red bar tells when it has.',
    after: askNow,
    hint: (
      <>
        On the host, <code>sitter freeze</code> works also when no sitter answers.
      </>
    ),
  })

const askThaw = (view: SwarmView): void =>
  askOrder({
    title: `Thaw ${view.name}?`,
    radius: (
      <>
        <p>
          Calls and payments of <b>{visible(view.name)}</b> go out again, at once.
        </p>
        {view.freeze.by !== null && (
          <p>
            Frozen by {visible(view.freeze.by.actor)} {duration(view.nowMs - view.freeze.by.atMs)} ago:{' '}
            <Said text={view.freeze.by.reason} />. Is that over?
          </p>
        )}
      </>
    ),
    button: 'Thaw: money moves again',
    typed: view.name,
    path: '/api/v1/swarm/thaw',
    body: { confirm: view.name },
    done: () => 'Thawed: what waited goes out now.',
    after: askNow,
  })

export const FreezeButton = () => {
  const view = swarm.value
  if (view === null || view.freeze.frozen === true) return null
  return (
    <DeedButton deed="freeze" look="freeze" onClick={() => askFreeze(view)}>
      Freeze …
    </DeedButton>
  )
}

/** Who froze the swarm and why, as long as nothing goes out; and whether the gate can say it. */
export const FrozenBanner = () => {
  const view = swarm.value
  if (view === null || view.freeze.frozen !== true) return null
  const { by, gate } = view.freeze
  return (
    <div class="banner frozen" role="alert">
      <p>
        <b>Frozen: nothing new goes out.</b>{' '}
        {by !== null && (
          <>
            By {visible(by.actor)}, {duration(view.nowMs - by.atMs)} ago: <Said text={by.reason} />.{' '}
          </>
        )}
        {gate !== true && 'The gate has not confirmed it.'}
      </p>
      <DeedButton deed="thaw" onClick={() => askThaw(view)}>
        Thaw …
      </DeedButton>
      <BarNote deeds={['thaw']} />
    </div>
  )
}
