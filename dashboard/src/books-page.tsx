/** The books and the evidence: accounts, whether they balance, transfers, the audit chain and its entries, exports. */
import { useSignal } from '@preact/signals'
import type { AccountAnswer, LedgerCheck, List, TransferAnswer } from '../../src/doors/api.ts'
import type { AuditView } from '../../src/store/queries.ts'
import { ask } from './ask.ts'
import { useAsked, useList, useOne } from './asked.ts'
import { AuditCheck } from './checks.tsx'
import { Fresh } from './fresh.tsx'
import { Folded, More, Said } from './parts.tsx'
import { barred } from './role.ts'
import { hrefOf } from './route.ts'
import { Rows, type Column } from './rows.tsx'
import { Clock } from './time.tsx'
import { visible } from './visible.ts'
import { counted, grouped } from './words.ts'

const everyMs = 10_000
/** The whole ledger is summed anew for each check. */
const checkEveryMs = 60_000
const pageSize = 100
const mostPages = 10
const exports = [
  ['tasks', 'exportTasks'],
  ['attempts', 'exportAttempts'],
  ['settlements', 'exportSettlements'],
  ['transfers', 'exportTransfers'],
  ['audit', 'exportAudit'],
] as const

const Balance = () => {
  const asked = useAsked(
    'ledger check',
    (signal) => ask<LedgerCheck>('/api/v1/ledger/check', { signal, patienceMs: 60_000 }),
    checkEveryMs,
  )
  return (
    <Fresh asked={asked}>
      {({ ok, transfers, accounts, faults }) => (
        <>
          <p class={`outcome ${ok ? 'good' : 'bad'}`}>
            <b aria-hidden="true">{ok ? '✓' : '✗'}</b> {ok ? 'Balanced' : 'Does not balance'} over{' '}
            {counted(transfers, 'transfer')} and {counted(accounts, 'account')}
          </p>
          {faults.length > 0 && (
            <ul class="plain lines">
              {faults.map((fault) => (
                <li key={fault}>
                  <Said text={fault} />
                </li>
              ))}
            </ul>
          )}
        </>
      )}
    </Fresh>
  )
}

const Accounts = () => {
  const asked = useOne<List<AccountAnswer>>('/api/v1/ledger/accounts', everyMs)
  return (
    <Fresh asked={asked}>
      {({ items }) =>
        items.length === 0 ? (
          <p class="empty">No account yet: the first settlement opens them.</p>
        ) : (
          <div class="wider" tabIndex={0} role="region" aria-label="Accounts">
            <table>
              <thead>
                <tr>
                  <th scope="col">account</th>
                  <th scope="col">debits posted</th>
                  <th scope="col">debits pending</th>
                  <th scope="col">credits posted</th>
                  <th scope="col">credits pending</th>
                  <th scope="col">currency</th>
                </tr>
              </thead>
              <tbody>
                {items.map((one) => (
                  <tr key={`${one.code} ${one.currency}`}>
                    <th scope="row">
                      <Said text={one.code} />
                    </th>
                    {[one.debitsPosted, one.debitsPending, one.creditsPosted, one.creditsPending].map((amount, at) => (
                      <td key={at} class="amount">
                        {grouped(amount)}
                      </td>
                    ))}
                    <td>{one.currency}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )
      }
    </Fresh>
  )
}

const transferColumns: readonly Column<TransferAnswer>[] = [
  {
    name: 'no.',
    cell: (one) =>
      one.settlement === null ? one.seq : <a href={hrefOf(['settlements', one.settlement])}>{one.seq}</a>,
  },
  { name: 'kind', cell: (one) => one.kind },
  { name: 'debit', wide: true, cell: (one) => <Said text={one.debit} /> },
  { name: 'credit', wide: true, cell: (one) => <Said text={one.credit} /> },
  {
    name: 'amount',
    cell: (one) => (
      <span class="amount">
        {grouped(one.amount)} {one.currency}
      </span>
    ),
  },
  { name: 'when', wide: true, cell: (one) => <Clock ms={one.wallMs} /> },
]

const Transfers = () => {
  const pages = useSignal(1)
  const asked = useList<TransferAnswer>({
    path: '/api/v1/ledger/transfers',
    limit: pageSize,
    pages: pages.value,
    everyMs,
  })
  return (
    <Fresh asked={asked}>
      {({ items, next }) => (
        <>
          {items.length === 0 ? (
            <p class="empty">No transfer yet.</p>
          ) : (
            <Rows
              label="Transfers, oldest first"
              look="of-transfers"
              items={items}
              keyOf={(one) => one.id}
              columns={transferColumns}
            />
          )}
          <More next={next} shown={items.length} most={pageSize * mostPages} more={() => (pages.value += 1)} />
        </>
      )}
    </Fresh>
  )
}

/** What an entry tells, as far as it has the usual form; the entry itself is always shown. */
const entryText = (entry: string): string => {
  try {
    const { actor, action, object, decision } = JSON.parse(entry) as Readonly<Record<string, unknown>>
    return [actor, action, object, decision].filter((part) => typeof part === 'string').join(' · ')
  } catch {
    // An entry that is no JSON is what the check of the chain is there to find; here it is shown as it stands.
    return entry.slice(0, 200)
  }
}

const Entries = () => {
  const pages = useSignal(1)
  const asked = useList<AuditView>({
    path: '/api/v1/audit/entries',
    limit: pageSize,
    pages: pages.value,
    everyMs,
  })
  return (
    <Fresh asked={asked}>
      {({ items, next }) => (
        <>
          {items.length === 0 ? (
            <p class="empty">No entry yet.</p>
          ) : (
            <ol class="plain lines entries" tabIndex={0} aria-label="Audit entries, oldest first">
              {items.map((one) => (
                <li key={one.seq}>
                  <Folded
                    name={`${one.seq} · ${visible(entryText(one.entry))} · ${one.hash.slice(0, 12)}`}
                    text={one.entry}
                    json
                  />
                </li>
              ))}
            </ol>
          )}
          <More next={next} shown={items.length} most={pageSize * mostPages} more={() => (pages.value += 1)} />
        </>
      )}
    </Fresh>
  )
}

export const BooksPage = () => (
  <section class="sheet" aria-labelledby="sheet-title">
    <h2 id="sheet-title">Audit and ledger</h2>
    <h3>Ledger</h3>
    <Balance />
    <Accounts />
    <h3>Transfers, oldest first</h3>
    <Transfers />
    <h3>Audit chain</h3>
    <ul class="plain">
      <AuditCheck />
    </ul>
    <h3>Audit entries, oldest first</h3>
    {barred('auditEntries') === null ? <Entries /> : <p class="empty">{barred('auditEntries')}</p>}
    <h3>Export</h3>
    <p class="hint">All of it, one JSON object a line. Each export is itself recorded in the audit.</p>
    <ul class="plain exports">
      {exports.map(([kind, deed]) => (
        <li key={kind}>
          {barred(deed) === null ? (
            <a href={`/api/v1/export/${kind}`} download={`${kind}.ndjson`}>
              {kind}
            </a>
          ) : (
            <span class="empty">
              {kind}: {barred(deed)}
            </span>
          )}
        </li>
      ))}
    </ul>
  </section>
)
