/** One settlement: its facts, every intent with its evidence, its transfers, its time line, and resolve. */
import { useSignal } from '@preact/signals'
import type { SettlementDescription } from '../../src/doors/api.ts'
import { useOne } from './asked.ts'
import { BarNote, DeedButton } from './deed.tsx'
import { EventLine } from './events.tsx'
import { Fresh } from './fresh.tsx'
import { Folded, Pair, Said, State } from './parts.tsx'
import { ResolveDialog } from './resolve-dialog.tsx'
import { agentHref, hrefOf } from './route.ts'
import { Clock, When } from './time.tsx'
import { visible } from './visible.ts'
import { grouped } from './words.ts'

const everyMs = 2_000

const Facts = ({ one }: { one: SettlementDescription }) => (
  <dl class="pairs">
    <Pair name="state">
      <b>
        <State of={one.state} />
      </b>{' '}
      · <When ms={one.updatedMs} />
      {one.person && ', waits for a person'}
    </Pair>
    <Pair name="reason">{one.reason === null ? 'none recorded' : <Said text={one.reason} />}</Pair>
    <Pair name="next">
      <When ms={one.nextMs} none="no time is set" />
    </Pair>
    <Pair name="amount">
      <b>
        {grouped(one.amount)} {one.currency}
      </b>
    </Pair>
    <Pair name="payee">
      <Said text={one.payee} />
    </Pair>
    <Pair name="from">
      <Said text={one.payer} />
    </Pair>
    <Pair name="channel">{visible(one.channel)}</Pair>
    <Pair name="provider key">
      <code>
        <Said text={one.providerKey} />
      </code>
    </Pair>
    <Pair name="provider’s own">
      {one.providerReference === null ? 'not known' : <Said text={one.providerReference} />}
    </Pair>
    <Pair name="tries">{one.tries}</Pair>
    <Pair name="task">
      {one.task === null ? 'none' : <a href={hrefOf(['tasks', one.task])}>{visible(one.task)}</a>}
    </Pair>
    <Pair name="agent">{one.agent === null ? 'none' : <a href={agentHref(one.agent)}>{visible(one.agent)}</a>}</Pair>
    <Pair name="batch">
      {one.batch === null ? 'none' : <a href={hrefOf(['settlements'], { batch: one.batch })}>{visible(one.batch)}</a>}
    </Pair>
    <Pair name="made">
      <When ms={one.createdMs} />
    </Pair>
  </dl>
)

const Intents = ({ one }: { one: SettlementDescription }) =>
  one.intents.length === 0 ? (
    <p class="empty">No intent is recorded.</p>
  ) : (
    <ol class="plain attempts">
      {one.intents.map((intent) => (
        <li key={intent.number}>
          <p>
            <b>
              {intent.number}. {intent.kind}
            </b>{' '}
            {intent.outcome === null ? 'open: no outcome yet' : <State of={intent.outcome} />}, written{' '}
            <Clock ms={intent.writtenMs} />
            {intent.closedMs !== null && (
              <>
                , closed <Clock ms={intent.closedMs} />
              </>
            )}
            {intent.journal !== null && `, call ${intent.journal} of ${visible(intent.gateId)}`}
            {intent.cost !== null && `, cost ${visible(intent.cost)}`}
          </p>
          <Folded name="Request" text={intent.request} json />
          {intent.evidence === null ? (
            <p class="empty">No evidence is recorded.</p>
          ) : (
            <Folded name="Evidence" text={intent.evidence} json />
          )}
        </li>
      ))}
    </ol>
  )

const Transfers = ({ one }: { one: SettlementDescription }) =>
  one.transfers.length === 0 ? (
    <p class="empty">No transfer.</p>
  ) : (
    <div class="wider" tabIndex={0} role="region" aria-label="Transfers">
      <table>
        <thead>
          <tr>
            <th scope="col">no.</th>
            <th scope="col">kind</th>
            <th scope="col">debit</th>
            <th scope="col">credit</th>
            <th scope="col">amount</th>
            <th scope="col">when</th>
          </tr>
        </thead>
        <tbody>
          {one.transfers.map((transfer) => (
            <tr key={transfer.seq}>
              <td>{transfer.seq}</td>
              <td>{transfer.kind}</td>
              <td>
                <Said text={transfer.debit} />
              </td>
              <td>
                <Said text={transfer.credit} />
              </td>
              <td class="amount">
                {grouped(transfer.amount)} {transfer.currency}
              </td>
              <td>
                <Clock ms={transfer.wallMs} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )

const Sheet = ({ one, resolve }: { one: SettlementDescription; resolve: () => void }) => (
  <>
    {(one.state === 'unknown' || one.state === 'accepted') && (
      <p class="deeds">
        <DeedButton deed="resolve" look="main" onClick={resolve}>
          Resolve …
        </DeedButton>
        <BarNote deeds={['resolve']} />
      </p>
    )}
    <Facts one={one} />
    <h3>Intents</h3>
    <Intents one={one} />
    <h3>Transfers</h3>
    <Transfers one={one} />
    <h3>Time line</h3>
    {one.timeLine.length === 0 ? (
      <p class="empty">no events about it</p>
    ) : (
      <ol class="events">
        {one.timeLine.map((event) => (
          <EventLine key={event.seq} event={event} />
        ))}
      </ol>
    )}
  </>
)

export const SettlementPage = ({ id }: { id: string }) => {
  const asked = useOne<SettlementDescription>(`/api/v1/settlements/${encodeURIComponent(id)}`, everyMs)
  const resolving = useSignal(false)
  return (
    <section class="sheet" aria-labelledby="sheet-title">
      <p class="trail">
        <a href={hrefOf(['settlements'])}>Settlements</a> / {visible(id)}
      </p>
      <h2 id="sheet-title">{asked.answer === null ? visible(id) : <Said text={asked.answer.reference} />}</h2>
      <Fresh asked={asked}>{(one) => <Sheet one={one} resolve={() => (resolving.value = true)} />}</Fresh>
      {resolving.value && <ResolveDialog id={id} onClose={() => (resolving.value = false)} after={asked.again} />}
    </section>
  )
}
