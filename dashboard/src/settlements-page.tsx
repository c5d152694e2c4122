/** Settlements as a table, filtered by state, channel, batch, and whether they wait for a person. */
import { useSignal } from '@preact/signals'
import type { SettlementAnswer } from '../../src/doors/api.ts'
import { settlementStates } from '../../src/model/settlement.ts'
import { useList } from './asked.ts'
import { Fresh } from './fresh.tsx'
import { swarm } from './known.ts'
import { More, Pick, Said, State, TextFilter } from './parts.tsx'
import { hrefOf, place } from './route.ts'
import { Rows, type Column } from './rows.tsx'
import { ShownOf } from './tasks-page.tsx'
import { When } from './time.tsx'
import { grouped } from './words.ts'

const everyMs = 5_000
const pageSize = 100
const mostPages = 10

const columns: readonly Column<SettlementAnswer>[] = [
  {
    name: 'reference',
    cell: (one) => (
      <a href={hrefOf(['settlements', one.id])}>
        <Said text={one.reference} />
      </a>
    ),
  },
  { name: 'payee', wide: true, cell: (one) => <Said text={one.payee} /> },
  {
    name: 'amount',
    cell: (one) => (
      <span class="amount">
        {grouped(one.amount)} {one.currency}
      </span>
    ),
  },
  {
    name: 'state',
    cell: (one) => (
      <>
        <State of={one.state} />
        {one.person && ' · waits for a person'}
      </>
    ),
  },
  { name: 'changed', wide: true, cell: (one) => <When ms={one.updatedMs} /> },
  { name: 'reason', wide: true, cell: (one) => (one.reason === null ? '' : <Said text={one.reason} />) },
]

const SettlementRows = () => {
  const { state, channel, batch, person } = place.value.query
  const pages = useSignal(1)
  const asked = useList<SettlementAnswer>({
    path: '/api/v1/settlements',
    query: { state, channel, batch, person },
    limit: pageSize,
    pages: pages.value,
    everyMs,
  })
  const byState = swarm.value?.settle.byState ?? {}
  const narrowed = channel !== undefined || batch !== undefined || person !== undefined
  const all = Object.entries(byState).reduce(
    (sum, [name, { count }]) => (state === undefined || name === state ? sum + count : sum),
    0,
  )
  return (
    <Fresh asked={asked}>
      {({ items, next }) => (
        <>
          <ShownOf shown={items.length} all={narrowed ? null : all} one="settlement" />
          {items.length === 0 ? (
            <p class="empty">No settlement is like that.</p>
          ) : (
            <Rows label="Settlements" look="of-settlements" items={items} keyOf={(one) => one.id} columns={columns} />
          )}
          <More next={next} shown={items.length} most={pageSize * mostPages} more={() => (pages.value += 1)} />
        </>
      )}
    </Fresh>
  )
}

export const SettlementsPage = () => {
  const { state, channel, batch, person } = place.value.query
  return (
    <section class="sheet" aria-labelledby="sheet-title">
      <h2 id="sheet-title">Settlements</h2>
      <div class="filters">
        <Pick name="state" label="State" values={settlementStates} />
        <Pick name="person" label="Waits for a person" values={['true', 'false']} />
        <TextFilter name="channel" label="Channel" hint="northbank" />
        <TextFilter name="batch" label="Batch" hint="bat_…" />
      </div>
      <SettlementRows key={`${state} ${channel} ${batch} ${person}`} />
    </section>
  )
}
