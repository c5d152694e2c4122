/** The run's progress: how much is paid, refused, unknown and to go; how fast; until when. */
import { samples, swarm } from './known.ts'
import { etaMs, paceOf, progressOf, type Pace } from './progress.ts'
import { count, counted, duration, grouped, milliseconds } from './words.ts'

const Figure = ({
  name,
  value,
  tone,
  note,
}: {
  name: string
  value: string
  tone?: string
  note?: string | undefined
}) => (
  <div class={`figure ${tone ?? ''}`}>
    <dt>{name}</dt>
    <dd>
      {value}
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
              note={amounts(byState['settled']?.amounts)}
            />
            <Figure
              name="rejected"
              value={count(run.rejected)}
              tone={run.rejected > 0 ? 'rejected' : ''}
              note={amounts(byState['rejected']?.amounts)}
            />
            <Figure
              name="unknown"
              value={count(run.unknown)}
              tone={run.unknown > 0 ? 'unknown' : ''}
              note={amounts(byState['unknown']?.amounts)}
            />
            {run.other > 0 && <Figure name="ended otherwise" value={count(run.other)} />}
            <Figure name="to go" value={count(run.toGo)} />
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
