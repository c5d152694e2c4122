/** Whether the books agree, what the gate does, and what this version does not have. */
import type { ComponentChildren } from 'preact'
import type { SwarmView } from '../../src/doors/api.ts'
import { askAudit, audit, nowMs, sitterNowMs, swarm } from './known.ts'
import { exitText } from './parts.tsx'
import { barred } from './role.ts'
import { visible } from './visible.ts'
import { count, counted, coverageText, duration, grouped } from './words.ts'

type Tone = 'good' | 'bad' | 'unsure'
const marks: Readonly<Record<Tone, string>> = { good: '✓', bad: '✗', unsure: '?' }

const Check = ({ tone, name, children }: { tone: Tone; name: string; children: ComponentChildren }) => (
  <li class={`check ${tone}`}>
    <span class="mark" aria-hidden="true">
      {marks[tone]}
    </span>
    <b>{name}</b> <span>{children}</span>
  </li>
)

const isZero = (amount: string): boolean => /^0(\.0*)?$/.test(amount)

const Ledger = ({ view }: { view: SwarmView }) => {
  const { ok, transfers, faults, byCurrency } = view.ledger
  if (!ok)
    return (
      <Check tone="bad" name="Ledger">
        {faults.join('; ') || 'does not balance'}
      </Check>
    )
  const sums = byCurrency.map(
    (one) => `${grouped(one.debits)} ${one.currency}${isZero(one.pending) ? '' : `, ${grouped(one.pending)} reserved`}`,
  )
  return (
    <Check tone="good" name="Ledger">
      balanced over {counted(transfers, 'transfer')}
      {sums.length > 0 && `: ${sums.join(' · ')}`} <i>checked {duration(sitterNowMs.value - view.figuresMs)} ago</i>
    </Check>
  )
}

/** Whether the audit's chain holds, and when that was looked at. */
export const AuditCheck = () => {
  const known = audit.value
  const bar = barred('auditVerify')
  if (bar !== null)
    return (
      <Check tone="unsure" name="Audit">
        not checked here. {bar}
      </Check>
    )
  if (known === null || known === 'asking')
    return (
      <Check tone="unsure" name="Audit">
        {known === null ? 'not checked yet' : 'checking …'}
      </Check>
    )
  if ('fault' in known)
    return (
      <Check tone="unsure" name="Audit">
        not known: {known.fault}
      </Check>
    )
  const { verdict, atMs } = known
  const again = (
    <button
      type="button"
      class="link"
      onClick={() => {
        void askAudit()
      }}
    >
      check again
    </button>
  )
  if (!verdict.ok)
    return (
      <Check tone="bad" name="Audit">
        broken at entry {verdict.firstBad ?? 'unknown'}: {verdict.why} {again}
      </Check>
    )
  return (
    <Check tone="good" name="Audit">
      {counted(verdict.entries, 'entry', 'entries')} chained, head <code>{verdict.head.slice(0, 12)}</code>{' '}
      <i>checked {duration(nowMs.value - atMs)} ago</i> {again}
    </Check>
  )
}

const upstreamText = (one: {
  name: string
  calls: number
  byStatus: Readonly<Record<string, number>>
  latencyMs: { p95: number } | null
}): string => {
  const statuses = Object.entries(one.byStatus).map(([status, number]) => `${count(number)} × ${status}`)
  const answered = statuses.length > 0 ? ` (${statuses.join(', ')})` : ''
  const speed = one.latencyMs === null ? '' : `, p95 ${Math.round(one.latencyMs.p95)} ms`
  return `${one.name}: ${counted(one.calls, 'call')}${answered}${speed}`
}

const Gate = ({ view }: { view: SwarmView }) => {
  const { gate } = view
  if ('unknown' in gate)
    return (
      <Check tone="unsure" name="Gate">
        unknown: {gate.unknown}
      </Check>
    )
  return (
    <Check tone={gate.frozen || gate.journalRefuses ? 'bad' : 'good'} name="Gate">
      {gate.frozen
        ? 'frozen: nothing goes out'
        : gate.journalRefuses
          ? 'cannot write its journal: nothing goes out'
          : `${count(gate.inFlight)} calls in flight, ${count(gate.queued)} queued`}
      {gate.upstreams.map((one) => (
        <span key={one.name} class="upstream">
          {upstreamText(one)}
        </span>
      ))}
    </Check>
  )
}

const Cells = ({ view }: { view: SwarmView }) => (
  <Check tone={view.fleet.coverage.reporting === view.fleet.coverage.of ? 'good' : 'unsure'} name="Cells">
    {counted(view.fleet.cells, 'process', 'processes')}, {count(view.fleet.standbys.ready)} of{' '}
    {count(view.fleet.standbys.wanted)} standing by, {counted(view.fleet.restarts, 'agent restart')},{' '}
    {count(view.fleet.cellsLost)} lost; {coverageText(view.fleet.coverage)}
  </Check>
)

/** Nothing is shown where every mode is active. */
const Modes = ({ view: { modes } }: { view: SwarmView }) =>
  modes.count === 0 ? null : (
    <Check tone="unsure" name="Modes">
      {modes.items.map(({ target, source, mode, actor, reason, sinceMs, exit }) => (
        <span key={`${target} ${source}`} class="upstream">
          {visible(target)} is {mode} for {duration(sitterNowMs.value - sinceMs)}, set by {visible(actor)}:{' '}
          {visible(reason)}; ends: {visible(exitText(exit))}
        </span>
      ))}
      {modes.count > modes.items.length && `${count(modes.count - modes.items.length)} more: sitter mode`}
    </Check>
  )

export const Checks = () => {
  const view = swarm.value!
  return (
    <section class="checks" aria-labelledby="checks-title">
      <h2 id="checks-title">Checks</h2>
      <ul class="plain">
        <Ledger view={view} />
        <AuditCheck />
        <Gate view={view} />
        <Cells view={view} />
        <Modes view={view} />
        {view.settle.cost.map((cost) => (
          <Check key={cost.currency} tone="good" name="Cost">
            {cost.amount} {cost.currency} for {counted(cost.calls, 'call')}, {cost.perSettlement} {cost.currency} a
            settlement
          </Check>
        ))}
      </ul>
      {view.notBuilt.length > 0 && (
        <details>
          <summary>Not built yet ({view.notBuilt.length})</summary>
          <ul class="not-built">
            {view.notBuilt.map((one) => (
              <li key={one}>{one}</li>
            ))}
          </ul>
        </details>
      )}
    </section>
  )
}
