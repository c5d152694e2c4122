/** The run's progress: how much is paid, refused, unknown and to go; how fast; until when. */
import { samples, swarm } from './known.ts'
import { etaMs, paceOf, progressOf, type Pace } from './progress.ts'
import { hrefOf } from './route.ts'
import { count, counted, duration, grouped, milliseconds } from './words.ts'

const Figure = ({
  name,
  value,
  tone,
  note,
  href,
}: {
  name: string
  value: string
  tone?: string
  note?: string | undefined
  /** Where what is counted stands one by one. */
  href: string
}) => (
  <div class={`figure ${tone ?? ''}`}>
    <dt>{name}</dt>
    <dd>
      <a href={href}>{value}</a>
      {note !== undefined && <small>{note}</small>}
    </dd>
  </div>
)

const Bar = ({ parts, total }: { parts: readonly { name: string; value: number }[]; total: number }) => (
  <div class="progress" role="img" aria-label={parts.map(({ name, value }) => `${count(value)} ${name}`).join(', ')}>
    {parts
      .filter(({ value }) => value > 0)
      .map(({ name, value }) => (
        <span key={name} class={name.replace(' ', '-')} style={{ width: `${(value / total) * 100}%` }} />
      ))}
  </div>
)

/** Speed and end, or why neither can be said. */
const paceText = (toGo: number, pace: Pace | null): string => {
  if (toGo === 0) return 'nothing to go'
  if (pace === null) return 'speed not known yet'
  const eta = etaMs(toGo, pace)
  if (eta === null) return `nothing ended in the last ${duration(pace.overMs)}`
  const speed = pace.perSecond < 10 ? pace.perSecond.toFixed(1) : count(Math.round(pace.perSecond))
  return `${speed} a second, about ${duration(eta)} left`
}

const amounts = (amount: Readonly<Record<string, string>> | undefined): string | undefined => {
  const texts = Object.entries(amount ?? {}).map(([currency, text]) => `${grouped(text)} ${currency}`)
  return texts.length === 0 ? undefined : texts.join(' · ')
}

export const Run = () => {
  const view = swarm.value!
  const run = progressOf(view)
  const otherDone = Math.max(0, run.other - run.dead - run.cancelled)
  const times = Object.values(view.durations).find((one) => one !== null)
  const byState = view.settle.byState
  return (
    <section class="run" aria-labelledby="run-title">
      <h2 id="run-title">Run</h2>
      {run.total === 0 ? (
        <p class="empty">
          No task yet. Give it a file: <code>sitter settle payouts.csv</code>
        </p>
      ) : (
        <>
          <dl class="figures">
            <Figure
              name="settled"
              value={count(run.settled)}
              tone="settled"
              href={hrefOf(['settlements'], { state: 'settled' })}
              note={amounts(byState['settled']?.amounts)}
            />
            <Figure
              name="rejected"
              value={count(run.rejected)}
              tone={run.rejected > 0 ? 'rejected' : ''}
              href={hrefOf(['settlements'], { state: 'rejected' })}
              note={amounts(byState['rejected']?.amounts)}
            />
            <Figure
              name="unknown"
              value={count(run.unknown)}
              tone={run.unknown > 0 ? 'unknown' : ''}
              href={hrefOf(['settlements'], { state: 'unknown' })}
              note={amounts(byState['unknown']?.amounts)}
            />
            {run.dead > 0 && (
              <Figure name="gave up" value={count(run.dead)} tone="unknown" href={hrefOf(['dead-letters'])} />
            )}
            <Figure name="to go" value={count(run.toGo)} href={hrefOf(['tasks'])} />
          </dl>
          <Bar
            total={run.total}
            parts={[
              { name: 'settled', value: run.settled },
              { name: 'rejected', value: run.rejected },
              { name: 'ended otherwise', value: run.other },
              { name: 'to go', value: run.toGo },
            ]}
          />
          <p class="pace">
            <span>
              {count(run.ended)} of {counted(run.total, 'task')} ended
            </span>
            {otherDone > 0 && <span>{count(otherDone)} of them other work</span>}
            {run.cancelled > 0 && (
              <span>
                <a href={hrefOf(['tasks'], { state: 'cancelled' })}>{count(run.cancelled)} cancelled</a>
              </span>
            )}
            <span>{paceText(run.toGo, paceOf(samples.value))}</span>
            {times != null && (
              <span>
                p50 {milliseconds(times.p50)} · p95 {milliseconds(times.p95)} · p99 {milliseconds(times.p99)}
              </span>
            )}
            {view.idle && <span>idle</span>}
          </p>
        </>
      )}
    </section>
  )
}
