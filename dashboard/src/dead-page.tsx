/** Dead letters: tasks that gave up, with the error that ended them. One or many are redriven or discarded from here. */
import { useSignal } from '@preact/signals'
import { useList } from './asked.ts'
import { BarNote, DeedButton } from './deed.tsx'
import { Fresh } from './fresh.tsx'
import { swarm } from './known.ts'
import { ManyDialog, type ManyDeed } from './many-dialog.tsx'
import { IdLink, More, Pick, Said, TextFilter } from './parts.tsx'
import { RedriveMatching } from './redrive-matching.tsx'
import { hrefOf, place } from './route.ts'
import { Rows, type Column } from './rows.tsx'
import { countedBySitter, ShownOf, type TaskRow } from './tasks-page.tsx'
import { When } from './time.tsx'
import { counted } from './words.ts'

const everyMs = 5_000
const pageSize = 100
const mostPages = 10

const plainColumns: readonly Column<TaskRow>[] = [
  { name: 'type', wide: true, cell: (task) => task.type },
  {
    name: 'error',
    cell: (task) =>
      task.error === null ? 'none recorded' : <Said text={`${task.error.name}: ${task.error.message}`} />,
  },
  { name: 'tries', wide: true, cell: (task) => task.attempts },
  { name: 'died', wide: true, cell: (task) => <When ms={task.updatedMs} /> },
]

interface Choice {
  has(id: string): boolean
  turn(id: string): void
}

const columnsWith = (choice: Choice): readonly Column<TaskRow>[] => [
  {
    name: 'task',
    cell: (task) => (
      <span class="pair">
        <input
          type="checkbox"
          aria-label={`Choose ${task.id}`}
          checked={choice.has(task.id)}
          onChange={() => choice.turn(task.id)}
        />
        <IdLink id={task.id} href={hrefOf(['tasks', task.id])} />
      </span>
    ),
  },
  ...plainColumns,
]

const DeadRows = () => {
  const { type, error, partial } = place.value.query
  const pages = useSignal(1)
  const chosen = useSignal<ReadonlySet<string>>(new Set())
  const under = useSignal<{ readonly deed: ManyDeed; readonly ids: readonly string[] } | null>(null)
  const asked = useList<TaskRow>({
    path: '/api/v1/dead-letters',
    query: { type, error, partial },
    limit: pageSize,
    pages: pages.value,
    everyMs,
  })
  const choice: Choice = {
    has: (id) => chosen.value.has(id),
    turn: (id) => {
      const next = new Set(chosen.value)
      if (!next.delete(id)) next.add(id)
      chosen.value = next
    },
  }
  return (
    <>
      <Fresh asked={asked}>
        {({ items, next }) => {
          // What has left the list meanwhile is no longer chosen.
          const here = items.filter(({ id }) => chosen.value.has(id)).map(({ id }) => id)
          return (
            <>
              <ShownOf
                shown={items.length}
                all={error === undefined && partial === undefined ? countedBySitter(type, 'dead') : null}
                one="dead letter"
              />
              {items.length === 0 ? (
                <p class="empty">
                  {error === undefined && type === undefined && partial === undefined
                    ? 'No dead letter. Tasks come here when their tries are spent.'
                    : 'No dead letter is like that.'}
                </p>
              ) : (
                <>
                  <p class="deeds">
                    <button
                      type="button"
                      onClick={() => {
                        chosen.value = new Set(here.length === items.length ? [] : items.map(({ id }) => id))
                      }}
                    >
                      {here.length === items.length ? 'Choose none' : `Choose all ${items.length} shown`}
                    </button>
                    <DeedButton
                      deed="redrive"
                      look="main"
                      disabled={here.length === 0}
                      onClick={() => (under.value = { deed: 'redrive', ids: here })}
                    >
                      Redrive {counted(here.length, 'chosen', 'chosen')} …
                    </DeedButton>
                    <DeedButton
                      deed="discard"
                      disabled={here.length === 0}
                      onClick={() => (under.value = { deed: 'discard', ids: here })}
                    >
                      Discard {counted(here.length, 'chosen', 'chosen')} …
                    </DeedButton>
                    <RedriveMatching matching={{ type, error, partial }} after={asked.again} />
                    <BarNote deeds={['redrive', 'discard']} />
                  </p>
                  <Rows
                    label="Dead letters"
                    look="of-dead"
                    items={items}
                    keyOf={(task) => task.id}
                    columns={columnsWith(choice)}
                  />
                </>
              )}
              <More next={next} shown={items.length} most={pageSize * mostPages} more={() => (pages.value += 1)} />
            </>
          )
        }}
      </Fresh>
      {under.value !== null && <ManyDialog {...under.value} onClose={() => (under.value = null)} after={asked.again} />}
    </>
  )
}

export const DeadPage = () => {
  const { type, error, partial } = place.value.query
  return (
    <section class="sheet" aria-labelledby="sheet-title">
      <h2 id="sheet-title">Dead letters</h2>
      <div class="filters">
        <Pick name="type" label="Type" values={Object.keys(swarm.value?.work.byType ?? {})} />
        <TextFilter name="error" label="Error" hint="name, message or code" />
        <Pick name="partial" label="Partly done" values={['true']} />
      </div>
      <DeadRows key={`${type} ${error} ${partial}`} />
    </section>
  )
}
